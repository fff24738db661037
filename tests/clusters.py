"""Real Ray heads with token authentication, and what is sent to them."""

import os
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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

import resablate
from resablate.sweep import SweepSpec

START_SECONDS = 120
CPUS = (os.cpu_count() or 1) + 1
"""As no Ray that a sweep starts for itself would have."""


@dataclass
class Cluster:
    """One `ray start --head`, its folder, and how to reach it."""

    folder: Path
    address: str
    environment: dict[str, str]

    def resablate(self, *words: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
        """`resablate` as a person in `folder` runs it, with the cluster's token."""
        process = self.start_resablate(*words, folder=folder, **more)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start_resablate(self, *words: str, folder: Path, **more: str) -> subprocess.Popen[str]:
        """The same, without waiting for its end; in a process group of its own, as a shell does it."""
        return subprocess.Popen(
            [sys.executable, "-m", "resablate", *words],
            env={"RAY_API_SERVER_ADDRESS": self.address, "PYTHONPATH": str(folder), **self.client(), **more},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def client(self) -> dict[str, str]:
        """The variables of somebody who uses the cluster: the token, and nothing of what the head knows."""
        return {name: self.environment[name] for name in ("PATH", "HOME", "RAY_AUTH_TOKEN")}

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


@contextmanager
def ray_head(more: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """A head that asks for a token; `more` are variables that it and its jobs have."""
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
        **(more or {}),
    }
    (folder / "home").mkdir()
    command = ["ray", "start", "--head", "--block", "--disable-usage-stats", f"--num-cpus={CPUS}", "--num-gpus=0"]
    command += ["--node-ip-address=127.0.0.1", f"--port={port}", f"--temp-dir={folder / 'ray'}"]
    command += ["--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}", f"--object-store-memory={100 * 2**20}"]
    command += ["--dashboard-agent-listen-port=0"]  # where another head has the usual one, no job finds an agent
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


def checkout(folder: Path, sweep: SweepSpec) -> Path:
    """What `--working-dir .` would send of a checkout that holds one small sweep."""
    shutil.copytree(Path(resablate.__file__).parent, folder / "resablate", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "sweeps").mkdir(parents=True)
    content = sweep.model_dump(mode="json", exclude={"resources", "search", "question"})
    (folder / "sweeps" / f"{sweep.name}.yaml").write_text(yaml.safe_dump(content))
    return folder
