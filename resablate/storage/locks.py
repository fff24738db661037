"""A sweep's lock: two processes in one folder would write over each other's checkpoints."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from resablate.errors import ResourceError

LOCK, WORKERS = "lock", "workers.lock"
_POLL_SECONDS = 0.1


@contextmanager
def exclusive_lock(work: Path, name: str, *, parts: Sequence[str] = ()) -> Generator[None]:
    """Holds the lock of the sweep called `name`, in its folder `work`, which is removed at the end where it is empty.

    Args:
        work: the folder.
        name: of the sweep.
        parts: names of folders in it that are removed where they are empty.

    Raises:
        ResourceError: if another process runs the sweep, which is named, or the folder cannot be made.
    """
    try:
        lock = _locked(work)
    except OSError as error:
        raise ResourceError(f"{work}: not writable, and checkpoints need a folder ({error.strerror})") from None
    if isinstance(lock, str):
        raise ResourceError(
            f"sweep {name!r} is being run by process {lock} in this folder; wait until it has ended, then run the"
            " command again for what is left"
        )
    with lock:
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        try:
            yield
        finally:
            (work / WORKERS).unlink(missing_ok=True)
            (work / LOCK).unlink()
            for folder in (*(work / part for part in parts), work, work.parent):
                with suppress(OSError):  # it holds what the sweep will continue from
                    folder.rmdir()


def hold_worker_lock(work: Path) -> None:
    """Marks this process, until it ends, as one that works in the sweep's folder for another that runs it."""
    work.mkdir(parents=True, exist_ok=True)
    fcntl.flock(os.open(work / WORKERS, os.O_RDONLY | os.O_CREAT), fcntl.LOCK_SH)  # never closed


def wait_for_workers(work: Path, name: str, *, seconds: float = 120) -> None:
    """Wait until the processes of a sweep whose driver was killed have ended, as Ray sees to it.

    Raises:
        ResourceError: if they do not end.
    """
    deadline = time.monotonic() + seconds
    with suppress(FileNotFoundError), (work / WORKERS).open() as mark:
        while True:
            try:
                return fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ResourceError(
                        f"sweep {name!r}: processes of an earlier run of it are still at work in {work}; end them, then"
                        " run the command again"
                    ) from None
                time.sleep(_POLL_SECONDS)


def is_running(work: Path) -> bool:
    """Whether a process of this machine runs the sweep in the folder `work`."""
    with suppress(FileNotFoundError), (work / LOCK).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _locked(work: Path) -> TextIO | str:
    """The sweep's lock file, open and held, or the number of the process that holds it."""
    while True:
        work.mkdir(parents=True, exist_ok=True)
        try:
            lock = (work / LOCK).open("a+")
        except FileNotFoundError:  # who held it has just removed the folder
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            with lock:
                return lock.read().strip() or "unknown"
        # Whoever held it before has deleted it; if that was after it was opened here, it locks nothing.
        with suppress(FileNotFoundError):
            if (work / LOCK).stat().st_ino == os.fstat(lock.fileno()).st_ino:
                return lock
        lock.close()
