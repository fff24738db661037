"""Temporary folders that say whether their owner lives: it holds the lock of a file in them.

A process that is killed leaves its folder; the next one finds that nobody holds it, whatever number either had.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from resablate.storage.files import remove
from resablate.storage.locks import file_lock, is_held

OWNER = "owner.lock"
_UNMARKED_SECONDS = 24 * 3600
"""A folder without the file may be one that is being made, or that another version works in."""


@contextmanager
def owned_folder(prefix: str, parent: Path) -> Generator[Path]:
    """A new folder of this process, removed at the end.

    Args:
        prefix: of its name.
        parent: where it lies.

    Raises:
        OSError: if it cannot be made.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        with file_lock(folder / OWNER):
            yield folder
    finally:
        remove(folder)


def ownerless_folders(prefix: str, parent: Path) -> list[Path]:
    """The folders of this user that `owned_folder` made there and whose owner has ended."""
    found: list[Path] = []
    for folder in sorted(parent.glob(f"{prefix}*")):
        with suppress(OSError):  # somebody has just removed it
            is_ours = folder.is_dir() and folder.lstat().st_uid == os.geteuid()
            if is_ours and (_is_old(folder) if not (folder / OWNER).exists() else not is_held(folder / OWNER)):
                found.append(folder)
    return found


def _is_old(folder: Path) -> bool:
    latest = max(path.lstat().st_mtime for path in (folder, *folder.rglob("*")))
    return time.time() - latest > _UNMARKED_SECONDS
