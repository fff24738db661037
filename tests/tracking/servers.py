"""A real MLflow server over HTTP, to be killed and brought back."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

START_SECONDS = 120


class MlflowServer:
    """`mlflow server` on a free port, with a database and artifacts in `folder`; runs inside a `with`.

    Args:
        folder: made where it is not there.
        password: of the user `admin`, who alone may use it; anybody where empty.
        artifacts: where they go; to `folder` where empty.
        environment: more variables of the server.
        database: SQLAlchemy's address of its store; a sqlite file in `folder` where empty.
    """

    def __init__(
        self,
        folder: Path,
        *,
        password: str = "",
        artifacts: str = "",
        environment: Mapping[str, str] | None = None,
        database: str = "",
    ) -> None:
        self._folder = folder
        self._password = password
        self._artifacts = artifacts or str(folder / "artifacts")
        self._environment = dict(environment or {})
        self._database = database or f"sqlite:///{folder / 'mlflow.db'}"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, and return when it answers."""
        self._folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", self._database, "--workers", "1"]
        command += ["--artifacts-destination", self._artifacts]
        more = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"} | self._environment
        if self._password:
            command += ["--app-name", "basic-auth"]
            more |= {"MLFLOW_AUTH_CONFIG_PATH": str(self._auth_file()), "MLFLOW_FLASK_SERVER_SECRET_KEY": "of a test"}
        with (self._folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                command, env=os.environ | more, cwd=self._folder, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=5):
                    return
            except OSError:
                time.sleep(0.2)
        raise AssertionError(f"the server did not start: {(self._folder / 'log').read_text()[-2000:]}")

    def _auth_file(self) -> Path:
        file = self._folder / "auth.ini"
        lines = ["[mlflow]", "default_permission = READ", f"database_uri = sqlite:///{self._folder / 'auth.db'}"]
        lines += ["admin_username = admin", f"admin_password = {self._password}"]
        lines += ["authorization_function = mlflow.server.auth:authenticate_request_basic_auth"]
        file.write_text("\n".join(lines))
        return file

    def processes(self) -> list[int]:
        """The server and its workers."""
        found: list[int] = []
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if self._process is not None and os.getpgid(int(place.name)) == self._process.pid:
                    found.append(int(place.name))
        return found

    def kill(self) -> None:
        """SIGKILL for it and its workers, if it runs."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
