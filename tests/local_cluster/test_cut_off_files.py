"""`make cluster` where a kill has cut off its files: `up` and `down`, with real processes in place of its services."""

import json
import os
import re
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from resablate.local_cluster import cluster
from resablate.local_cluster.__main__ import main
from resablate.local_cluster.cluster import LocalCluster
from resablate.local_cluster.service import Service
from resablate.local_cluster.settings import Settings
from resablate.processes import process_start

NODE = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid, "ready", flush=True)
time.sleep(600)
"""
NAMES = ("mlflow", "ray-node-1")
Do = Callable[[str], str]


def server(settings: Settings) -> Service:
    """It answers at a port."""
    port = str(settings.ports["mlflow"])

    def answers(log: Path) -> bool:
        with urllib.request.urlopen(settings.mlflow, timeout=5):
            return True

    command = [sys.executable, "-m", "http.server", port, "--bind", "127.0.0.1"]
    return Service("mlflow", command, {"PATH": os.environ["PATH"]}, answers)


def node(settings: Settings) -> Service:
    """It has a child in a session of its own, and a secret."""
    environment = {"PATH": os.environ["PATH"], "TOKEN": settings.secret("ray_token")}
    command, needs = [sys.executable, "-c", NODE], "mlflow"
    return Service("ray-node-1", command, environment, lambda log: "ready" in log.read_text(), needs=needs)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("resablate.local_cluster.service._FOLLOW_SECONDS", 0.2)
    monkeypatch.setattr(cluster, "SERVICES", dict(zip(NAMES, (server, node), strict=True)))
    monkeypatch.setattr(cluster, "_check_machine", lambda: None)  # PostgreSQL and its like are not needed
    return tmp_path / "cluster"


@pytest.fixture
def do(folder: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Do]:
    """Does `up` or `down`, and returns what that says; nothing runs at the end."""

    def command(verb: str) -> str:
        capsys.readouterr()
        main([verb, "--folder", str(folder)])
        said = capsys.readouterr()
        assert said.err == ""
        return said.out

    yield command
    main(["down", "--folder", str(folder)])


def numbers(folder: Path) -> list[int]:
    """Of the processes that run: both services, and the child of one."""
    records = [json.loads((folder / "processes" / f"{name}.json").read_text()) for name in NAMES]
    return [
        *(record["pid"] for record in records),
        int((folder / "processes" / "ray-node-1.log").read_text().split()[0]),
    ]


def ports(folder: Path) -> dict[str, int]:
    return json.loads((folder / "ports.json").read_text())


def running(pids: list[int]) -> list[int]:
    return [pid for pid in pids if process_start(pid) is not None]


def cut(file: Path) -> None:
    file.write_text(file.read_text()[:-9])


@pytest.mark.parametrize("name", NAMES)
def test_down_ends_what_a_record_that_is_cut_off_tells_nothing_of(folder: Path, do: Do, name: str) -> None:
    do("up")
    pids = numbers(folder)
    assert running(pids) == pids
    record = folder / "processes" / f"{name}.json"
    cut(record)
    said = do("down")
    assert f"{record}: damaged; its processes are looked for by their environment" in said
    assert re.findall("^(.*): stopped$", said, re.MULTILINE) == list(reversed(NAMES))
    assert running(pids) == []
    assert "does not run" in do("down")


@pytest.mark.parametrize("name", NAMES)
def test_up_starts_anew_what_a_record_that_is_cut_off_tells_nothing_of(folder: Path, do: Do, name: str) -> None:
    """And at its own port, which it has not lost to anybody else."""
    do("up")
    before, at = numbers(folder), ports(folder)["mlflow"]
    cut(folder / "processes" / f"{name}.json")
    said = do("up")
    assert f"{name}: starting" in said
    assert ("mlflow: runs already" in said) is (name == "ray-node-1"), "what needs it is started anew with it"
    after = numbers(folder)
    assert running(after) == after
    assert running(before) == [pid for pid in before if pid in after]
    assert ports(folder)["mlflow"] == at
    assert all(f"{each}: runs already" in do("up") for each in NAMES)


@pytest.mark.parametrize("records", [(), NAMES[:1], NAMES], ids=["alone", "with a record", "with all records"])
def test_up_starts_all_anew_where_the_ports_are_cut_off(folder: Path, do: Do, records: tuple[str, ...]) -> None:
    do("up")
    before = numbers(folder)
    for name in records:
        cut(folder / "processes" / f"{name}.json")
    cut(folder / "ports.json")
    said = do("up")
    told = f"{folder / 'ports.json'}: missing or damaged; what runs is started anew"
    assert (told in said) is (records != NAMES), "else nothing is known to run"
    assert re.findall("^(.*): starting$", said, re.MULTILINE) == list(NAMES)
    assert running(before) == []
    with urllib.request.urlopen(f"http://127.0.0.1:{ports(folder)['mlflow']}", timeout=5) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("also", [(), ("ports.json",), ("ports.json", *(f"processes/{name}.json" for name in NAMES))])
def test_a_secret_that_is_cut_off_is_one_line_and_down_ends_all_the_same(
    folder: Path, do: Do, also: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    do("up")
    pids, token = numbers(folder), folder / "secrets" / "ray_token"
    token.write_text("")
    for name in also:
        cut(folder / name)
    with pytest.raises(SystemExit, match="2"):
        main(["up", "--folder", str(folder)])
    told = f"{token}: is empty; put back the secret that was there, or remove all: make cluster-clean\n"
    assert capsys.readouterr().err == told
    do("down")
    assert running(pids) == []


def test_nothing_is_said_of_ports_where_nothing_runs(folder: Path, do: Do) -> None:
    do("up")
    do("down")
    (folder / "ports.json").unlink()
    said = do("up")
    assert "missing or damaged" not in said
    assert "mlflow: starting" in said


def test_what_runs_at_ports_that_are_known_is_left_alone(folder: Path, do: Do) -> None:
    do("up")
    pids = numbers(folder)
    LocalCluster(folder)._stop_where_unknown()
    assert running(pids) == pids
    cut(folder / "ports.json")
    LocalCluster(folder)._stop_where_unknown()
    assert running(pids) == []
