"""A sweep as a Ray job: a real cluster with token authentication, and the command of cluster/README.md."""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

import resablate
from resablate.plan import plan_sweep
from resablate.tracking import open_tracker
from tests.scheduling.tiny import tiny_sweep

pytestmark = [pytest.mark.ray, pytest.mark.timeout(400)]

START_SECONDS = 120
CPUS = (os.cpu_count() or 1) + 1
"""As no Ray that a sweep starts for itself would have."""
SWEEP = tiny_sweep({"shortcut": ["identity", "none"]})


@dataclass
class Cluster:
    """One `ray start --head`, its folder, and how to reach it."""

    folder: Path
    address: str
    environment: dict[str, str]

    def submit(self, working_dir: Path, *, token: str | None = None) -> subprocess.CompletedProcess[str]:
        """The command of cluster/README.md."""
        command = ["ray", "job", "submit", "--address", self.address, "--working-dir", str(working_dir), "--"]
        command += ["python", "-m", "resablate", "sweep", "sweeps/tiny.yaml"]
        environment = self.environment | ({"RAY_AUTH_TOKEN": token} if token else {})
        deadline = time.monotonic() + START_SECONDS
        while True:
            done = subprocess.run(
                command, env=environment, cwd=working_dir, capture_output=True, text=True, check=False, timeout=200
            )
            # The head answers some seconds before its agent can take a job.
            if "No available agent to submit job" not in done.stderr or time.monotonic() > deadline:
                return done
            time.sleep(1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    # Not pytest's folder: the names of Ray's sockets must be short.
    folder = Path(tempfile.mkdtemp(prefix="ra", dir="/tmp"))
    port, dashboard = free_ports(2)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_", "RESABLATE_"))}
    environment = kept | {
        "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]),
        "HOME": str(folder / "home"),
        "RESABLATE_HOME": str(folder / "records"),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }
    (folder / "home").mkdir()
    command = ["ray", "start", "--head", "--block", "--disable-usage-stats", f"--num-cpus={CPUS}", "--num-gpus=0"]
    command += ["--node-ip-address=127.0.0.1", f"--port={port}", f"--temp-dir={folder / 'ray'}"]
    command += ["--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}", f"--object-store-memory={100 * 2**20}"]
    with (folder / "log").open("w") as log:
        head = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for(f"http://127.0.0.1:{dashboard}/api/version", environment["RAY_AUTH_TOKEN"], head, folder / "log")
            yield Cluster(folder, f"http://127.0.0.1:{dashboard}", environment)
        finally:
            stop(head)
            shutil.rmtree(folder, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_for(url: str, token: str, head: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert head.poll() is None, log.read_text()
        try:
            asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
            with urllib.request.urlopen(asked, timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    raise AssertionError(f"Ray did not start in {START_SECONDS} s: {log.read_text()}")


def stop(head: subprocess.Popen[bytes]) -> None:
    """End the process group that `head` leads: everything that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(head.pid, number)
            head.wait(4)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def checkout(folder: Path) -> Path:
    """What `--working-dir .` would send of a checkout that holds one small sweep."""
    shutil.copytree(Path(resablate.__file__).parent, folder / "resablate", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "sweeps").mkdir()
    content = SWEEP.model_dump(mode="json", exclude={"resources", "search", "question"})
    (folder / "sweeps" / "tiny.yaml").write_text(yaml.safe_dump(content))
    return folder


def test_a_sweep_submitted_to_a_cluster_runs_once_and_is_filed(cluster: Cluster, tmp_path: Path) -> None:
    working_dir = checkout(tmp_path)

    refused = cluster.submit(working_dir, token=secrets.token_hex(32))
    assert refused.returncode != 0
    assert re.search(r"401|403|[Uu]nauthori[sz]ed|[Ii]nvalid auth|[Aa]uthentication", refused.stdout + refused.stderr)
    assert not (cluster.folder / "records").exists()

    submitted = cluster.submit(working_dir)
    said = submitted.stdout + submitted.stderr
    assert submitted.returncode == 0, said
    assert "succeeded" in said
    assert "tiny: 2 trials, 0 complete before, 2 finished" in said
    assert f"1 node ({CPUS} CPUs and 0 GPUs)" in said, "it joined the cluster"

    uri = f"sqlite:///{cluster.folder / 'records' / 'mlflow.db'}"
    asked = {spec.key for spec in plan_sweep(SWEEP).trials}
    assert set(open_tracker(uri).complete_keys()) == asked
    record = open_tracker(uri).load_sweep("tiny")
    assert [result.status for result in record.results] == ["finished"] * 2
    assert record.missing == []
    assert record.command == "resablate sweep sweeps/tiny.yaml"
    assert all(result.analyses["lesion"].table["error"] for result in record.results)

    again = cluster.submit(working_dir)
    said = again.stdout + again.stderr
    assert again.returncode == 0, said
    assert "2 of 2 trials are complete already" in said
    assert "nothing left to run" in said
    assert set(open_tracker(uri).complete_keys()) == asked


def test_the_python_of_the_job_is_that_of_the_tests(cluster: Cluster) -> None:
    found = shutil.which("python", path=cluster.environment["PATH"])
    assert found is not None
    assert Path(found).resolve() == Path(sys.executable).resolve()
