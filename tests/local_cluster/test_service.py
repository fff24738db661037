"""Processes that outlive the command that started them: real ones, ended exactly."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from resablate.errors import ResourceError
from resablate.local_cluster.service import Service, runs, start, stop
from resablate.processes import process_start

NAME = "server"
PARENT = """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid, "ready", flush=True)
{then}
"""
WAIT = "time.sleep(600)"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr("resablate.local_cluster.service._FOLLOW_SECONDS", 0.2)
    yield tmp_path
    stop(NAME, tmp_path)


def a_service(then: str = WAIT, *, ready: Callable[[Path], bool] = lambda log: "ready" in log.read_text()) -> Service:
    """A process with a child in a session of its own."""
    environment = {"PATH": os.environ["PATH"]}
    return Service(NAME, [sys.executable, "-c", PARENT.format(then=then)], environment, ready)


def pid_of(folder: Path) -> int:
    return int(json.loads((folder / f"{NAME}.json").read_text())["pid"])


def child_of(folder: Path) -> int:
    return int((folder / f"{NAME}.log").read_text().split()[0])


def test_a_service_is_found_again_and_ended_with_what_it_started(folder: Path) -> None:
    start(a_service(), folder)
    assert runs(NAME, folder)
    child = child_of(folder)
    assert process_start(child)
    assert not any(
        word.startswith("RESABLATE_CLUSTER") for word in Path(f"/proc/{child}/cmdline").read_text().split("\0")
    )
    assert stop(NAME, folder)
    assert process_start(child) is None
    assert not runs(NAME, folder)
    assert not stop(NAME, folder)


def test_what_a_service_left_when_it_was_killed_is_ended(folder: Path) -> None:
    start(a_service(), folder)
    child = child_of(folder)
    os.kill(pid_of(folder), signal.SIGKILL)
    os.waitpid(pid_of(folder), 0)
    assert not runs(NAME, folder)
    assert process_start(child)
    assert stop(NAME, folder)
    assert process_start(child) is None


def test_a_process_that_has_the_number_of_an_ended_service_is_left_alone(folder: Path) -> None:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as other:
        record = {"pid": other.pid, "began": 1, "mark": "0" * 32, "stop_signal": int(signal.SIGTERM)}
        (folder / f"{NAME}.json").write_text(json.dumps(record))
        assert not runs(NAME, folder)
        assert not stop(NAME, folder)
        assert other.poll() is None
        other.kill()


def test_a_service_that_ends_is_told_with_the_end_of_its_log(folder: Path) -> None:
    with pytest.raises(ResourceError, match=r"server: ended at once; .*/server\.log ends with:\n\d+ ready\nno such"):
        start(a_service("sys.exit('no such port')", ready=lambda _: False), folder)
    assert not (folder / f"{NAME}.json").exists()
    assert process_start(child_of(folder)) is None


def test_a_service_that_is_never_ready_is_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resablate.local_cluster.service._START_SECONDS", 1)

    def refuses(log: Path) -> bool:
        raise ConnectionRefusedError

    with pytest.raises(ResourceError, match="was not ready after 1 s"):
        start(a_service(ready=refuses), folder)
    assert process_start(child_of(folder)) is None


@pytest.mark.parametrize("content", ["", "[]", '{"pid": "x", "began": 1, "mark": "", "stop_signal": 15}', "cut"])
def test_a_record_that_is_cut_off_is_told_and_its_processes_are_found(
    folder: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    start(a_service(), folder)
    pid, child = pid_of(folder), child_of(folder)
    whole = (folder / f"{NAME}.json").read_text()
    (folder / f"{NAME}.json").write_text(whole[:-9] if content == "cut" else content)
    assert not runs(NAME, folder), "nobody can tell"
    assert stop(NAME, folder)
    assert f"{folder / NAME}.json: damaged" in capsys.readouterr().out
    assert process_start(pid) is None
    assert process_start(child) is None
    assert not stop(NAME, folder)


def test_a_record_without_a_mark_ends_nobody_else(folder: Path) -> None:
    """A mark begins every other one where it is empty."""
    start(a_service(), folder)
    (folder / "other.json").write_text('{"pid": 0, "began": null, "mark": "", "stop_signal": 15}')
    assert not stop("other", folder)
    assert runs(NAME, folder)
