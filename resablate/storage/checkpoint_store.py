"""Checkpoints in a store that all nodes reach, beside the folder that only one may have."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

from resablate.errors import ResourceError
from resablate.redaction import redact, without_password
from resablate.storage.checkpoint_files import CHECKPOINTS, PARTS, Examined, examine, keep_whole
from resablate.storage.files import remove

log = logging.getLogger(__name__)

ADDRESS_VARIABLE = "RESABLATE_CHECKPOINTS"
_PATTERNS = (*PARTS, CHECKPOINTS)
"""What a trial continues from, in the order of the alphabet and of storing: who sees a checkpoint sees the others."""
_DOWNLOADED = "downloaded.partial"
"""A folder in a trial's, which holds what the store has until it is known to be whole."""
_SIGNATURE = ("st_size", "st_mtime_ns", "st_ino")
"""What changes where a file is written anew."""
_PAUSE_SECONDS = 60
"""After a failure: a store that is away must not hold up every epoch for as long as it takes to find out."""


def checkpoint_store(sweep: str) -> str:
    """Where checkpoints of the sweep called `sweep` go besides its folder; nowhere if empty.

    Raises:
        ResourceError: if `$RESABLATE_CHECKPOINTS` is no address of a file system, or nothing answers there.
    """
    given = os.environ.get(ADDRESS_VARIABLE, "").strip()
    if not given:
        return ""
    from pyarrow import ArrowException
    from pyarrow.fs import FileSystem

    try:
        store, folder = FileSystem.from_uri(given)
        if not folder:
            raise ValueError("it names no folder")
        store.get_file_info(folder)
    except (ArrowException, ValueError) as error:
        raise ResourceError(
            f"${ADDRESS_VARIABLE}: {redact(given)}: no address of a file system, such as s3://BUCKET/FOLDER,"
            f" gs://BUCKET/FOLDER or file:///FOLDER ({_reason(error, given)})"
        ) from None
    except OSError as error:
        raise ResourceError(
            f"${ADDRESS_VARIABLE}: {redact(given)}: cannot be reached ({_reason(error, given)}); start it, or leave"
            " the variable out to keep checkpoints on this machine alone"
        ) from None
    path, mark, options = given.partition("?")
    return f"{path.rstrip('/')}/{sweep}{mark}{options}"


def _reason(error: Exception, uri: str) -> str:
    """What `error` says, in one line and without the password of `uri`."""
    return without_password(" ".join(str(error).split()), uri)


