"""Processes that go on when the command that started them has ended, and are found again by the next one."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from resablate.errors import ResourceError
from resablate.plain_json import read_json
from resablate.processes import process_start
from resablate.storage.files import remove, write_bytes
from resablate.storage.regular_files import read_regular

MARK = "RESABLATE_CLUSTER_SERVICE"
"""In the environment of a service and of all that descends from it, so that these are found when it is gone, and when
its record is: it begins with the record's name."""
_SUFFIX = ".json"
_POLL_SECONDS = 0.1
_START_SECONDS = 120
_STOP_SECONDS = 20
_FOLLOW_SECONDS = 5
"""What a service started has so long to notice that it is gone."""
_LOG_CHARACTERS = 2000
_started: list[subprocess.Popen[bytes]] = []
"""Held, because Python warns of a process that is forgotten while it runs."""


@dataclass(frozen=True)
class Service:
    """What is to be started."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    """Secrets come by it, or by files that it names: everybody on the machine can read a command line."""
    ready: Callable[[Path], bool]
    """Given its log, whether it does its work; raises OSError or answers False where not."""
    needs: str = ""
    """A service with which it is started anew."""
    stop_signal: signal.Signals = signal.SIGTERM
    user: tuple[int, int] | None = None
    """Its user and group, where they are not the caller's."""


@dataclass(frozen=True)
class _Record:
    """Which process was started: its number alone may be somebody else's by now."""

    pid: int
    began: int | None
    mark: str
    stop_signal: int


def start(service: Service, folder: Path) -> None:
    """Start a service, and return when it is ready; its record and its log are in `folder`.

    Raises:
        ResourceError: if it ends, or is not ready in time; with the end of its log.
    """
    mark = f"{_file(service.name, folder)} {secrets.token_hex(16)}"
    user, group = service.user or (None, None)
    log = folder / f"{service.name}.log"
    with log.open("w", encoding="utf-8") as text:
        process = subprocess.Popen(
            service.command,
            env={**service.environment, MARK: mark},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=text,
            stderr=text,
            start_new_session=True,
            user=user,
            group=group,
            extra_groups=[] if service.user else None,
        )
    _started.append(process)
    record = _Record(process.pid, process_start(process.pid) or 0, mark, service.stop_signal)
    write_bytes(_file(service.name, folder), json.dumps(asdict(record)).encode())
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError):
            if service.ready(log):
                return
        time.sleep(_POLL_SECONDS)
    how = "ended at once" if process.poll() is not None else f"was not ready after {_START_SECONDS} s"
    stop(service.name, folder)
    last = log.read_text(encoding="utf-8", errors="replace")[-_LOG_CHARACTERS:].strip()
    raise ResourceError(f"{service.name}: {how}; {log} ends with:\n{last}")


def runs(name: str, folder: Path) -> bool:
    """Whether the process of the service called `name` is there."""
    record = _read(name, folder)
    return record is not None and _is_there(record)


def stop(name: str, folder: Path) -> bool:
    """End a service and what it started, by force where they stay; whether there was anything to end."""
    record = _read(name, folder)
    if record is None:
        return False
    found = bool(_processes(record))
    if _is_there(record):
        with suppress(ProcessLookupError):
            os.killpg(record.pid, record.stop_signal)
    elif record.began is None:
        _signal(_processes(record), record.stop_signal)
    _wait(lambda: not _is_there(record), seconds=_STOP_SECONDS)
    _wait(lambda: not _processes(record), seconds=_FOLLOW_SECONDS)
    while left := _processes(record):
        _signal(left, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
    remove(_file(name, folder))
    return found


def _signal(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _wait(condition: Callable[[], bool], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def _file(name: str, folder: Path) -> Path:
    return folder / f"{name}{_SUFFIX}"


def _read(name: str, folder: Path) -> _Record | None:
    """The record of a service; where it is damaged, one that says no more than whose processes bear its name."""
    file = _file(name, folder)
    if not os.path.lexists(file):
        return None
    if record := _record(file):
        return record
    print(f"{file}: damaged; its processes are looked for by their environment", flush=True)
    return _Record(0, None, f"{file} ", signal.SIGTERM)


def damaged_records(folder: Path) -> list[Path]:
    """The records of services that are not what `start` writes."""
    return [file for file in sorted(folder.glob(f"*{_SUFFIX}")) if not _record(file)]


def _record(file: Path) -> _Record | None:
    try:
        found: dict[str, Any] = read_json(read_regular(file))
        record = _Record(**found)
        signal.Signals(record.stop_signal)
        record.mark.encode()
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    are_numbers = all(type(found[name]) is int for name in ("pid", "began", "stop_signal"))
    return record if are_numbers and record.mark else None


def _is_there(record: _Record) -> bool:
    return record.began is not None and process_start(record.pid) == record.began


def _processes(record: _Record) -> set[int]:
    """The numbers of the service and of what it started."""
    found = {record.pid} if _is_there(record) else set[int]()
    sign = f"{MARK}={record.mark}".encode()
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # another user's, or gone
            variables = (place / "environ").read_bytes().split(b"\0")
            if sign in variables or (record.began is None and any(each.startswith(sign) for each in variables)):
                found.add(int(place.name))
    return found
