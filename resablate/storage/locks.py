"""Locks between processes: one runs a sweep, and one at a time makes a database.

A lock is an exclusive one on a descriptor that is open for writing, as NFS asks: it keeps flock's locks as those of
byte ranges, which refuse an exclusive lock on a descriptor that is open for reading alone (EBADF). Where they are kept
so, a process may lose its lock by closing any descriptor of the file, so none opens a file again that it has locked.

Source: flock(2), "NFS details"; fcntl(2), "Advisory record locking".
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import lock_descriptor

from resablate.errors import ResourceError

LOCK, WORKERS = "lock", "workers.lock"
_MARK = re.compile(r"\d+ on .+")
_POLL_SECONDS = 0.05
_GLANCE_SECONDS = 1.0
"""Whoever asks whether a sweep runs holds its lock for a moment; whoever runs it holds it for longer."""
_TRIES = 10
_held: dict[Path, int] = {}
"""Files that this process has locked, with its number: a process that was forked has inherited the list alone."""
_taking = threading.Lock()


@contextmanager
def exclusive_lock(work: Path, name: str, *, parts: Sequence[str] = ()) -> Generator[None]:
    """Holds the lock of the sweep called `name`, in its folder `work`, which is removed at the end where it is empty.

    Args:
        work: the folder.
        name: of the sweep.
        parts: names of folders in it that are removed where they are empty.

    Raises:
        ResourceError: if another process runs the sweep, which is named, or the folder cannot be made or locked.
    """
    descriptor = _lock_sweep(work)
    if descriptor is None:
        raise ResourceError(
            f"sweep {name!r} is being run by process {_holder(work)} in this folder; wait until it has ended, then run"
            " the command again for the trials that have not ended"
        )
    try:
        _say_who(work, descriptor)
        yield
    finally:
        shutil.rmtree(work / WORKERS, ignore_errors=True)
        (work / LOCK).unlink(missing_ok=True)
        _let_go(work / LOCK, descriptor)
        for folder in (*(work / part for part in parts), work, work.parent):
            with suppress(OSError):  # it holds what the sweep will continue from
                folder.rmdir()


@contextmanager
def file_lock(path: Path) -> Generator[None]:
    """Holds the lock of the file `path`, after whoever holds it now; the file is made where it is missing, and stays.

    Raises:
        OSError: if the file cannot be made or locked.
    """
    while (descriptor := _lock(path)) is None:
        time.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        _let_go(path, descriptor)


def hold_worker_lock(work: Path) -> None:
    """Marks this process, until it ends, as one that works in the sweep's folder for another that runs it.

    The mark is a locked file of its own, named after the process: locks that several hold at once and one waits for
    would have to be of two kinds, and the process that waits may be on another machine.

    Raises:
        OSError: if the folder cannot be made or locked.
    """
    folder = _absolute(work / WORKERS)
    if any(path.parent == folder and pid == os.getpid() and path.exists() for path, pid in list(_held.items())):
        return
    path = folder / f"{os.getpid()} on {socket.gethostname()} {secrets.token_hex(4)}"
    while True:
        _make(folder)
        with suppress(FileNotFoundError):  # the end of another run has just removed the folder
            if _lock(path) is not None:  # else somebody has just looked whether it is locked
                return  # and never let go
        time.sleep(_POLL_SECONDS)


def wait_for_workers(work: Path, name: str, *, seconds: float = 120) -> None:
    """Wait until the processes of a sweep whose driver was killed have ended, as Ray sees to it.

    Raises:
        ResourceError: if they do not end; names them.
    """
    deadline = time.monotonic() + seconds
    while working := _workers(work / WORKERS):
        if time.monotonic() > deadline:
            raise ResourceError(
                f"sweep {name!r}: processes of an earlier run of it are still at work in {work}"
                f" ({', '.join(working)}); end them, then run the command again"
            )
        time.sleep(_POLL_SECONDS)


def stale_marks(work: Path) -> list[Path]:
    """The marks that `hold_worker_lock` made in a sweep's folder and whose processes have ended."""
    folder = work / WORKERS
    return [mark for mark in _marks(folder) if not is_held(mark)]


def _marks(folder: Path) -> list[Path]:
    """The marks in a folder of them; none where a link stands in its place, and nothing that is called otherwise."""
    try:
        found = [] if folder.is_symlink() else sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [path for path in found if _MARK.fullmatch(path.name)]


