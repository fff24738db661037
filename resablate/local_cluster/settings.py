"""What the cluster keeps in its folder: secrets, ports, and how to reach it."""

from __future__ import annotations

import json
import secrets
import shlex
import socket
from collections.abc import Collection
from pathlib import Path
from typing import final

from resablate.errors import ResourceError
from resablate.local_cluster.postgres import ROLE, database_url
from resablate.plain_json import read_json

HOST = "127.0.0.1"
PORTS = {"postgres": 5432, "mlflow": 5000, "ray": 6379, "ray_client": 10001, "dashboard": 8265}
"""Where they listen if nobody else does."""
MLFLOW_USER = "admin"
RAY_TOKEN, MLFLOW_PASSWORD = "ray_token", "mlflow_password"
DEFAULT_FOLDER = Path(".cluster")
"""Of the cluster that `make cluster` starts, in the current folder."""
FOLDERS = ("processes", "artifacts", "home", "secrets")
FILES = (AUTH_FILE, ENV_FILE, PORTS_FILE, IGNORE_FILE) = ("auth.ini", "env", "ports.json", ".gitignore")
_AUTH = """[mlflow]
default_permission = NO_PERMISSIONS
admin_username = {user}
database_uri = {database}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
# A password is checked in full once a minute, not at every request.
auth_cache_ttl_seconds = 60
"""


@final
class Settings:
    """The files of one cluster.

    Args:
        folder: holds them.
        kept: ports that are not to be chosen anew: who listens there is the cluster itself.
    """

    def __init__(self, folder: Path, *, kept: Collection[str]) -> None:
        self.folder = folder
        for name in FOLDERS:
            (folder / name).mkdir(mode=0o700 if name == "secrets" else 0o755, parents=True, exist_ok=True)
        self._write(folder / IGNORE_FILE, "*\n")  # neither git nor a job takes the secrets along
        self.ports = self._choose_ports(kept)
        self.mlflow = f"http://{HOST}:{self.ports['mlflow']}"
        self.dashboard = f"http://{HOST}:{self.ports['dashboard']}"
        self._write(folder / "secrets" / "pgpass", f"{HOST}:*:*:{ROLE}:{self.secret('postgres')}\n")
        auth = _AUTH.format(user=MLFLOW_USER, database=database_url("mlflow", self.ports["postgres"]))
        self._write(folder / AUTH_FILE, auth)
        self._write(folder / ENV_FILE, self._environment_file())

    def secret(self, name: str) -> str:
        """A secret, made where there is none; the file can be read by its owner alone."""
        file = self.folder / "secrets" / name
        if not file.exists():
            self._write(file, secrets.token_hex(32))
        if not (found := file.read_text(encoding="utf-8").strip()):
            raise ResourceError(
                f"{file}: is empty; put back the secret that was there, or remove all: make cluster-clean"
            )
        return found

    def environment(self) -> dict[str, str]:
        """What tells a sweep where everything is, but for MLflow's password."""
        return {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.folder / "secrets" / RAY_TOKEN),
            "RAY_API_SERVER_ADDRESS": self.dashboard,
            "MLFLOW_TRACKING_URI": self.mlflow,
            "MLFLOW_TRACKING_USERNAME": MLFLOW_USER,
            "RESABLATE_STUDY_STORAGE": database_url("optuna", self.ports["postgres"]),
            "PGPASSFILE": str(self.folder / "secrets" / "pgpass"),
        }

    def _environment_file(self) -> str:
        self.secret(RAY_TOKEN)
        self.secret(MLFLOW_PASSWORD)
        password = shlex.quote(str(self.folder / "secrets" / MLFLOW_PASSWORD))
        lines = [f"export {name}={shlex.quote(value)}" for name, value in self.environment().items()]
        return "\n".join([*lines, f'export MLFLOW_TRACKING_PASSWORD="$(cat {password})"']) + "\n"

    def _choose_ports(self, kept: Collection[str]) -> dict[str, int]:
        before = read_ports(self.folder) or {}
        chosen: dict[str, int] = {}
        for name, usual in PORTS.items():
            if name in kept:
                chosen[name] = before[name]
            else:
                wishes = [port for port in (before.get(name), usual) if port and port not in chosen.values()]
                chosen[name] = next(port for port in (*map(_free, wishes), _free(0)) if port)
        self._write(self.folder / PORTS_FILE, json.dumps(chosen))
        return chosen

    @staticmethod
    def _write(file: Path, text: str) -> None:
        partial = file.with_name(f"{file.name}.partial")  # whoever is killed leaves no half of a secret
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600)
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)


def read_ports(folder: Path) -> dict[str, int] | None:
    """The ports of the cluster in this folder; None where they were never noted, or the note is damaged."""
    try:
        found: dict[str, int] = read_json((folder / PORTS_FILE).read_bytes())
        return {name: int(found[name]) for name in PORTS}
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _free(port: int) -> int | None:
    """The port if nobody listens there, any free one for 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return None
        return int(probe.getsockname()[1])
