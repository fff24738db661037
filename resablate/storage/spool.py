"""Results that wait to be filed, in a sweep's folder: one folder for each key, whole or as if it were not there."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from resablate.errors import CheckpointError, FilesUnreadable
from resablate.plain_json import read_json
from resablate.result import RESULT_FILE, TrialResult
from resablate.storage.files import damaged_file, digest, remove, why_unreadable, write_bytes

log = logging.getLogger(__name__)

SPOOL = "spool"
"""Its name in a sweep's folder."""
_LIST = "files.json"
"""Says whose result it is, and the digest of every file; it is written last."""
_TAKEN_OUT = ".filed-"
"""Begins the name, beside the spool, of a result that was filed and is being removed."""
_VERSION = 1
"""Of the form of what waits."""


def write_spooled(spool: Path, result: TrialResult, *, weights: Mapping[str, bytes]) -> Path:
    """Store a result and its weights; the list of them last, so that whoever sees it sees all.

    Returns:
        The folder of the result.

    Raises:
        OSError: if the disk does not take it; nothing of it is left then.
    """
    place = spool / result.key
    if not place.is_dir():
        remove(place)
    remove(place / _LIST)
    files = {**weights, RESULT_FILE: result.to_json().encode()}
    try:
        for name, content in files.items():
            write_bytes(place / name, content)
        digests = {name: digest(content) for name, content in files.items()}
        listed = {"version": _VERSION, "key": result.key, "files": digests}
        write_bytes(place / _LIST, json.dumps(listed).encode())
    except OSError:
        shutil.rmtree(place, ignore_errors=True)
        raise
    return place


def read_spooled(place: Path) -> tuple[TrialResult, dict[str, Path]]:
    """A result and its weights, by file name, from the folder that `write_spooled` made.

    Raises:
        CheckpointError: if anything of it is missing, damaged, or another trial's.
    """
    try:
        listed: dict[str, Any] = read_json((place / _LIST).read_bytes())
        version, key, digests = listed["version"], listed["key"], dict[str, str](listed["files"])
        if (version, key) != (_VERSION, place.name):
            raise ValueError(f"version {version!r} of trial {key!r}")
        if problem := damaged_file(place, digests):
            raise ValueError(problem)
        result = TrialResult.from_json((place / RESULT_FILE).read_bytes())
        if result.key != key:
            raise ValueError(f"a result of trial {result.key!r}")
    except OSError as error:
        name = Path(error.filename or _LIST).name
        raise CheckpointError(f"{place}: not a whole result ({name}: {error.strerror})") from None
    except (ValueError, TypeError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{place}: not a whole result ({type(error).__name__}: {reason})") from None
    return result, {name: place / name for name in sorted(digests) if name != RESULT_FILE}


def is_proved_damaged(place: Path) -> bool:
    """Whether something is no whole result by its own digests, and so never will be one.

    False where it cannot be read, and where what was written is there and says something that is not known here, as
    that of another version does.
    """
    if why_unreadable(place):
        return False
    try:
        listed = read_json((place / _LIST).read_bytes())
    except (OSError, ValueError):  # it is written last: what has none was never whole
        return True
    try:
        return listed["version"] == _VERSION and damaged_file(place, dict[str, str](listed["files"])) is not None
    except (OSError, ValueError, TypeError, KeyError):
        return False


def check_readable(spool: Path) -> None:
    """Raise FilesUnreadable if a result that waits cannot be read: it may be whole, and is not to be trained again."""
    for place in sorted(spool.glob("*")):
        if why := why_unreadable(place):
            raise FilesUnreadable(
                f"{place}: a result that waits to be filed cannot be read ({why}), so nothing was begun: see that it"
                " can be read, or remove it"
            )


def take_out(place: Path) -> None:
    """Remove a result that was filed, from the spool at once: who is killed meanwhile leaves no half of it there."""
    gone = place.parents[1] / f"{_TAKEN_OUT}{place.name}"
    remove(gone)
    try:
        place.rename(gone)
    except OSError:  # it is no longer there, or it can be moved nowhere
        gone = place
    remove(gone)


def clear(spool: Path, complete: Collection[str]) -> None:
    """Remove what is left of results that were filed.

    Args:
        spool: of a sweep that nobody else runs.
        complete: keys of trials whose results are filed.
    """
    for place in spool.parent.glob(f"{_TAKEN_OUT}*"):
        remove(place)
    for key in complete:
        take_out(spool / key)


def spooled(spool: Path) -> dict[str, TrialResult]:
    """Key -> every result that waits to be filed; what is not whole is passed over with a warning."""
    found: dict[str, TrialResult] = {}
    for place in sorted(spool.glob("*")):
        try:
            found[place.name] = read_spooled(place)[0]
        except CheckpointError as error:
            if place.exists():  # else it was filed meanwhile
                log.warning("%s, passed over", error)
    return found
