"""Real servers that refuse the user: one message, what to set, exit code 2, and nothing has changed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.postgres import Postgres, postgres
from tests.scheduling.tiny import BASE
from tests.tracking.servers import MlflowServer

PASSWORD = "right-Horse-7"
TINY = {"name": "tiny", "base": dict(BASE), "analyses": {}}
SEARCH = {
    **TINY,
    "axes": {"learning_rate": {"low": 0.01, "high": 0.1}},
    "search": {"method": "tpe", "trials": 2},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    with MlflowServer(tmp_path_factory.mktemp("mlflow") / "server", password=PASSWORD) as started:
        yield started


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with postgres() as started:
        yield started


def run(*words: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    # No calibration of this machine, which has a note.
    homes = {"RESABLATE_HOME": str(folder), "HOME": str(folder.parent)}
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | homes | more
    command = [sys.executable, "-m", "resablate", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def one_message(done: subprocess.CompletedProcess[str], *, notes: int = 0) -> str:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1 + notes, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    "words",
    [
        "sweep --inline tiny.yaml",
        pytest.param("status tiny", marks=pytest.mark.slow),
        pytest.param("report tiny", marks=pytest.mark.slow),
        pytest.param("analyze tiny", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(
    "login",
    [
        pytest.param({}, marks=pytest.mark.slow),
        {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": "wr0ng-one"},
    ],
)
def test_a_wrong_login_of_mlflow(server: MlflowServer, tmp_path: Path, words: str, login: dict[str, str]) -> None:
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    said = one_message(run(*words.split(), folder=tmp_path, MLFLOW_TRACKING_URI=server.uri, **login))
    assert "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in said
    assert "wr0ng-one" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


@pytest.mark.slow
def test_the_right_login_in_the_environment_or_the_address(server: MlflowServer, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    login = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": PASSWORD}
    done = run("sweep", "--inline", "tiny.yaml", folder=tmp_path, MLFLOW_TRACKING_URI=server.uri, **login)
    assert done.returncode == 0, done.stderr
    address = server.uri.replace("//", f"//admin:{PASSWORD}@")
    done = run("status", "tiny", folder=tmp_path, MLFLOW_TRACKING_URI=address)
    assert done.returncode == 0, done.stderr
    assert "1 finished" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr


def test_a_wrong_password_of_the_studies_database(database: Postgres, tmp_path: Path) -> None:
    (tmp_path / "search.yaml").write_text(yaml.safe_dump(SEARCH))
    address = database.url(password="wr0ng-one")
    done = run("sweep", "--inline", "search.yaml", folder=tmp_path, RESABLATE_STUDY_STORAGE=address)
    said = one_message(done, notes=1)
    assert 'password authentication failed for user "postgres"' in said
    assert "$RESABLATE_STUDY_STORAGE is an SQLAlchemy URL, with a user name and password that" in said
    assert "wr0ng-one" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["search.yaml"]
    # What was wrong is put right, and nothing is in the way.
    done = run("sweep", "--inline", "search.yaml", folder=tmp_path, RESABLATE_STUDY_STORAGE=database.url())
    assert done.returncode == 0, done.stderr
    assert "2 finished" in done.stdout


def test_a_database_is_no_tracking_server(database: Postgres, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    done = run("sweep", "--inline", "tiny.yaml", folder=tmp_path, MLFLOW_TRACKING_URI=database.url())
    said = one_message(done)
    assert "another database is reached through such a server" in said
    assert database.password not in said
