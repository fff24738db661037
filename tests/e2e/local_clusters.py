"""Clusters of this machine for tests: the command behind `make cluster`, in a folder of their own."""

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

MARK = "RESABLATE_CLUSTER_SERVICE"
SERVICES = ("postgres", "mlflow", "ray-head", "ray-node-1", "ray-node-2")
_FOREIGN = ("RAY_", "MLFLOW_", "RESABLATE_", "PG")


class TestedCluster:
    """One cluster: its folder, its commands, its processes."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def command(self, verb: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`up`, `down` or `clean`, as make calls it."""
        return subprocess.run(
            [sys.executable, "-m", "resablate.local_cluster", verb, "--folder", str(self.folder)],
            env=own_environment() | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )

    def environment(self) -> dict[str, str]:
        """A shell's that has read the cluster's `env`."""
        told = subprocess.run(
            ["bash", "-c", '. "$0" && env -0', str(self.folder / "env")],
            env=own_environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        return dict(pair.split("=", 1) for pair in told.stdout.split("\0") if pair)

    def record(self, service: str) -> dict[str, int | str]:
        return json.loads((self.folder / "processes" / f"{service}.json").read_text())

    def processes(self, service: str) -> dict[int, str]:
        """Number -> command line of what a service started and of itself."""
        return marked(str(self.record(service)["mark"]))

    def secrets(self) -> dict[str, str]:
        """Name -> the secret itself."""
        found = {file.name: file.read_text().strip() for file in (self.folder / "secrets").iterdir()}
        return {name: text.rpartition(":")[2] for name, text in found.items()}


def marked(mark: str) -> dict[int, str]:
    """Number -> command line of the processes with this mark in their environment."""
    found: dict[int, str] = {}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{MARK}={mark}".encode() in (place / "environ").read_bytes():
                found[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def command_lines() -> dict[int, str]:
    """Number -> command line of every process of the machine."""
    found: dict[int, str] = {}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return found


def own_environment() -> Mapping[str, str]:
    """The test's, without what would say where another cluster is."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    scripts = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    return kept | {"PATH": scripts, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}


@contextmanager
def started() -> Iterator[TestedCluster]:
    """A cluster that runs, and is gone afterwards whatever happens."""
    # Not pytest's folder: PostgreSQL runs as another user where the caller is root, and has to get there.
    with tempfile.TemporaryDirectory(prefix="resablate-cluster-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        cluster = TestedCluster(folder)
        try:
            up = cluster.command("up")
            assert up.returncode == 0, up.stdout + up.stderr
            yield cluster
        finally:
            down = cluster.command("down")
            assert down.returncode == 0, down.stdout + down.stderr
