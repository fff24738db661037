"""A real PostgreSQL server with a password, on loopback."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clusters import free_ports

START_SECONDS = 60


@dataclass
class Postgres:
    """How to reach it, and how to stop it for a while."""

    port: int
    password: str
    folder: Path
    command: list[str]
    user: str | None
    process: subprocess.Popen[bytes] | None = None

    def url(self, *, password: str | None = None) -> str:
        """SQLAlchemy's address of its database, with its own password or another."""
        return f"postgresql+psycopg://postgres:{password or self.password}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and return when it answers."""
        log = self.folder / "log"
        with log.open("w") as out:
            self.process = subprocess.Popen(self.command, cwd=self.folder, user=self.user, stdout=out, stderr=out)
        deadline = time.monotonic() + START_SECONDS
        while "ready to accept connections" not in log.read_text():
            assert self.process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        """It ends its connections and goes."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)  # a fast shutdown: clients are not waited for
            self.process.wait(30)
            self.process = None


def _binary(name: str) -> str:
    path = os.pathsep.join([os.environ["PATH"], *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")))])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"no PostgreSQL here: {name} is neither on PATH nor in /usr/lib/postgresql")
    return found


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server that is gone at the end; the test is skipped where there is none to start."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    initdb, server = _binary("initdb"), _binary("postgres")
    user = "nobody" if os.geteuid() == 0 else None  # it refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    [port] = free_ports(1)
    data = folder / "data"
    serve = [server, "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", str(folder), "-F"]
    made = Postgres(port, secrets.token_hex(8), folder, serve, user)
    (folder / "password").write_text(made.password)
    if user:
        for path in (folder, folder / "password"):
            os.chown(path, pwd.getpwnam(user).pw_uid, -1)
    command = [initdb, "-D", str(data), "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={folder / 'password'}"]
    subprocess.run([*command, "--no-sync"], cwd=folder, user=user, check=True, capture_output=True)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)
