"""Locks between real processes, on a file system of this machine and on one that keeps locks as NFS does."""

import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from resablate.errors import ResourceError
from resablate.storage import locks
from resablate.storage.locks import LOCK, WORKERS, exclusive_lock, file_lock, hold_worker_lock, is_running
from resablate.storage.locks import wait_for_workers as wait_for
from tests.storage import nfs

ROOT = Path(__file__).parents[2]
PRELUDE = """
import fcntl, sys, time
from pathlib import Path
from tests.storage import nfs
if sys.argv[1] == "nfs":
    fcntl.flock = nfs.flock
from resablate.storage.locks import exclusive_lock, file_lock, hold_worker_lock, is_running, wait_for_workers
work = Path(sys.argv[2])
"""
HOLDS = "with exclusive_lock(work, 'tiny'):\n    print('held', flush=True)\n    sys.stdin.read()\n"
WORKS = "hold_worker_lock(work)\nprint('held', flush=True)\nsys.stdin.read()\n"
Start = Callable[[str], subprocess.Popen[str]]


@pytest.fixture(params=["local", "nfs"])
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "nfs":
        monkeypatch.setattr(fcntl, "flock", nfs.flock)
    return request.param


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / ".resablate" / "tiny"


@pytest.fixture
def start(file_system: str, work: Path) -> Iterator[Start]:
    """Starts Python code in a process of its own, and waits for its first line."""
    with ExitStack() as stack:

        def begin(code: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-c", PRELUDE + code, file_system, str(work)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(_end, process)
            assert process.stdout
            assert process.stdout.readline() == "held\n"
            return process

        yield begin


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep that another process runs is refused without a second look."""
    monkeypatch.setattr(locks, "_GLANCE_SECONDS", 0)


def _end(process: subprocess.Popen[str]) -> None:
    """Let it end by itself."""
    process.communicate(input="", timeout=60)


def _kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait(timeout=60)


def test_the_second_process_is_refused_and_told_who_holds_it(start: Start, work: Path, at_once: None) -> None:
    first = start(HOLDS)
    assert is_running(work)
    with (
        pytest.raises(ResourceError, match=rf"'tiny' is being run by process {first.pid} in this folder"),
        exclusive_lock(work, "tiny"),
    ):
        pass
    assert is_running(work), "who was refused has taken nothing away"
    _end(first)
    assert not is_running(work)
    with exclusive_lock(work, "tiny"):
        pass


def test_the_host_of_another_machine_is_told(start: Start, work: Path, at_once: None) -> None:
    first = start("import socket; socket.gethostname = lambda: 'elsewhere'\n" + HOLDS)
    with (
        pytest.raises(ResourceError, match=rf"by process {first.pid} on elsewhere in this folder"),
        exclusive_lock(work, "tiny"),
    ):
        pass


def test_a_process_is_refused_what_it_holds_itself(work: Path, file_system: str) -> None:
    """And has it after that: where locks are kept as NFS does, a look at its own file would end its lock."""
    with exclusive_lock(work, "tiny"):
        for _ in range(2):
            assert is_running(work)
            with (
                pytest.raises(ResourceError, match=f"is being run by process {os.getpid()} in this"),
                exclusive_lock(work, "tiny"),
            ):
                pass
        code = f"{PRELUDE}print(is_running(work))"
        asked = subprocess.run(
            [sys.executable, "-c", code, file_system, str(work)], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert asked.stdout == "True\n"


def test_a_killed_process_holds_nothing(start: Start, work: Path, at_once: None) -> None:
    _kill(start(HOLDS))
    assert (work / LOCK).exists()
    assert not is_running(work)
    with exclusive_lock(work, "tiny"):
        assert (work / LOCK).read_text().split() == [str(os.getpid()), socket.gethostname()]


def test_who_only_looks_keeps_nobody_from_beginning(work: Path, file_system: str, start: Start) -> None:
    """Who looks holds the lock for a moment."""
    work.mkdir(parents=True)
    glance = start(
        "import resablate.storage.locks as locks\nlocks._lock(work / 'lock')\nprint('held', flush=True)\n"
        "time.sleep(0.3)\n"
    )
    with exclusive_lock(work, "tiny"):
        pass
    assert glance.wait(timeout=60) == 0


def test_nothing_is_left_but_what_the_sweep_continues_from(work: Path, file_system: str) -> None:
    with exclusive_lock(work, "tiny", parts=("spool", "trials")):
        (work / "spool").mkdir()
        hold_worker_lock(work)
    assert not work.parent.exists()
    with exclusive_lock(work, "tiny", parts=("spool", "trials")):
        (work / "trials" / "key").mkdir(parents=True)
    assert [path.name for path in work.iterdir()] == ["trials"]


def test_it_is_let_go_after_an_error(work: Path, file_system: str) -> None:
    with pytest.raises(RuntimeError, match="inside"), exclusive_lock(work, "tiny"):
        raise RuntimeError("inside")
    assert not work.exists()
    assert not is_running(work)


def test_a_lock_that_was_removed_while_it_was_opened_locks_nothing(
    work: Path, file_system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last holder removes the file between the opening of it here and the locking."""
    work.mkdir(parents=True)
    take, removed = locks.lock_descriptor, list[int]()

    def late(descriptor: int, *, blocking: bool) -> bool:
        if not removed:
            removed.append(descriptor)
            (work / LOCK).unlink()
        return take(descriptor, blocking=blocking)

    monkeypatch.setattr(locks, "lock_descriptor", late)
    with exclusive_lock(work, "tiny"):
        assert removed
        assert (work / LOCK).exists()


def test_processes_that_begin_at_once_go_one_after_the_other(work: Path, file_system: str) -> None:
    code = (
        "for _ in range(20):\n"
        "    while True:\n"
        "        try:\n"
        "            with exclusive_lock(work, 'tiny'):\n"
        "                mark = work.parent.parent / 'inside'\n"
        "                mark.touch(exist_ok=False)\n"
        "                time.sleep(0.001)\n"
        "                mark.unlink()\n"
        "                break\n"
        "        except Exception as error:\n"
        "            assert 'is being run by' in str(error), repr(error)\n"
    )
    command = [sys.executable, "-c", PRELUDE + code, file_system, str(work)]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(3)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]


