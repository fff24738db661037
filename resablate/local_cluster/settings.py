"""What the cluster keeps in its folder: secrets, ports, and how to reach it."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import socket
from collections.abc import Collection
from pathlib import Path
from typing import final

from resablate.errors import ResourceError
from resablate.local_cluster.postgres import ROLE, database_url
from resablate.plain_json import read_json
from resablate.storage.regular_files import read_regular

HOST = "127.0.0.1"
PORTS = {"postgres": 5432, "mlflow": 5000, "ray": 6379, "ray_client": 10001, "dashboard": 8265}
"""Where they listen if nobody else does."""
MLFLOW_USER = "admin"
RAY_TOKEN, MLFLOW_PASSWORD = "ray_token", "mlflow_password"
SECRETS_FOLDER = "secrets"
MADE_SECRETS = (MLFLOW_PASSWORD, "mlflow_sessions", "postgres", "postgres_owner", RAY_TOKEN)
"""Its files that are made once; others in it are written anew at every start."""
DEFAULT_FOLDER = Path(".cluster")
"""Of the cluster that `make cluster` starts, in the current folder."""
FOLDERS = ("processes", "artifacts", "home", SECRETS_FOLDER)
FILES = (AUTH_FILE, ENV_FILE, PORTS_FILE, IGNORE_FILE) = ("auth.ini", "env", "ports.json", ".gitignore")
SECRET_REMEDY = "put back the secret that was there, or remove all: make cluster-clean"
_LAST_PORT = 2**16 - 1
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
            (folder / name).mkdir(mode=0o700 if name == SECRETS_FOLDER else 0o755, parents=True, exist_ok=True)
        self._write(folder / IGNORE_FILE, "*\n")  # neither git nor a job takes the secrets along
        self.ports = self._choose_ports(kept)
        self.mlflow = f"http://{HOST}:{self.ports['mlflow']}"
        self.dashboard = f"http://{HOST}:{self.ports['dashboard']}"
        self._write(folder / SECRETS_FOLDER / "pgpass", f"{HOST}:*:*:{ROLE}:{self.secret('postgres')}\n")
        auth = _AUTH.format(user=MLFLOW_USER, database=database_url("mlflow", self.ports["postgres"]))
        self._write(folder / AUTH_FILE, auth)
        self._write(folder / ENV_FILE, self._environment_file())

    def secret(self, name: str) -> str:
        """A secret, made where there is none; the file can be read by its owner alone."""
        file = self.folder / SECRETS_FOLDER / name
        if not os.path.lexists(file):
            self._write(file, secrets.token_hex(32))
        if problem := secret_problem(file):
            raise ResourceError(f"{file}: {problem}; {SECRET_REMEDY}")
        return read_regular(file).decode().strip()

    def environment(self) -> dict[str, str]:
        """What tells a sweep where everything is, but for MLflow's password."""
        return {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.folder / SECRETS_FOLDER / RAY_TOKEN),
            "RAY_API_SERVER_ADDRESS": self.dashboard,
            "MLFLOW_TRACKING_URI": self.mlflow,
            "MLFLOW_TRACKING_USERNAME": MLFLOW_USER,
            "RESABLATE_STUDY_STORAGE": database_url("optuna", self.ports["postgres"]),
            "PGPASSFILE": str(self.folder / SECRETS_FOLDER / "pgpass"),
        }

    def _environment_file(self) -> str:
        self.secret(RAY_TOKEN)
        self.secret(MLFLOW_PASSWORD)
        password = shlex.quote(str(self.folder / SECRETS_FOLDER / MLFLOW_PASSWORD))
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
        try:
            partial.unlink(missing_ok=True)
            partial.touch(mode=0o600)
            partial.write_text(text, encoding="utf-8")
            partial.replace(file)
        except OSError as error:
            raise ResourceError(
                f"{file}: cannot be written ({error.strerror}); move away what is in its place, or make room"
            ) from None


def read_ports(folder: Path) -> dict[str, int] | None:
    """The ports of the cluster in this folder; None where they were never noted, or the note is damaged."""
    try:
        found = read_json(read_regular(folder / PORTS_FILE))
        ports = {name: found[name] for name in PORTS}
    except (OSError, ValueError, TypeError, KeyError):
        return None
    are_ports = all(type(port) is int and 0 < port <= _LAST_PORT for port in ports.values())
    return ports if are_ports and len(set(ports.values())) == len(ports) else None


def secret_problem(file: Path) -> str:
    """Why a file holds no secret that can be used, in a few words; empty where it does."""
    try:
        found = read_regular(file).decode().strip()
    except UnicodeDecodeError:
        return "is no text"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not found:
        return "is empty"
    return "" if found.isascii() and found.isprintable() else "must be one line of printable ASCII characters"


def _free(port: int) -> int | None:
    """The port if nobody listens there, any free one for 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return None
        return int(probe.getsockname()[1])
