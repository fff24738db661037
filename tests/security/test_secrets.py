"""Planted secrets, and a search for them in all that a sweep and a submit leave behind."""

import json
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from resablate.sweep import parse_sweep
from tests.clusters import checkout, ray_head
from tests.postgres import postgres
from tests.scheduling.tiny import BASE
from tests.tracking.servers import MlflowServer

pytestmark = [pytest.mark.ray, pytest.mark.timeout(400)]

SWEEP = {
    "name": "tiny",
    "base": dict(BASE),
    "analyses": {"path_count": {}},
    "axes": {"learning_rate": {"low": 0.01, "high": 0.1}},
    "search": {"method": "tpe", "trials": 2},
}
OWN = {"auth.ini", "password"}
"""Files of the fixtures, in which the servers are told their passwords."""


@contextmanager
def watched(words: list[str]) -> Iterator[set[str]]:
    """Those of the words that are seen in a command line of any process meanwhile; this one's is not looked at."""
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.3):
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    line = place.read_bytes()
                    seen.update(f"{word} in {line!r}" for word in words if word.encode() in line)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def holders(words: list[str], *folders: Path) -> list[tuple[str, str]]:
    """Word and path of every file, compressed or not, that holds one of the words."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.name not in OWN]
    assert len(files) > 10
    return [(word, str(path)) for path in files for word in words if word.encode() in path.read_bytes()]


def told_to_mlflow(uri: str, *, reports: int) -> str:
    """Every parameter, tag and metric of every run."""
    client = MlflowClient(tracking_uri=uri)
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert len(runs) == 3 + reports, "the sweep, two trials and the report, if one was written"
    return "\n".join(json.dumps(run.to_dictionary()) for run in runs)


@pytest.mark.slow
def test_a_sweep_on_this_machine_tells_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    password, token = f"Pw{secrets.token_hex(8)}", secrets.token_hex(32)
    work = tmp_path / "work"
    work.mkdir()
    (work / "tiny.yaml").write_text(yaml.safe_dump(SWEEP))
    ray_folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"rs{secrets.token_hex(3)}"
    ray_folder.mkdir()
    with postgres() as database, MlflowServer(tmp_path / "server", password=password) as server:
        words = [password, token, database.password]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "MLFLOW_TRACKING_URI": server.uri.replace("//", f"//admin:{password}@"),
            "RESABLATE_STUDY_STORAGE": database.url(),
            "RESABLATE_HOME": str(work),
            "RAY_AUTH_TOKEN": token,
            "RAY_TMPDIR": str(ray_folder),
            "HOME": str(work),
        }
        with watched(words) as seen:
            done = subprocess.run(
                [sys.executable, "-m", "resablate", "sweep", "tiny.yaml"],
                cwd=work,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            report = subprocess.run(
                [sys.executable, "-m", "resablate", "report", "tiny"],
                cwd=work,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        assert done.returncode == 0, done.stderr
        assert report.returncode == 0, report.stderr
        assert "2 finished" in done.stdout
        said = done.stdout + done.stderr + report.stdout + report.stderr
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
        told = told_to_mlflow(server.uri, reports=1)
    assert not seen
    assert not holders(words, work, tmp_path / "server", ray_folder)
    assert not [word for word in words if word in said + told]


@pytest.mark.slow
def test_a_submit_tells_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    password, here = f"Pw{secrets.token_hex(8)}", f"Pw{secrets.token_hex(8)}"
    folder = checkout(tmp_path / "work", parse_sweep({**SWEEP, "search": {"method": "random", "trials": 2}}))
    (folder / "sweeps" / "tiny.yaml").write_text(yaml.safe_dump(SWEEP))
    (folder / ".env").write_text(f"MLFLOW_TRACKING_PASSWORD={here}\n")
    with postgres() as database, MlflowServer(tmp_path / "server", password=password) as server:
        of_the_head = {
            "MLFLOW_TRACKING_USERNAME": "admin",
            "MLFLOW_TRACKING_PASSWORD": password,
            "RESABLATE_STUDY_STORAGE": database.url(),
        }
        with ray_head(of_the_head) as cluster:
            words = [password, here, database.password, cluster.environment["RAY_AUTH_TOKEN"]]
            with watched(words) as seen:
                done = cluster.resablate(
                    *("submit", "sweeps/tiny.yaml"),
                    folder=folder,
                    MLFLOW_TRACKING_URI=server.uri,
                    MLFLOW_TRACKING_PASSWORD=here,
                )
            assert done.returncode == 0, done.stdout + done.stderr
            assert "2 finished" in done.stdout
            listed = subprocess.run(
                ["ray", "job", "list", "--address", cluster.address],
                env=cluster.environment,
                capture_output=True,
                text=True,
                check=True,
            )
            monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
            monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
            said = done.stdout + done.stderr + listed.stdout + listed.stderr
            said += told_to_mlflow(server.uri, reports=0)
            assert "resablate-tiny-" in listed.stdout
            (folder / ".env").unlink()
            assert not holders(words, cluster.folder, folder, tmp_path / "server")
    assert not seen
    assert not [word for word in words if word in said]