def hold_until_exit(path: Path) -> bool:
    """Locks the file `path`, made where it is missing, until this process ends; False where another one holds it.

    Raises:
        OSError: if the file cannot be made or locked.
    """
    return _is_ours(path) or _lock(path) is not None


def is_running(work: Path) -> bool:
    """Whether a process runs the sweep in the folder `work`, or may: somebody else's lock cannot be tried."""
    return is_held(work / LOCK)


def is_held(path: Path) -> bool:
    """Whether a process, this one too, holds the lock of the file `path`, or may."""
    if _is_ours(path):
        return True
    try:
        descriptor = os.open(path, os.O_RDWR)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    try:
        return not lock_descriptor(descriptor, blocking=False)
    except OSError:
        return True
    finally:
        os.close(descriptor)


def _lock_sweep(work: Path) -> int | None:
    """The descriptor of the sweep's lock, which this process holds now; None where another one does."""
    deadline = time.monotonic() + _GLANCE_SECONDS
    while True:
        try:
            _make(work)
        except OSError as error:
            raise ResourceError(f"{work}: not writable, and checkpoints need a folder ({error.strerror})") from None
        try:
            descriptor = _lock(work / LOCK)
        except FileNotFoundError:  # who held it has just removed the folder
            continue
        except PermissionError as error:
            raise ResourceError(f"{work}: not writable, and checkpoints need a folder ({error.strerror})") from None
        except OSError as error:
            raise ResourceError(
                f"{work}: its file system keeps no locks ({error.strerror}), and a sweep needs one; set $RESABLATE_HOME"
                " to a folder whose file system does"
            ) from None
        if descriptor is not None or _is_ours(work / LOCK) or time.monotonic() > deadline:
            return descriptor
        time.sleep(_POLL_SECONDS)


def _say_who(work: Path, descriptor: int) -> None:
    """Write into the lock who holds it."""
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()} {socket.gethostname()}".encode())
        os.fsync(descriptor)  # NFS would keep it to itself until the file is closed
    except OSError as error:
        raise ResourceError(
            f"{work}: cannot be written ({error.strerror}), and checkpoints and results need room there; make some,"
            " then run the command again"
        ) from None


def _make(folder: Path) -> None:
    """Make a folder that other processes may be removing, with those above it."""
    for _ in range(_TRIES):
        with suppress(FileNotFoundError, FileExistsError):
            return folder.mkdir(parents=True, exist_ok=True)
        time.sleep(_POLL_SECONDS)
    return folder.mkdir(parents=True, exist_ok=True)


def _holder(work: Path) -> str:
    """The number of the process that runs the sweep, and its host if that is another one."""
    if _is_ours(work / LOCK):
        return str(os.getpid())
    with suppress(OSError):
        number, _, host = (work / LOCK).read_text(encoding="utf-8").strip().partition(" ")
        if number:
            return number if host == socket.gethostname() else f"{number} on {host}"
    return "unknown"


def _workers(folder: Path) -> list[str]:
    """The processes at work, as their marks name them; marks of processes that have ended are removed."""
    working: list[str] = []
    for mark in _marks(folder):
        if _is_ours(mark):
            continue
        with suppress(FileNotFoundError):
            descriptor = _lock(mark)
            if descriptor is None:
                working.append(f"process {mark.name.rpartition(' ')[0] or mark.name}")
            else:
                mark.unlink(missing_ok=True)
                _let_go(mark, descriptor)
    return working


def _lock(path: Path) -> int | None:
    """A descriptor of the file, made where it is missing, whose lock this process holds now; None where it is held.

    Raises:
        OSError: if the file cannot be made, or its file system keeps no locks.
    """
    while True:
        with _taking:
            if _is_ours(path):
                return None
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                if not lock_descriptor(descriptor, blocking=False):
                    os.close(descriptor)
                    return None
            except BaseException:
                os.close(descriptor)
                raise
            # Whoever held it before may have removed it; if that was after it was opened here, it locks nothing.
            with suppress(OSError):
                if os.path.samestat(path.stat(), os.fstat(descriptor)):
                    _held[_absolute(path)] = os.getpid()
                    return descriptor
            os.close(descriptor)


def _let_go(path: Path, descriptor: int) -> None:
    """End the lock of a file: no other descriptor of it is open here, so closing this one does it."""
    with _taking:
        _held.pop(_absolute(path), None)
        os.close(descriptor)


def _is_ours(path: Path) -> bool:
    return _held.get(_absolute(path)) == os.getpid()


def _absolute(path: Path) -> Path:
    """One name for each file, however it is reached."""
    return path.parent.resolve() / path.name
