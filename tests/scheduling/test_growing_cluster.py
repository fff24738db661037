"""A sweep on a cluster whose autoscaler adds nodes as there is work: Ray's own, with processes for machines."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import ray.util
import yaml

from tests.faults.sweeps import MARK, SweepProcess, slow_plan
from tests.tracking.databases import make_database

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

MOST = 3
COMMANDS = [
    *("cluster_synced_files", "initialization_commands", "setup_commands", "head_setup_commands"),
    *("worker_setup_commands", "head_start_ray_commands", "worker_start_ray_commands"),
]
"""What the launcher wants to be given, and nothing here needs."""


@dataclass
class Head:
    """The head of a cluster that runs no trials and begins with one worker of one CPU."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def start(self) -> subprocess.Popen[bytes]:
        with socket.create_server(("", 0)) as found:
            port = found.getsockname()[1]
        address = f"{ray.util.get_node_ip_address()}:{port}"
        types = {
            "ray.head.default": {"resources": {}, "node_config": {}, "max_workers": 0},
            "worker": {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 1, "max_workers": 3},
        }
        config = {
            "cluster_name": "growing",
            "max_workers": 3,
            "idle_timeout_minutes": 5,
            "upscaling_speed": 10,
            "provider": {
                "type": "fake_multinode",
                "gcs_address": address,
                "disable_node_updaters": True,
                "disable_launch_config_check": True,
                "worker_liveness_check": False,
            },
            "available_node_types": types,
            "head_node_type": "ray.head.default",
            "auth": {},
            "file_mounts": {},
            **{name: [] for name in COMMANDS},
        }
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "RESABLATE_"))}
        self.environment = {
            "HOME": str(self.folder),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_ADDRESS": address,
        }
        command = ["ray", "start", "--head", "--block", "--disable-usage-stats", "--include-dashboard=false"]
        command += ["--num-cpus=0", "--num-gpus=0", f"--port={port}", f"--temp-dir={self.folder / 'r'}"]
        command += [f"--object-store-memory={100 * 2**20}", f"--autoscaling-config={self.folder / 'config.yaml'}"]
        own = {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1", "OMP_NUM_THREADS": "1"}
        path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
        environment = kept | self.environment | own | {"PATH": path, MARK: self.folder.name}
        del environment["RAY_ADDRESS"]
        with (self.folder / "log").open("w") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)


@pytest.fixture
def head() -> Iterator[Head]:
    made = Head(Path(tempfile.mkdtemp(prefix="ra", dir="/tmp")))  # not pytest's: the names of sockets must be short
    process = made.start()
    try:
        yield made
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        # The nodes of its autoscaler too.
        SweepProcess(made.folder, slow_plan(1), "", mark=made.folder.name).clean_up()
        shutil.rmtree(made.folder, ignore_errors=True)


def nodes(head: Head) -> int:
    """How many workers there are now, as the sweep would be told."""
    asked = "import ray; ray.init(log_to_driver=False, logging_level='ERROR');"
    asked += "print(sum(node['Alive'] and node['Resources'].get('CPU', 0) > 0 for node in ray.nodes()))"
    python = Path(sysconfig.get_path("scripts"), "python")
    done = subprocess.run(
        [python, "-c", asked], env=os.environ | head.environment, capture_output=True, text=True, check=False
    )
    return int(done.stdout) if done.returncode == 0 else 0


def test_a_sweep_has_the_cluster_grow_to_the_size_that_it_is_told(head: Head, tmp_path: Path) -> None:
    environment = head.environment | {"RESABLATE_MAX_NODES": str(MOST)}
    sweep = SweepProcess(
        tmp_path, slow_plan(MOST, epochs=100), make_database(tmp_path), words=(), environment=environment
    )
    try:
        while nodes(head) < 1:
            pass
        sweep.start()
        # Not all three: on one machine, Ray's autoscaler takes the first node for free while it is busy.
        sweep.until(lambda: len(sweep.epochs()) == 2)
        assert nodes(head) == 2
        assert f"growing to {MOST} like the largest; {MOST} trials at a time" in sweep.said()
        sweep.kill(signal.SIGTERM)
        assert sweep.ended() == 128 + signal.SIGTERM, sweep.said()
    finally:
        sweep.clean_up()
