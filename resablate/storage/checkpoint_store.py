"""Checkpoints in a store that all nodes reach, beside the folder that only one may have."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, final

from resablate.errors import ResourceError
from resablate.redaction import redact, without_password

log = logging.getLogger(__name__)

ADDRESS_VARIABLE = "RESABLATE_CHECKPOINTS"
_PATTERNS = ("after-epoch-*.safetensors", "analyses-*.json", "checkpoint-*.safetensors")
"""What a trial continues from, in the order of the alphabet and of storing: who sees a checkpoint sees the others."""
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
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._opened: Any = None
        self._root = ""
        self._paused_until = 0.0

    def download(self, folder: Path) -> None:
        """Fill a trial's folder, whose name is its key, if the store has come further."""
        self._try(self._download, folder, "reading")

    def upload(self, folder: Path) -> None:
        """Store what is new in a trial's folder, and forget what is no longer there."""
        self._try(self._upload, folder, "storing")

    def delete(self, folder: Path) -> None:
        """Forget a trial that has ended."""
        self._try(self._delete, folder, "deleting")

    def _try(self, act: Callable[[Path], None], folder: Path, doing: str) -> None:
        from pyarrow import ArrowException

        if not self._uri or time.monotonic() < self._paused_until:
            return
        try:
            act(folder)
        except (OSError, ArrowException, ValueError) as error:
            self._paused_until = time.monotonic() + _PAUSE_SECONDS
            reason = _reason(error, self._uri)
            log.warning("%s: %s checkpoints failed, tried again later (%s)", redact(self._uri), doing, reason)

    def _download(self, folder: Path) -> None:
        there = self._stored(folder.name)
        if max(there, default="") <= max(_sizes(folder), default=""):
            return
        folder.mkdir(parents=True, exist_ok=True)
        for name in there:
            partial = folder / f"{name}.partial"
            self._copy(f"{self._place(folder.name)}/{name}", str(partial), down=True)
            partial.replace(folder / name)

    def _upload(self, folder: Path) -> None:
        there, here, place = self._stored(folder.name), _sizes(folder), self._place(folder.name)
        self._system().create_dir(place, recursive=True)
        for name, size in here.items():
            if there.get(name) != size:
                self._copy(str(folder / name), f"{place}/{name}", down=False)
        for name in there.keys() - here.keys():
            self._system().delete_file(f"{place}/{name}")

    def _delete(self, folder: Path) -> None:
        if self._stored(folder.name):
            self._system().delete_dir(self._place(folder.name))

    def _stored(self, key: str) -> dict[str, int]:
        """Name -> bytes of what the store has of a trial, a checkpoint last."""
        from pyarrow.fs import FileSelector, FileType

        found = self._system().get_file_info(FileSelector(self._place(key), allow_not_found=True))
        sizes = {file.base_name: file.size for file in found if file.type == FileType.File}
        # Nothing but what was stored: whoever may write there chooses the names.
        return {name: sizes[name] for name in sorted(sizes) if any(fnmatch(name, pattern) for pattern in _PATTERNS)}

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

            self._opened, self._root = FileSystem.from_uri(self._uri)
        return self._opened

    def _place(self, key: str) -> str:
        self._system()
        return f"{self._root}/{key}"


def _sizes(folder: Path) -> dict[str, int]:
    """Name -> bytes of what the folder holds to continue from."""
    return {path.name: path.stat().st_size for pattern in _PATTERNS for path in sorted(folder.glob(pattern))}
