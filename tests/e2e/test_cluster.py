"""A sweep on the cluster of `make cluster` that loses a node: the same numbers as on one machine undisturbed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import optuna
import pytest
import yaml

import resablate
from resablate.plan import plan_sweep
from resablate.processes import process_start
from resablate.sweep import SweepSpec, parse_sweep
from resablate.tracking import open_tracker
from tests.e2e.local_clusters import SERVICES, TestedCluster, command_lines, marked, own_environment, started
from tests.faults.sweeps import SLOW, runs_of
from tests.listening import check_doors, family, listening
from tests.scheduling.tiny import BASE, numbers, tiny_sweep

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

SWEEP = tiny_sweep({"shortcut": ["identity", "dropout"], "seed": [0, 1]}, name="halves", **{**SLOW, "epochs": 12})
SEARCH = parse_sweep(
    {
        "name": "searched",
        "base": dict(BASE),
        "axes": {"optimizer.momentum": {"low": 0.5, "high": 0.95}},
        "search": {"method": "tpe", "trials": 3, "minimize": "val_error"},
    }
)
SECONDS = 240


@pytest.fixture(scope="module")
def cluster() -> Iterator[TestedCluster]:
    with started() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `--working-dir .` would send of a checkout that holds these sweeps."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(Path(resablate.__file__).parent, folder / "resablate", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "sweeps").mkdir()
    for sweep in (SWEEP, SEARCH):
        content = sweep.model_dump(mode="json", exclude={"question"}, exclude_defaults=True)
        (folder / "sweeps" / f"{sweep.name}.yaml").write_text(yaml.safe_dump(content))
    return folder


class Job:
    """`ray job submit` of a sweep."""

    def __init__(self, cluster: TestedCluster, checkout: Path, sweep: SweepSpec) -> None:
        self._log = checkout / "job.log"
        command = ["ray", "job", "submit", "--working-dir", "."]
        command += ["--", "python", "-m", "resablate", "sweep", f"sweeps/{sweep.name}.yaml"]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command, env=cluster.environment(), cwd=checkout, stdout=log, stderr=log, start_new_session=True
            )

    def said(self) -> str:
        return self._log.read_text()

    def ended(self) -> int:
        return self._process.wait(SECONDS)

    def until_checkpoint(self, folder: Path, *, epoch: int, trials: int) -> None:
        """Wait until so many trials have come so far."""
        deadline = time.monotonic() + SECONDS
        while (
            len({file.parent for file in folder.rglob("checkpoint-*.safetensors") if epoch_of(file) >= epoch}) < trials
        ):
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)


def epoch_of(checkpoint: Path) -> int:
    return int(checkpoint.stem[-6:])


def test_a_sweep_that_loses_a_node_gives_what_an_undisturbed_one_does(
    cluster: TestedCluster, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spared = cluster.record("ray-node-2")
    job = Job(cluster, checkout, SWEEP)
    job.until_checkpoint(cluster.folder / "home", epoch=3, trials=2)
    lost = cluster.processes("ray-node-1")
    assert any("raylet" in line for line in lost.values())
    for pid in lost:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    again = cluster.command("up")
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.count("runs already") == 4
    assert "ray-node-1: starting" in again.stdout
    assert cluster.record("ray-node-2") == spared
    assert job.ended() == 0, job.said()
    assert "halves: 4 trials, 0 complete before, 4 finished" in job.said()

    second = Job(cluster, checkout, SWEEP)
    assert second.ended() == 0, second.said()
    assert "4 of 4 trials are complete already" in second.said()

    here = subprocess.run(
        [sys.executable, "-m", "resablate", "sweep", "sweeps/halves.yaml", "--inline"],
        env={**own_environment(), "RESABLATE_HOME": str(tmp_path)},
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert here.returncode == 0, here.stderr
    for name, value in cluster.environment().items():
        monkeypatch.setenv(name, value)
    uri = os.environ["MLFLOW_TRACKING_URI"]
    undisturbed = open_tracker(f"sqlite:///{tmp_path / 'mlflow.db'}").load_sweep(SWEEP.name).results
    filed = open_tracker(uri).load_sweep(SWEEP.name).results
    assert [numbers(result) for result in filed] == [numbers(result) for result in undisturbed]
    runs = [run for run in runs_of(uri) if run.data.tags["resablate.sweep"] == SWEEP.name]
    assert {run.info.status for run in runs} == {"FINISHED"}
    keys = Counter(run.data.tags["resablate.key"] for run in runs if "resablate.key" in run.data.tags)
    assert keys == dict.fromkeys((spec.key for spec in plan_sweep(SWEEP).identified(None).trials), 1)


def test_a_search_keeps_its_study_in_postgres(
    cluster: TestedCluster, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(cluster, checkout, SEARCH)
    assert job.ended() == 0, job.said()
    for name, value in cluster.environment().items():
        monkeypatch.setenv(name, value)
    storage = optuna.storages.RDBStorage(os.environ["RESABLATE_STUDY_STORAGE"])
    try:
        study = optuna.load_study(study_name="searched", storage=storage)
        assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3
    finally:
        storage.remove_session()
        storage.engine.dispose()
    assert not list(cluster.folder.rglob("optuna.db"))


def test_no_secret_is_where_others_can_read_it(cluster: TestedCluster) -> None:
    hidden = cluster.secrets()
    assert {"ray_token", "mlflow_password", "pgpass", "postgres_owner", "mlflow_sessions"} <= set(hidden)
    assert all(len(secret) == 64 for secret in hidden.values())
    assert {oct(file.stat().st_mode & 0o777) for file in (cluster.folder / "secrets").iterdir()} == {"0o600"}
    lines = command_lines().values()
    logs = [*(cluster.folder / "processes").glob("*.log"), *(cluster.folder / "ray").resolve().rglob("*.*")]
    files = [file for file in (*logs, *(cluster.folder / "artifacts").rglob("*")) if file.is_file()]
    assert len(files) > 20
    for name, secret in hidden.items():
        assert not [line for line in lines if secret in line], name
        assert not [file for file in files if secret.encode() in file.read_bytes()], name


def test_every_port_is_of_this_machine_alone_and_ray_asks_for_its_token(cluster: TestedCluster) -> None:
    of = {
        # Some of Ray's processes write their names over what /proc shows of their environment.
        service: listening({*cluster.processes(service), *family(int(cluster.record(service)["pid"]))})
        for service in SERVICES
    }
    assert all(of.values())
    nodes = set[str]().union(*(of[service] for service in SERVICES if service.startswith("ray")))
    asking = check_doors(nodes, token=cluster.secrets()["ray_token"])
    assert len(asking) >= 5, "the store, the client's server, and three nodes"
    assert {place.rpartition(":")[0] for place in of["postgres"] | of["mlflow"]} == {"127.0.0.1"}


def test_down_leaves_nothing_and_up_finds_everything_again(cluster: TestedCluster) -> None:
    records = [cluster.record(service) for service in SERVICES]
    down = cluster.command("down")
    assert down.returncode == 0, down.stdout + down.stderr
    assert down.stdout.count("stopped") == 5
    assert {pid: line for record in records for pid, line in marked(str(record["mark"])).items()} == {}
    assert [record for record in records if process_start(int(record["pid"]))] == []
    assert not (cluster.folder / "ray").exists()
    assert cluster.command("down").stdout.count("does not run") == 5
