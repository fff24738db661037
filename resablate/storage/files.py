"""Files that are whole or not there."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
"""What reading raises where there is no such file; any other failure says nothing about what is there."""
_FULL_SECONDS = 5.0
"""Between two looks for room."""
_TRIES = 10
"""How often a folder is made again that somebody removes while a file is written into it."""


def write_bytes(path: Path, content: bytes, *, wait: bool = True) -> None:
    """Write a file that appears under its name only when it is whole; a folder in its place is removed.

    Where the disk is full this says so, and waits until there is room.

    Args:
        path: of the file.
        content: of the file.
        wait: for room; what can be made again in a moment need not.

    Raises:
        OSError: if it cannot be written.
    """
    told, tries = False, _TRIES
    while True:
        try:
            return _write(path, content)
        except OSError as error:
            tries -= 1
            if isinstance(error, FileNotFoundError) and tries > 0:
                continue
            if error.errno in DISK_FULL and not wait:
                remove(path.with_suffix(".partial"))
            if error.errno not in DISK_FULL or not wait:
                raise
            if not told:
                log.warning("%s: %s; waiting until there is room for %d bytes", path, error.strerror, len(content))
            told = True
        remove(path.with_suffix(".partial"))
        time.sleep(_FULL_SECONDS)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    if partial.is_dir():
        remove(partial)
    partial.write_bytes(content)
    if path.is_dir():
        remove(path)
    partial.replace(path)


def remove(path: Path) -> None:
    """Remove what is there under this name, be it a file, a folder with all in it, or nothing."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(OSError):
        path.unlink()


def move_aside(path: Path) -> Path:
    """Give what cannot be made sense of another name, hidden and free, so that it is lost to nobody and in no way.

    Returns:
        Where it lies now.

    Raises:
        OSError: if it cannot be moved.
    """
    name = f".{path.name.removeprefix('.')}.damaged"
    number, aside = 1, path.with_name(name)
    while os.path.lexists(aside):
        number += 1
        aside = path.with_name(f"{name}-{number}")
    path.rename(aside)
    log.warning("%s: damaged, and moved to %s", path, aside)
    return aside


def make_folder(path: Path) -> None:
    """Make a folder; what has its name and is none is moved aside.

    Raises:
        OSError: if it cannot be made.
    """
    if os.path.lexists(path) and not path.is_dir():
        move_aside(path)
    path.mkdir(parents=True, exist_ok=True)


def why_unwritable(folder: Path, name: str = "") -> str:
    """Why nothing of this name can be put into a folder, which is made for the look if it is not there; else empty."""
    missing: list[Path] = []
    try:
        missing = [place for place in (folder, *folder.absolute().parents) if not place.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).exists()  # which may be too long for any folder
        return "" if os.access(folder, os.W_OK | os.X_OK) else f"Permission denied: {folder}"
    except OSError as error:
        return f"{error.strerror}: {error.filename}"
    finally:
        for place in missing:
            with suppress(OSError):
                place.rmdir()


def digest(content: bytes) -> str:
    """The SHA-256 of some bytes, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits.

    Raises:
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def why_unreadable(path: Path) -> str:
    """Why nobody can tell now what is there, in a file or in all files of a folder; empty where it can be told.

    A disk or a server that fails may be well tomorrow; a file that is missing, or a folder in its place, is an answer.
    """
    try:
        if path.is_dir():
            return next(filter(None, map(why_unreadable, sorted(path.iterdir()))), "")
        if stat.S_ISREG(path.stat().st_mode):
            file_digest(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return ""
    except OSError as error:
        return f"{path.name}: {error.strerror}"
    return ""


def damaged_file(folder: Path, digests: dict[str, str]) -> str | None:
    """What is wrong with the first file that is not what its digest says, in a few words; None if all are whole.

    Args:
        folder: where they lie.
        digests: name -> SHA-256.

    Raises:
        OSError: if one is there and cannot be read, so that nobody knows whether it is whole.
    """
    for name, expected in digests.items():
        try:
            found = file_digest(folder / name)
        except ABSENT as error:
            return f"{name}: {error.strerror}"
        if found != expected:
            return f"{name}: its content is not what was written"
    return None
