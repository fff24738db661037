"""Which process it is, asked of real ones."""

import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from resablate import processes
from resablate.processes import machine_identity, process_start


def test_a_process_began_when_it_did() -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        began = process_start(process.pid)
        assert began is not None
        assert began >= process_start(os.getpid())
        assert process_start(process.pid) == began
        process.kill()


def test_a_process_that_has_ended_is_none_before_and_after_that_is_noted() -> None:
    process = subprocess.Popen(["sleep", "600"])
    process.kill()
    deadline = time.monotonic() + 10
    while process_start(process.pid) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert Path(f"/proc/{process.pid}").exists()  # nobody has waited for it
    process.wait()
    assert process_start(process.pid) is None


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """The identity of a machine with these marks, each of which may be missing."""

    def identity(**marks: Any) -> str:
        marks = {"host": "node", "card": 0x0242AC110002, "id": "a" * 32, "boot": "b", "namespace": "n"} | marks
        for name, constant in {"boot": "_BOOT_FILE", "namespace": "_NAMESPACE_FILE"}.items():
            monkeypatch.setattr(processes, constant, tmp_path / str(marks[name]))
            if marks[name] is not None:
                (tmp_path / marks[name]).write_text(marks[name])
        (tmp_path / "id").write_text(marks["id"] or "")
        monkeypatch.setattr(processes, "_MACHINE_FILES", (tmp_path / "id",) if marks["id"] else ())
        monkeypatch.setattr(socket, "gethostname", lambda: marks["host"])
        monkeypatch.setattr(uuid, "getnode", lambda: marks["card"])
        machine_identity.cache_clear()
        return machine_identity()

    yield identity
    machine_identity.cache_clear()


def test_every_process_of_a_machine_finds_the_same_identity() -> None:
    code = "from resablate.processes import machine_identity; print(machine_identity())"
    found = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()}
    assert found == {machine_identity()}
    assert len(machine_identity()) == 16


@pytest.mark.parametrize(
    "other", [{"host": "other"}, {"card": 1}, {"id": "c" * 32}, {"boot": "c"}, {"namespace": "m"}, {"id": None}]
)
def test_machines_that_differ_in_one_mark_are_two(machine: Callable[..., str], other: dict[str, Any]) -> None:
    assert machine() == machine()
    assert machine() != machine(**other)


def test_a_machine_without_proc_and_card_is_still_the_same_for_all_its_processes(machine: Callable[..., str]) -> None:
    """Where there is no network card each process draws a number, with the multicast bit."""
    bare = {"id": None, "boot": None, "namespace": None}
    assert machine(**bare, card=1 << 40 | 5) == machine(**bare, card=1 << 40 | 6)


def test_the_identity_does_not_tell_the_machine_s_id(machine: Callable[..., str]) -> None:
    assert "aaaa" not in machine()
