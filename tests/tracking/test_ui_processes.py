"""`resablate ui` leaves no process and no folder, however it ends: real processes, ended by real signals."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from resablate.checkups import Scope
from resablate.checkups.ui_folders import ui_folders
from resablate.processes import process_start
from resablate.storage.owned_folders import owned_folder
from resablate.tracking import abandoned_ui_folders, ui, ui_guard
from tests.listening import family
from tests.tracking.databases import make_database

STARTER = """
import subprocess, sys, time
guard = subprocess.Popen([sys.executable, "-P", *sys.argv[1:]], stdin=subprocess.PIPE, start_new_session=True)
time.sleep(600)
"""
SERVER = """
import signal, subprocess, sys, time
{first}
worker = subprocess.Popen([sys.executable, "-c", "import signal, time; {first}; time.sleep(600)"])
print("ready", flush=True)
{then}
"""
WAIT, STUBBORN = "time.sleep(600)", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """For temporary folders, with a name so short that a socket can lie in it."""
    with tempfile.TemporaryDirectory(prefix="ra-") as name:
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)


def wait_until_gone(pids: set[int], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while left := {pid for pid in pids if process_start(pid) is not None}:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@pytest.mark.parametrize("first", ["pass", pytest.param(STUBBORN, marks=pytest.mark.slow)], ids=["plain", "stubborn"])
def test_a_killed_starter_takes_the_command_and_its_workers_along(first: str) -> None:
    command = [ui_guard.__file__, sys.executable, "-c", SERVER.format(first=first, then=WAIT)]
    starter = subprocess.Popen([sys.executable, "-c", STARTER, *command], stdout=subprocess.PIPE)
    assert starter.stdout
    assert starter.stdout.readline() == b"ready\n"
    pids = family(starter.pid)
    assert len(pids) == 4
    starter.kill()
    starter.wait()
    starter.stdout.close()
    wait_until_gone(pids, seconds=20)


def test_the_code_of_the_command_is_told() -> None:
    command = [sys.executable, "-P", ui_guard.__file__, sys.executable, "-c", "raise SystemExit(7)"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as guard:
        assert guard.wait(20) == 7


def _ended(folder: Path, number: int, *, shielded: bool = False) -> int:
    """Serve, send a signal, and wait until nothing runs; the exit code."""
    command = [sys.executable, "-m", "resablate", "ui", "--tracking-uri", make_database(folder)]
    command = ["nohup", *command] if shielded else command
    with (folder / "log").open("w") as log:
        environment = {**os.environ, "TMPDIR": str(folder)}
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not re.search("MLflow UI", (folder / "log").read_text()) or len(family(process.pid)) < 3:
            assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.05)
        pids = family(process.pid)
        process.send_signal(number)
        if shielded:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1)
            process.terminate()
        code = process.wait(30)
        wait_until_gone(pids, seconds=20)
    assert "Traceback" not in (folder / "log").read_text()
    return code


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_is_a_ctrl_c_and_the_next_one_does_not_cut_off_the_clearing_up(
    number: int, request: pytest.FixtureRequest
) -> None:
    # Who runs the tests may ignore the end of its terminal.
    request.addfinalizer(partial(signal.signal, signal.SIGHUP, signal.signal(signal.SIGHUP, signal.SIG_DFL)))
    before = [signal.getsignal(each) for each in (signal.SIGHUP, signal.SIGTERM)]
    cleared = False
    with pytest.raises(KeyboardInterrupt), ui._ended_by_signals():  # pyright: ignore[reportPrivateUsage]
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        finally:
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM)
            cleared = True
    assert cleared
    assert [signal.getsignal(each) for each in (signal.SIGHUP, signal.SIGTERM)] == before


def left_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("resablate-ui-*"))


@pytest.mark.slow
def test_a_closed_terminal_ends_all_and_clears_up(folder: Path) -> None:
    assert _ended(folder, signal.SIGHUP) in (0, 130)
    assert left_in(folder) == []


@pytest.mark.slow
def test_under_nohup_a_closed_terminal_ends_nothing(folder: Path) -> None:
    _ended(folder, signal.SIGHUP, shielded=True)
    assert left_in(folder) == []


@pytest.mark.slow
def test_a_kill_ends_all_and_what_is_left_is_found(folder: Path) -> None:
    assert _ended(folder, signal.SIGKILL) == -signal.SIGKILL
    assert left_in(folder) == abandoned_ui_folders() != []
    _ended(folder, signal.SIGTERM)
    assert left_in(folder) == [], "the next one clears up"


def test_a_folder_whose_command_was_killed_is_told_and_mended(folder: Path) -> None:
    left = folder / "resablate-ui-abandoned"
    left.mkdir()
    (left / "owner.lock").touch()
    with owned_folder("resablate-ui-", folder) as used:
        [fault] = ui_folders(Scope(None, "memory:", [], folder))
        assert (fault.place, fault.problem) == (str(left), "the resablate ui that it belongs to was killed")
        assert fault.mend
        fault.mend()
        assert list(ui_folders(Scope(None, "memory:", [], folder))) == []
        assert left_in(folder) == [used]
