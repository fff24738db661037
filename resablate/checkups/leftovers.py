"""What processes left that were killed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from resablate.checkups.interface import Fault, Scope
from resablate.scheduling.ray_sessions import abandoned_folders
from resablate.storage.files import remove
from resablate.storage.locks import LOCK, is_held, stale_marks


def locks(scope: Scope) -> Iterator[Fault]:
    """Locks of processes that have ended."""
    for name in scope.names:
        work = scope.work / name
        if work.is_symlink():
            continue
        if (work / LOCK).exists() and not is_held(work / LOCK):
            yield Fault(str(work / LOCK), "its process has ended", "--mend removes it", partial(remove, work / LOCK))
        for mark in stale_marks(work):
            yield Fault(str(mark), "its process has ended", "--mend removes it", partial(remove, mark))


def folders(scope: Scope) -> Iterator[Fault]:
    """Temporary folders of sweeps on Ray that were killed."""
    for folder in abandoned_folders(scope.work):
        remedy = "--mend removes it, as the next sweep on Ray does"
        yield Fault(
            str(folder),
            "the sweep that it belongs to was killed, and its processes have ended",
            remedy,
            partial(remove, folder),
        )
