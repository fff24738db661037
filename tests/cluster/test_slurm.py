"""The Slurm script: what it asks Slurm for is run on this machine instead, everything else is real."""

import os
import secrets
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
import yaml

from resablate.trial import run_trial
from tests.faults.sweeps import MARK, SweepProcess, everything_is_in_order, slow_plan
from tests.listening import METHODS, answered
from tests.scheduling.tiny import numbers
from tests.tracking.databases import make_database

ROOT = Path(__file__).parents[2]
SRUN = '#!/usr/bin/env bash\nwhile [[ $1 == --* ]]; do shift; done\nexec "$@"\n'
SCONTROL = '#!/usr/bin/env bash\necho "$@" >> "$REQUESTS"\n'
SEEDS = 2


def free_job_id() -> int:
    """A number whose port the script can use."""
    while True:
        found = secrets.randbelow(20000)
        with suppress(OSError), socket.create_server(("", 20000 + found)):
            return found


def start(sweep: SweepProcess, *, job: int, **more: str) -> None:
    """Do as Slurm does on the first of two nodes with one core each; `more` are variables of the submitter's shell."""
    content = sweep.plan.sweep.model_dump(mode="json", exclude={"search", "question"})
    (sweep.folder / "tiny.yaml").write_text(yaml.safe_dump(content))
    stubs = sweep.folder / "stubs"
    stubs.mkdir(exist_ok=True)
    if not (sweep.folder / "cluster").exists():  # a job begins in the folder of the repository
        (sweep.folder / "cluster").symlink_to(ROOT / "cluster")
    for name, text in {"srun": SRUN, "scontrol": SCONTROL}.items():
        (stubs / name).write_text(text)
        (stubs / name).chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_", "RESABLATE_"))}
    environment = kept | {
        MARK: sweep.mark,
        "PATH": os.pathsep.join([str(stubs), os.environ["PATH"]]),
        "HOME": str(sweep.folder),
        "VENV": sys.prefix,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OMP_NUM_THREADS": "1",
        "RESABLATE_HOME": str(sweep.folder),
        "MLFLOW_TRACKING_URI": sweep.uri,
        "REQUESTS": str(sweep.folder / "requests"),
        "SLURM_JOB_ID": str(job),
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_CPUS_PER_TASK": "1",
        "SLURMD_NODENAME": "localhost",
        **more,
    }
    with (sweep.folder / "out").open("w") as out, (sweep.folder / "err").open("w") as err:
        sweep.process = subprocess.Popen(
            ["bash", ROOT / "cluster" / "slurm.sh", "tiny.yaml"],
            cwd=sweep.folder,
            env=environment,
            stdout=out,
            stderr=err,
            text=True,
            start_new_session=True,
        )


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_job_that_slurm_stops_is_queued_again_and_continues(tmp_path: Path) -> None:
    plan = slow_plan(SEEDS)
    sweep = SweepProcess(tmp_path, plan, make_database(tmp_path))
    job = free_job_id()
    try:
        start(sweep, job=job)
        sweep.until(lambda: sweep.reached(2))
        sweep.kill(signal.SIGTERM)
        assert sweep.ended() == 128 + signal.SIGTERM, sweep.said()
        assert "Ray: 2 nodes (1 CPUs and 0 GPUs, 1 CPUs and 0 GPUs)" in sweep.said()
        assert (tmp_path / "requests").read_text() == f"requeue {job}\n"
        assert sweep.gone()
        kept = sweep.times()
        assert kept

        start(sweep, job=job)
        assert sweep.ended() == 0, sweep.said()
        assert (tmp_path / "requests").read_text() == f"requeue {job}\n", "not once more"
        everything_is_in_order(sweep)
        results = {result.spec.key: result for result in sweep.results()}
        for key, seconds in kept.items():
            assert [row.wall_seconds for row in results[key].history][: len(seconds)] == pytest.approx(seconds)
        assert [numbers(results[spec.key]) for spec in plan.trials] == [
            numbers(run_trial(s, plan.questions(s))) for s in plan.trials
        ]
        assert not Path(f"/tmp/ray-{job}").exists()
    finally:
        sweep.clean_up()


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_job_with_tls_speaks_to_its_own_alone(tmp_path: Path) -> None:
    sweep = SweepProcess(tmp_path, slow_plan(1), make_database(tmp_path))
    job = free_job_id()
    try:
        start(sweep, job=job, RAY_USE_TLS="1")
        sweep.until(lambda: sweep.reached(2))
        store = f"127.0.0.1:{20000 + job}"
        files = [Path(f"/tmp/ray-tls-{job}", name) for name in ("ca.crt", "node.key", "node.crt")]
        assert {file.stat().st_mode & 0o077 for file in (*files, files[0].parent)} == {0}
        authority, key, certificate = (file.read_bytes() for file in files)
        own = grpc.ssl_channel_credentials(authority, key, certificate)
        assert answered(store, METHODS[0], tls=own) is grpc.StatusCode.UNAUTHENTICATED, "it has no token"
        assert answered(store, METHODS[0]) is grpc.StatusCode.UNAVAILABLE, "it speaks in the clear"
        stranger = grpc.ssl_channel_credentials(authority)
        assert answered(store, METHODS[0], tls=stranger) is grpc.StatusCode.UNAVAILABLE, "it has no certificate"
        assert sweep.ended() == 0, sweep.said()
        everything_is_in_order(sweep)
        assert not Path(f"/tmp/ray-tls-{job}").exists()
        assert not list(tmp_path.glob("tls-*"))
    finally:
        sweep.clean_up()


def test_a_job_without_a_shared_folder_or_a_sweep_says_what_is_missing() -> None:
    def said(*words: str, **environment: str) -> str:
        command = ["bash", str(ROOT / "cluster" / "slurm.sh"), *words]
        done = subprocess.run(
            command, env={"PATH": os.environ["PATH"]} | environment, capture_output=True, text=True, check=False
        )
        assert done.returncode != 0
        return done.stderr

    assert "which sweep?" in said()
    assert "RESABLATE_HOME: a folder on a file system that all nodes share" in said("tiny.yaml")
