"""Results of trials as folders, each whole or as it was before: what is written is named by its digest, listed last."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from errno import ENOTDIR
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from resablate.errors import DamagedResult, TrackingError
from resablate.plain_json import read_json
from resablate.result import RESULT_FILE, TrialResult
from resablate.storage.files import ABSENT, DISK_FULL, digest, file_digest, make_folder, move_aside, remove, write_bytes

_LIST = "files.json"
"""Says whose result it is, and under which name and with which SHA-256 each file lies; it is written last."""
_VERSION = 1
_DIGITS = 12
_NO_LIST = (ValueError, TypeError, KeyError, IndexError, AttributeError, IsADirectoryError, NotADirectoryError)
"""What reading raises where something lies there that is no list of files."""


class StoredResult(NamedTuple):
    """A result and where its weights lie."""

    result: TrialResult
    weights: dict[str, tuple[Path, str]]
    """Name, by `resablate.result.weights_file` -> file and SHA-256."""


def write_result(place: Path, result: TrialResult, *, weights: Mapping[str, Path]) -> None:
    """Store a result in the folder `place`, with its weights and those that are there; an older result is replaced.

    What is there and cannot be made sense of is moved aside, the whole folder with what it holds.

    Raises:
        OSError: if the disk does not take it; what was there is still there.
    """
    make_folder(place.parent)
    try:
        listed = _listed(place)
    except _NO_LIST:
        move_aside(place)
        listed = {}
    files = {name: entry for name, entry in listed.items() if name != RESULT_FILE}
    for name, file in weights.items():
        found = file_digest(file)
        stored = _stored_name(name, found)
        _copy(file, place / stored)
        files[name] = (stored, found)
    content = result.to_json().encode()
    found = digest(content)
    files[RESULT_FILE] = (_stored_name(RESULT_FILE, found), found)
    write_bytes(place / files[RESULT_FILE][0], content)
    record = {"version": _VERSION, "key": result.key, "files": {name: list(entry) for name, entry in files.items()}}
    write_bytes(place / _LIST, json.dumps(record).encode())
    kept = {_LIST, *(stored for stored, _ in files.values())}
    for path in place.iterdir():
        if path.name not in kept:
            remove(path)


def read_result(place: Path) -> StoredResult:
    """The result in the folder `place`, which bears the name of its key.

    Raises:
        DamagedResult: if it is missing, damaged, or another trial's.
        TrackingError: if it cannot be read, so that nobody knows whether it is whole.
    """
    try:
        listed = _listed(place)
        stored, expected = listed[RESULT_FILE]
        content = (place / stored).read_bytes()
        if digest(content) != expected:
            raise ValueError("its content is not what was written")
        result = TrialResult.from_json(content)
        if result.key != place.name:
            raise ValueError(f"it is the result of trial {result.key}")
    except (*ABSENT, *_NO_LIST) as error:
        reason = str(error).partition("\n")[0]
        raise DamagedResult(f"{place}: no whole result ({type(error).__name__}: {reason})") from None
    except OSError as error:
        raise TrackingError(f"{error.filename or place}: cannot be read ({error.strerror})") from error
    weights = {name: (place / file, sha) for name, (file, sha) in listed.items() if name != RESULT_FILE}
    return StoredResult(result, weights)


def copy_whole(file: Path, to: Path, expected: str) -> None:
    """Copy a file of a result, whose SHA-256 is known.

    Raises:
        DamagedResult: if it is missing, or its content is another.
        OSError: if it cannot be read, or not be written there.
    """
    try:
        found = file_digest(file)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise DamagedResult(f"{file}: {error.strerror}") from None
    if found != expected:
        raise DamagedResult(f"{file}: its content is not what was written")
    shutil.copyfile(file, to)


def stamp(place: Path) -> int:
    """Changes with the result in a folder; 0 where there is none."""
    try:
        return (place / _LIST).stat().st_mtime_ns
    except OSError:
        return 0


def _listed(place: Path) -> dict[str, tuple[str, str]]:
    """Name -> the name under which it lies, and its SHA-256."""
    try:
        record: dict[str, Any] = read_json((place / _LIST).read_bytes())
    except FileNotFoundError:
        if place.is_symlink() and not place.is_dir():
            raise NotADirectoryError(ENOTDIR, "a link to nothing", str(place)) from None
        return {}
    if record["version"] != _VERSION or record["key"] != place.name:
        raise ValueError(f"version {record['version']!r} of trial {record['key']!r}")
    found = {str(name): (str(entry[0]), str(entry[1])) for name, entry in record["files"].items()}
    if strange := [stored for stored, _ in found.values() if PurePath(stored).name != stored]:
        raise ValueError(f"{strange[0]!r} is no name of a file")
    return found


def _stored_name(name: str, found: str) -> str:
    path = PurePath(name)
    return f"{path.stem}-{found[:_DIGITS]}{path.suffix}"


def _copy(file: Path, to: Path) -> None:
    if to.is_file() and to.stat().st_size == file.stat().st_size:
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    partial = to.with_suffix(".partial")
    try:
        shutil.copyfile(file, partial)
    except OSError as error:
        remove(partial)
        if error.errno in DISK_FULL:
            write_bytes(to, file.read_bytes())  # waits for room
            return
        raise
    partial.replace(to)