@final
class CheckpointStore:
    """A copy of every trial's checkpoints. Nothing that happens to it ends a trial: what fails is a warning.

    Args:
        uri: by `checkpoint_store`; where empty, nothing is copied.
        may_write: whether the lease of the sweep is known to be held; asked before anything is written or deleted.
            What is put off is done with what comes next.
    """

    def __init__(self, uri: str, *, may_write: Callable[[], bool] = lambda: True) -> None:
        self.uri = uri
        self._may_write = may_write
        self._put_off = False
        """Whether the last write was."""
        self._ended: dict[Path, None] = {}
        """Folders of trials that have ended, and that are not forgotten yet."""
        self._opened: Any = None
        self._root = ""
        self._paused_until = 0.0
        self._equal: dict[Path, os.stat_result] = {}
        """Files that are the store's own, as they were then."""

    def download(self, folder: Path) -> None:
        """Fill a trial's folder, whose name is its key, if the store has come further: with what is whole there."""
        self._try(partial(self._download, folder), "reading")

    def upload(self, folder: Path) -> None:
        """Store what is new in a trial's folder, and forget what is no longer there."""
        self._ended.pop(folder, None)
        self._write(partial(self._upload, folder), "storing")

    def delete(self, folder: Path) -> None:
        """Forget a trial that has ended."""
        self._ended[folder] = None
        self._write(self._delete_ended, "deleting")

    def delete_all(self, folder: Path, keys: Collection[str]) -> None:
        """Forget those of these trials that are there, whoever ended them; their folders are in `folder`."""

        def delete_all() -> None:
            from pyarrow.fs import FileSelector

            found = self._system().get_file_info(FileSelector(self._root, allow_not_found=True))
            self._ended |= dict.fromkeys(folder / file.base_name for file in found if file.base_name in keys)
            self._delete_ended()

        self._write(delete_all, "deleting")

    def keys(self) -> list[str]:
        """The trials of which it has anything, for whoever looks for what is wrong.

        Raises:
            ResourceError: if it cannot be read.
        """
        from pyarrow.fs import FileSelector, FileType

        with self._failures("looking for"):
            system = self._system()
            found = system.get_file_info(FileSelector(self._root, allow_not_found=True))
            folders = sorted(file.base_name for file in found if file.type == FileType.Directory)
            return [key for key in folders if self._stored(key)]

    def examine(self, key: str) -> Examined:
        """What it has of a trial, read and checked; of the paths the names alone are the store's.

        Raises:
            ResourceError: if it cannot be read.
        """
        with self._failures("reading"), TemporaryDirectory(prefix="resablate-") as made:
            for name in sorted(self._stored(key)):
                self._copy(f"{self._place(key)}/{name}", str(Path(made, name)), down=True)
            return examine(Path(made), key=key)

    def remove(self, key: str, *names: str) -> None:
        """Remove files of a trial, or all that it has of it where none is named.

        Raises:
            ResourceError: if it cannot be written.
        """
        with self._failures("removing"):
            for name in names:
                self._system().delete_file(f"{self._place(key)}/{name}")
            if not names:
                self._system().delete_dir(self._place(key))

    def address(self, key: str, name: str = "") -> str:
        """Where a file of a trial lies, or all that it has of it, to be shown."""
        place = redact(self.uri).partition("?")[0]
        return "/".join(part for part in (place, key, name) if part)

    @contextmanager
    def _failures(self, doing: str) -> Generator[None]:
        from pyarrow import ArrowException

        try:
            yield
        except (OSError, ArrowException, ValueError) as error:
            raise ResourceError(
                f"{redact(self.uri)}: {doing} checkpoints failed ({_reason(error, self.uri)})"
            ) from None

    def _write(self, act: Callable[[], None], doing: str) -> None:
        if not self.uri:
            return
        before, self._put_off = self._put_off, not self._may_write()
        if not self._put_off:
            self._try(act, doing)
        elif not before:
            log.warning(
                "%s: %s checkpoints is put off until it is known that this process still runs the sweep",
                redact(self.uri),
                doing,
            )

    def _try(self, act: Callable[[], None], doing: str) -> None:
        from pyarrow import ArrowException

        if not self.uri or time.monotonic() < self._paused_until:
            return
        try:
            act()
        except (OSError, ArrowException, ValueError) as error:
            self._paused_until = time.monotonic() + _PAUSE_SECONDS
            reason = _reason(error, self.uri)
            log.warning("%s: %s checkpoints failed, tried again later (%s)", redact(self.uri), doing, reason)

    def _download(self, folder: Path) -> None:
        key, there = folder.name, self._stored(folder.name)
        here = keep_whole(folder, key=key)
        if max(there, default="") <= (here.path.name if here else ""):
            return
        beside = folder / _DOWNLOADED
        beside.mkdir(parents=True)
        try:
            for name in there:
                self._copy(f"{self._place(key)}/{name}", str(beside / name), down=True)
            found = keep_whole(beside, key=key)
            if found and (here is None or found.path.name > here.path.name):
                for path in _files(beside):
                    self._equal[folder / path.name] = path.replace(folder / path.name).stat()
        finally:
            remove(beside)

    def _upload(self, folder: Path) -> None:
        there, here, place = self._stored(folder.name), _files(folder), self._place(folder.name)
        self._system().create_dir(place, recursive=True)
        for path in here:
            # Not by its size: a trial that began anew writes files of the same names and sizes.
            if path.name not in there or not _same(self._equal.get(path), path.stat()):
                self._copy(str(path), f"{place}/{path.name}", down=False)
                self._equal[path] = path.stat()
        for name in there - {path.name for path in here}:
            self._system().delete_file(f"{place}/{name}")

    def _delete_ended(self) -> None:
        for folder in list(self._ended):
            self._equal = {path: stat for path, stat in self._equal.items() if path.parent != folder}
            if self._stored(folder.name):
                self._system().delete_dir(self._place(folder.name))
            del self._ended[folder]

    def _stored(self, key: str) -> set[str]:
        """The names of what the store has of a trial."""
        from pyarrow.fs import FileSelector, FileType

        found = self._system().get_file_info(FileSelector(self._place(key), allow_not_found=True))
        names = {file.base_name for file in found if file.type == FileType.File}
        # Nothing but what was stored: whoever may write there chooses the names.
        return {name for name in names if any(fnmatch(name, pattern) for pattern in _PATTERNS)}

    def _copy(self, source: str, target: str, *, down: bool) -> None:
        from pyarrow.fs import LocalFileSystem, copy_files

        there, here = self._system(), LocalFileSystem()
        copy_files(
            source,
            target,
            source_filesystem=there if down else here,
            destination_filesystem=here if down else there,
        )

    def _system(self) -> Any:
        if self._opened is None:
            from pyarrow.fs import FileSystem

            self._opened, self._root = FileSystem.from_uri(self.uri)
        return self._opened

    def _place(self, key: str) -> str:
        self._system()
        return f"{self._root}/{key}"


def _files(folder: Path) -> list[Path]:
    """What the folder holds to continue from, checkpoints last."""
    return [path for pattern in _PATTERNS for path in sorted(folder.glob(pattern)) if path.is_file()]


def _same(one: os.stat_result | None, other: os.stat_result) -> bool:
    """Whether a file has not been written since."""
    return one is not None and all(getattr(one, name) == getattr(other, name) for name in _SIGNATURE)
