"""Folders that sweeps on Ray leave on this machine: Tune's notes, and what Ray writes of a session.

Ray keeps the folder of every session that it ever had. Here the latest one stays, for its logs, and the next sweep
clears those before it whose processes have all ended. A session's folder is named after the process that began it, and
that process holds the lock of a file beside it, which also tells that the session was a sweep's. Into this file it
writes that it ends; a process that is killed cannot.
"""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from resablate.processes import process_start
from resablate.storage.files import remove
from resablate.storage.locks import hold_until_exit, is_held
from resablate.storage.owned_folders import ownerless_folders

TUNE_PREFIX = "resablate-tune-"
_MARK = "resablate-driver-"
_ENDED = "ended"
"""In the mark of a process that was not killed."""


class EndedSessions(NamedTuple):
    """What Ray wrote for a process that has ended, and the latest session is not among it."""

    paths: list[Path]
    """Folders of sessions, and the process's mark."""
    killed: bool
    """Whether the process could not say that it ends."""


def sessions_folder() -> Path:
    """Where Ray keeps the folders of its sessions, unless it is told otherwise.

    Source: Ray's documentation of logging, "Log directory structure": /tmp/ray, or the folder that a variable names.
    """
    named = (os.environ.get(name) for name in ("RAY_TMPDIR", "TMPDIR"))
    return Path(next(filter(None, named), "/tmp"), "ray")


def mark_sessions() -> None:
    """Tell that the sessions that this process begins are a sweep's, and are in use until it ends."""
    mark = sessions_folder() / f"{_MARK}{os.getpid()}.lock"
    with suppress(OSError):  # without the mark, nobody clears them
        sessions_folder().mkdir(parents=True, exist_ok=True)
        hold_until_exit(mark)
        atexit.register(_say_that_it_ends, mark, os.getpid())


def _say_that_it_ends(mark: Path, pid: int) -> None:
    with suppress(OSError):
        if os.getpid() != pid:  # a fork has its parent's last words to say
            return
        if _sessions_of(str(pid)):
            mark.write_text(_ENDED, encoding="utf-8")
        else:
            mark.unlink()


def abandoned_folders(work: Path | None = None) -> list[Path]:
    """What sweeps left that were killed, and whose processes have all ended: Tune's notes, and sessions with marks.

    Args:
        work: folder of checkpoints, where sweeps that prune keep Tune's notes.
    """
    return _tune_folders(work) + [path for sessions in ended_sessions() if sessions.killed for path in sessions.paths]


def ended_sessions() -> list[EndedSessions]:
    """The sessions of this user's sweeps whose processes have all ended, without the latest session."""
    found: list[EndedSessions] = []
    used, latest = _in_use(), (sessions_folder() / "session_latest").resolve()
    for mark in sorted(sessions_folder().glob(f"{_MARK}*.lock")):
        pid = mark.stem.removeprefix(_MARK)
        sessions = _sessions_of(pid)
        if latest in sessions:
            continue
        free = pid.isdigit() and process_start(int(pid)) is None and not is_held(mark)
        if free and mark.stat().st_uid == os.geteuid() and not any(str(session) in used for session in sessions):
            killed = mark.read_text(encoding="utf-8", errors="replace") != _ENDED
            found.append(EndedSessions([*sessions, mark], killed))
    return found


def clear_abandoned(work: Path) -> None:
    """Remove what `abandoned_folders` and `ended_sessions` find; what cannot be removed stays."""
    for path in _tune_folders(work) + [path for sessions in ended_sessions() for path in sessions.paths]:
        remove(path)


def _tune_folders(work: Path | None) -> list[Path]:
    """Tune's notes whose processes have ended."""
    found = ownerless_folders(TUNE_PREFIX, Path(tempfile.gettempdir()))
    for folder in sorted(work.glob("*/trials")) if work else ():
        found += ownerless_folders(TUNE_PREFIX, folder)
    return found


def _sessions_of(pid: str) -> list[Path]:
    return sorted(sessions_folder().resolve().glob(f"session_*_{pid}"))


def _in_use() -> str:
    """The command lines of all processes: those of Ray's own name the folder of their session."""
    return "\n".join(_command_lines())


def _command_lines() -> Iterator[str]:
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield file.read_bytes().decode(errors="replace")
