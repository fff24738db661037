"""What the local cluster needs, keeps and says, without Ray; tests/e2e/test_cluster.py starts all of it."""

import importlib.util
import os
import re
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from resablate.errors import ResourceError
from resablate.local_cluster import LocalCluster, postgres
from resablate.local_cluster.__main__ import main
from resablate.local_cluster.cluster import SERVICES
from resablate.local_cluster.service import runs, start, stop
from resablate.local_cluster.settings import Settings

ROOT = Path(__file__).parents[2]
try:
    postgres.find_programs()
    HAS_POSTGRES = True
except ResourceError:
    HAS_POSTGRES = False


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not pytest's: where the caller is root, PostgreSQL runs as another user, who has to get there."""
    with tempfile.TemporaryDirectory(prefix="resablate-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_make_runs_these_commands() -> None:
    # The tests may be run by a make themselves, which would have its say here.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    for target, verb in (("cluster", "up"), ("cluster-down", "down"), ("cluster-clean", "clean")):
        command = ["make", "--no-print-directory", "-n", target, "CLUSTER=/somewhere"]
        told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        assert told.stdout.rstrip().endswith(f"-m resablate.local_cluster {verb} --folder /somewhere")


def test_secrets_are_made_once_and_for_their_owner(folder: Path) -> None:
    first = Settings(folder, kept=[])
    assert oct((folder / "secrets").stat().st_mode & 0o777) == "0o700"
    for file in (*(folder / "secrets").iterdir(), folder / "env", folder / "auth.ini"):
        assert oct(file.stat().st_mode & 0o777) == "0o600"
    secret = first.secret("ray_token")
    assert len(secret) == 64
    assert Settings(folder, kept=[]).secret("ray_token") == secret
    assert secret not in (folder / "env").read_text()
    told = subprocess.run(
        ["bash", "-c", '. "$0"; echo "$MLFLOW_TRACKING_PASSWORD"', folder / "env"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == first.secret("mlflow_password")


def test_a_port_that_somebody_has_is_not_taken_and_one_s_own_is_kept(folder: Path) -> None:
    chosen = Settings(folder, kept=[]).ports
    assert len(set(chosen.values())) == len(chosen)
    with socket.create_server(("127.0.0.1", chosen["mlflow"])):
        assert Settings(folder, kept=chosen).ports == chosen
        moved = Settings(folder, kept=[]).ports
        assert moved["mlflow"] != chosen["mlflow"]
    assert Settings(folder, kept=[]).ports["mlflow"] == moved["mlflow"]


@pytest.mark.skipif(not HAS_POSTGRES, reason="no PostgreSQL here")
def test_postgres_wants_a_password_keeps_its_data_and_gives_its_role_two_databases(folder: Path) -> None:
    settings = Settings(folder, kept=[])
    processes = folder / "processes"
    port, password = settings.ports["postgres"], settings.secret("postgres")
    asked = {"host": "127.0.0.1", "port": port, "user": "resablate"}
    try:
        start(SERVICES["postgres"](settings), processes)
        for wrong in ("", "wrong"):
            with pytest.raises(psycopg.OperationalError, match=r"password|fe_sendauth"):
                psycopg.connect(**asked, dbname="optuna", password=wrong, passfile="/dev/null")
        with psycopg.connect(**asked, dbname="optuna", password=password) as connection:
            connection.execute("CREATE TABLE kept (number integer)")
            (is_superuser,) = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = 'resablate'").fetchone()
            assert not is_superuser
        assert stop("postgres", processes)
        assert not runs("postgres", processes)
        start(SERVICES["postgres"](settings), processes)
        with psycopg.connect(**asked, dbname="optuna", passfile=str(folder / "secrets" / "pgpass")) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    finally:
        stop("postgres", processes)
    assert password not in (processes / "postgres.log").read_text()


def test_without_postgres_the_message_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(postgres, "_DEBIAN", folder)
    with pytest.raises(SystemExit, match="2"):
        main(["up", "--folder", str(folder / "new")])
    said = capsys.readouterr().err
    assert re.search(r"PostgreSQL is not on this machine .*apt-get install postgresql.*PATH", said)
    assert not (folder / "new").exists()
    main(["down", "--folder", str(folder / "new")])
    assert "no cluster was started here" in capsys.readouterr().out


@pytest.mark.skipif(not HAS_POSTGRES, reason="no PostgreSQL here")
def test_without_the_extra_the_message_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "flask_wtf" else find(name))
    with pytest.raises(ResourceError, match=r"not installed: mlflow\[auth\]; .*resablate\[cluster\]"):
        LocalCluster(folder / "new").up()


def test_a_folder_of_root_s_that_postgres_cannot_enter_is_named(folder: Path) -> None:
    if os.geteuid() or not HAS_POSTGRES:
        pytest.skip("only root has PostgreSQL run as another user")
    folder.chmod(0o700)
    with pytest.raises(ResourceError, match=r"initdb failed as user \w+, because PostgreSQL refuses to run as root"):
        SERVICES["postgres"](Settings(folder / "inside", kept=[]))


def test_clean_removes_what_the_cluster_kept_and_nothing_else(folder: Path) -> None:
    Settings(folder, kept=[])
    (folder / "mine").write_text("kept")
    main(["clean", "--folder", str(folder)])
    assert [file.name for file in folder.iterdir()] == ["mine"]
    main(["clean", "--folder", str(folder)])
    assert [file.name for file in folder.iterdir()] == ["mine"]


@pytest.mark.parametrize("content", ["", '{"postgres": 5432', "[]", '{"postgres": "x"}'])
def test_ports_that_are_cut_off_are_chosen_anew(folder: Path, content: str) -> None:
    before = Settings(folder, kept=[])
    (folder / "ports.json").write_text(content)
    assert set(Settings(folder, kept=[]).ports) == set(before.ports)


def test_a_secret_that_is_cut_off_is_told(folder: Path) -> None:
    settings = Settings(folder, kept=[])
    (folder / "secrets" / "ray_token").write_text("")
    with pytest.raises(ResourceError, match="ray_token: is empty; put back the secret"):
        settings.secret("ray_token")