def test_a_new_driver_waits_for_the_workers_of_a_killed_one(start: Start, work: Path) -> None:
    workers = [start(WORKS), start(WORKS)]
    with pytest.raises(ResourceError, match=r"'tiny': processes of an earlier run of it are still at work in ") as told:
        wait_for(work, "tiny", seconds=0.2)
    assert all(f"process {worker.pid} on {socket.gethostname()}" in str(told.value) for worker in workers)
    _kill(workers[0])
    threading.Timer(0.5, _kill, [workers[1]]).start()
    began = time.monotonic()
    wait_for(work, "tiny", seconds=60)
    assert time.monotonic() - began >= 0.3
    assert list((work / WORKERS).iterdir()) == []


def test_who_waits_for_workers_does_not_wait_for_itself(work: Path, file_system: str) -> None:
    hold_worker_lock(work)
    hold_worker_lock(work)
    assert len(list((work / WORKERS).iterdir())) == 1
    wait_for(work, "tiny", seconds=0)
    assert len(list((work / WORKERS).iterdir())) == 1


def test_there_are_no_workers_where_there_is_no_folder(work: Path, file_system: str) -> None:
    wait_for(work, "tiny", seconds=0)
    assert not is_running(work)
    assert not work.exists()


def test_a_file_is_locked_by_one_process_and_one_thread_at_a_time(tmp_path: Path, file_system: str) -> None:
    file = tmp_path / "mlflow.db.lock"
    code = (
        "mark = work.with_name('inside')\n"
        "def go():\n"
        "    for _ in range(5):\n"
        "        with file_lock(work):\n"
        "            mark.touch(exist_ok=False)\n"
        "            time.sleep(0.001)\n"
        "            mark.unlink()\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(2) as pool:\n"
        "    [done.result() for done in [pool.submit(go), pool.submit(go)]]\n"
    )
    command = [sys.executable, "-c", PRELUDE + code, file_system, str(file)]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    assert file.exists()
    with file_lock(file):
        pass


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ResourceError, match="tiny: not writable, and checkpoints need a folder"),
        exclusive_lock(tmp_path / "file" / "tiny", "tiny"),
    ):
        pass
    assert not is_running(tmp_path / "file" / "tiny")


def test_a_file_system_without_locks_is_told(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lustre without its option `flock` answers so."""

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(ResourceError, match=r"keeps no locks \(Function not implemented\).*RESABLATE_HOME"),
        exclusive_lock(work, "tiny"),
    ):
        pass


def test_the_stand_in_for_nfs_refuses_what_nfs_refuses(tmp_path: Path) -> None:
    """What 0.1 did: an exclusive lock on a descriptor that is open for reading."""
    file = tmp_path / "file"
    file.touch()
    with file.open() as reading:
        nfs.flock(reading.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        with pytest.raises(OSError, match="Bad file descriptor"):
            nfs.flock(reading.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    with file.open("a+") as writing:
        nfs.flock(writing.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
