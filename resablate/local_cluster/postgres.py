"""PostgreSQL of one's own: a data folder, a password, one address on the loopback, no socket."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from resablate.errors import ResourceError
from resablate.local_cluster.service import Service

ROLE = "resablate"
"""May use its two databases, and nothing else."""
DATABASES = ("mlflow", "optuna")
_CONNECTIONS = 250
"""Two workers of the MLflow server have two pools of fifty each; the rest is for studies."""
_DEBIAN = Path("/usr/lib/postgresql")
_OWNER = "postgres"


def find_programs() -> tuple[Path, Path]:
    """`initdb` and `postgres`, from PATH or Debian's folder for them.

    Raises:
        ResourceError: if they are not on this machine.
    """
    on_path = shutil.which("initdb")
    versions = sorted(_DEBIAN.glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True)
    folders = ([Path(on_path).resolve().parent] if on_path else []) + versions
    for folder in folders:
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder / "initdb", folder / "postgres"
    raise ResourceError(
        f"PostgreSQL is not on this machine (no initdb on PATH or in {_DEBIAN}/VERSION/bin);"
        " install it (Debian, Ubuntu: apt-get install postgresql), or put the folder of its programs on PATH"
    )


def database_url(database: str, port: int) -> str:
    """SQLAlchemy's; the password is in the file that $PGPASSFILE names."""
    return f"postgresql+psycopg://{ROLE}@127.0.0.1:{port}/{database}"


def postgres_service(
    folder: Path, *, port: int, environment: Mapping[str, str], owner_password: str, password: str
) -> Service:
    """The server of the data in `folder`, which are made where there are none.

    Args:
        folder: of the data.
        port: on the loopback.
        environment: of the server.
        owner_password: of the role that makes the databases.
        password: of the role that uses them.

    Raises:
        ResourceError: if PostgreSQL is not on this machine, or its data cannot be made.
    """
    initdb, postgres = find_programs()
    user = _user()
    if not (folder / "data" / "PG_VERSION").exists():
        _make_data(folder, initdb=initdb, environment=environment, owner_password=owner_password, user=user)

    def ready(log: Path) -> bool:
        _make_databases(port=port, owner_password=owner_password, password=password)
        return True

    return Service(
        name="postgres",
        command=[
            *(str(postgres), "-D", str(folder / "data"), "-p", str(port)),
            *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
            *("-c", f"max_connections={_CONNECTIONS}"),
        ],
        environment=environment,
        ready=ready,
        stop_signal=signal.SIGINT,  # its fast shutdown: clients are sent away, nothing is lost
        user=user,
    )


def _make_data(
    folder: Path, *, initdb: Path, environment: Mapping[str, str], owner_password: str, user: tuple[int, int] | None
) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # what was left half made
    folder.mkdir(mode=0o700)
    password_file = folder / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(owner_password, encoding="utf-8")
    if user:
        os.chown(folder, *user)
        os.chown(password_file, *user)
    done = subprocess.run(
        [
            *(str(initdb), "-D", str(folder / "data"), "-U", _OWNER, f"--pwfile={password_file}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
        ],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        user=user[0] if user else None,
        group=user[1] if user else None,
        extra_groups=[] if user else None,
    )
    password_file.unlink()
    if done.returncode:
        who = f" as user {pwd.getpwuid(user[0]).pw_name}, because PostgreSQL refuses to run as root" if user else ""
        raise ResourceError(f"{folder}: initdb failed{who}: {' '.join(done.stderr.split())}")


def _make_databases(*, port: int, owner_password: str, password: str) -> None:
    import psycopg
    from psycopg import sql

    try:
        connected = psycopg.connect(
            host="127.0.0.1", port=port, user=_OWNER, password=owner_password, dbname="postgres", autocommit=True
        )
    except psycopg.OperationalError as error:
        raise ConnectionError(str(error)) from error
    with connected as connection:
        role = sql.Identifier(ROLE)
        if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [ROLE]).rowcount:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
        # Not the password itself, which would be in the server's log if the statement failed.
        verifier = connection.pgconn.encrypt_password(password.encode(), ROLE.encode(), b"scram-sha-256").decode()
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(verifier)))
        for name in DATABASES:
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount:
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), role))


def _user() -> tuple[int, int] | None:
    """Whom the server runs as where the caller is root, which it refuses."""
    if os.geteuid():
        return None
    for name in (_OWNER, "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise ResourceError(f"PostgreSQL refuses to run as root, and this machine has neither user {_OWNER} nor nobody")
