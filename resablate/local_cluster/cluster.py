"""The services, in the order in which they are started."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import sys
import sysconfig
import urllib.request
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import final

from resablate.errors import ResourceError
from resablate.local_cluster.postgres import database_url, find_programs, postgres_service
from resablate.local_cluster.ray_folder import ray_folder, remove_ray_folder
from resablate.local_cluster.service import Service, damaged_records, runs, start, stop
from resablate.local_cluster.settings import (
    FILES,
    FOLDERS,
    HOST,
    MLFLOW_PASSWORD,
    MLFLOW_USER,
    PORTS_FILE,
    RAY_TOKEN,
    Settings,
    read_ports,
)
from resablate.storage.locks import file_lock

_FOREIGN = ("MLFLOW_", "RAY_", "RESABLATE_", "PG")
"""Variables of the caller's shell that may say where another cluster is."""
_KEPT = "RESABLATE_DATA"
_OBJECT_STORE_BYTES = 200 * 2**20
"""Of each node: data sets on their way to the trials pass through it, and weights on theirs to the tracker."""
_ONE_MACHINE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Where it is 0, a head takes 127.0.0.1 as its address, and then its servers listen there alone; else it takes one that
other machines reach, and they listen on every address. Its drivers have it too. A node may not have it."""
_LOOPBACK = "LOCALHOST"
"""For localhost, spelled so, and for 127.0.0.1 a node takes an address that other machines reach."""
POOL = {"MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "10", "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "40"}
"""Connections of one worker. MLflow's log_batch holds one while it asks for a second, and a worker has 40 threads: with
its own 15, many writers at once wait for each other until they are refused after 30 s."""
_MODULES = {"psycopg": "psycopg[binary]", "flask_wtf": "mlflow[auth]"}
"""What the extra `cluster` brings."""
_PORTS = {"postgres": ("postgres",), "mlflow": ("mlflow",), "ray-head": ("ray", "ray_client", "dashboard")}


@final
class LocalCluster:
    """PostgreSQL, an MLflow server on it, and Ray on three nodes: a head that runs no trials, and two that do.

    Args:
        folder: for all that is kept: data, artifacts, secrets, logs, and which processes were started.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.processes = self.folder / "processes"

    def up(self) -> None:
        """Start what does not run, and say where everything is.

        Raises:
            ResourceError: if something is missing on this machine, or does not start.
        """
        _check_machine()
        self.processes.mkdir(parents=True, exist_ok=True)
        with self._alone():
            self._stop_where_unknown()
            kept = [port for name, ports in _PORTS.items() if runs(name, self.processes) for port in ports]
            settings = Settings(self.folder, kept=kept)
            started: list[str] = []
            for name, make in SERVICES.items():
                service = make(settings)
                if runs(name, self.processes) and service.needs not in started:
                    print(f"{name}: runs already")
                    continue
                stop(name, self.processes)
                print(f"{name}: starting", flush=True)
                start(service, self.processes)
                started.append(name)
            print(_summary(settings))

    def down(self) -> None:
        """Stop what was started. Data, artifacts and passwords stay."""
        if not self.processes.is_dir():
            print(f"{self.folder}: no cluster was started here")
            return
        with self._alone():
            for name in reversed(list(SERVICES)):
                print(f"{name}: {'stopped' if stop(name, self.processes) else 'does not run'}", flush=True)
            remove_ray_folder(self.folder)

    def clean(self) -> None:
        """Stop what was started, and remove all that was kept."""
        self.down()
        if not self.processes.is_dir():
            return
        for name in FILES:  # and nothing else that somebody may have in the folder
            (self.folder / name).unlink(missing_ok=True)
        for name in (*FOLDERS, "postgres"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        with suppress(OSError):
            self.folder.rmdir()

    def _stop_where_unknown(self) -> None:
        """Stop what runs where nobody can tell any more which process it is, or at which ports."""
        for record in damaged_records(self.processes):  # else its own port would seem to be somebody else's
            stop(record.stem, self.processes)
        if read_ports(self.folder) or not any(runs(name, self.processes) for name in SERVICES):
            return
        print(f"{self.folder / PORTS_FILE}: missing or damaged; what runs is started anew")
        for name in reversed(list(SERVICES)):
            stop(name, self.processes)

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Two commands at once would start everything twice."""
        with file_lock(self.processes / "lock"):
            yield


def _check_machine() -> None:
    if sys.platform != "linux":
        raise ResourceError(f"a cluster of processes on one machine runs on Linux, not on {sys.platform}")
    find_programs()
    if missing := [package for module, package in _MODULES.items() if importlib.util.find_spec(module) is None]:
        raise ResourceError(f"not installed: {', '.join(missing)}; install them with: pip install 'resablate[cluster]'")


def _postgres(settings: Settings) -> Service:
    return postgres_service(
        settings.folder / "postgres",
        port=settings.ports["postgres"],
        environment=_plain_environment(),
        owner_password=settings.secret("postgres_owner"),
        password=settings.secret("postgres"),
    )


def _mlflow(settings: Settings) -> Service:
    port = settings.ports["mlflow"]
    return Service(
        name="mlflow",
        command=[
            *(sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--workers", "2"),
            *("--host", HOST, "--port", str(port), "--allowed-hosts", f"{HOST}:{port},localhost:{port}"),
            *("--artifacts-destination", str(settings.folder / "artifacts")),
        ],
        environment={
            **_plain_environment(),
            "MLFLOW_BACKEND_STORE_URI": database_url("mlflow", settings.ports["postgres"]),
            "PGPASSFILE": settings.environment()["PGPASSFILE"],
            "MLFLOW_AUTH_CONFIG_PATH": str(settings.folder / "auth.ini"),
            "MLFLOW_AUTH_ADMIN_USERNAME": MLFLOW_USER,
            "MLFLOW_AUTH_ADMIN_PASSWORD": settings.secret(MLFLOW_PASSWORD),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": settings.secret("mlflow_sessions"),
            **POOL,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        },
        ready=lambda _: _answers(f"{settings.mlflow}/health"),
        needs="postgres",
    )


def _ray_head(settings: Settings) -> Service:
    token = settings.secret(RAY_TOKEN)
    options = [f"--port={settings.ports['ray']}", f"--ray-client-server-port={settings.ports['ray_client']}"]
    options += [f"--node-ip-address={HOST}", "--num-cpus=0", "--num-gpus=0"]
    options += [f"--dashboard-host={HOST}", f"--dashboard-port={settings.ports['dashboard']}"]

    def ready(log: Path) -> bool:
        return _answers(f"{settings.dashboard}/api/version", token)

    head = _ray(settings, "ray-head", "--head", *options)
    return replace(head, ready=ready, environment={**head.environment, _ONE_MACHINE: "0"})


def _ray_node(settings: Settings, *, name: str, gpus: tuple[str, ...]) -> Service:
    cpus = max(1, (os.cpu_count() or 1) // 2)
    head = f"--address={_LOOPBACK}:{settings.ports['ray']}"
    return replace(_ray(settings, name, head, f"--num-cpus={cpus}", *gpus), needs="ray-head")


def _ray(settings: Settings, name: str, *options: str) -> Service:
    """One node.

    What its jobs find in their environment too: where the servers are, and a home that the nodes share.
    """
    # Nodes that shared one would delete each other's copies of a job's working directory.
    temporary = ray_folder(settings.folder) / name
    return Service(
        name=name,
        command=[
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"),
            f"--temp-dir={temporary}",
            # Any free ones: the usual ranges are those of one node on a machine.
            *("--min-worker-port=0", "--max-worker-port=0", "--dashboard-agent-listen-port=0"),
            f"--object-store-memory={_OBJECT_STORE_BYTES}",
            *options,
        ],
        environment={
            **_plain_environment(),
            **settings.environment(),
            "MLFLOW_TRACKING_PASSWORD": settings.secret(MLFLOW_PASSWORD),
            "RESABLATE_HOME": str(settings.folder / "home"),
            "RAY_TMPDIR": str(temporary),
            "RAY_JOB_STOP_WAIT_TIME_S": "30",
            # Pages of counters, which ask for no token.
            "RAY_enable_metrics_collection": "0",
            **dict.fromkeys(("AUTOSCALER_METRIC_PORT", "DASHBOARD_METRIC_PORT"), "-1"),
        },
        ready=lambda log: "Ray runtime started" in log.read_text(encoding="utf-8", errors="replace"),
        stop_signal=signal.SIGINT,  # after a SIGTERM the head stays for half a minute
    )


SERVICES: Mapping[str, Callable[[Settings], Service]] = {
    "postgres": _postgres,
    "mlflow": _mlflow,
    "ray-head": _ray_head,
    "ray-node-1": partial(_ray_node, name="ray-node-1", gpus=()),
    "ray-node-2": partial(_ray_node, name="ray-node-2", gpus=("--num-gpus=0",)),  # a GPU belongs to one node
}


def _plain_environment() -> dict[str, str]:
    """The caller's, with the programs of this Python first and nothing of other clusters."""
    kept = {name: value for name, value in os.environ.items() if name == _KEPT or not name.startswith(_FOREIGN)}
    return kept | {"PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])}


def _answers(url: str, token: str = "") -> bool:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as answer:
        return answer.status == HTTPStatus.OK


def _summary(settings: Settings) -> str:
    secret = settings.folder / "secrets"
    return f"""
Ray dashboard  {settings.dashboard}  (token: {secret / RAY_TOKEN})
MLflow         {settings.mlflow}  (user {MLFLOW_USER}, password: {secret / MLFLOW_PASSWORD})
PostgreSQL     {HOST}:{settings.ports["postgres"]}  (studies: optuna, password: {secret / "pgpass"})

Try it:
  . {settings.folder / "env"}
  ray job submit --working-dir . -- python -m resablate sweep sweeps/quickstart.yaml
  resablate submit sweeps/quickstart.yaml --address {settings.dashboard}
"""
