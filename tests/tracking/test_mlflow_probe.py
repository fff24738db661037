"""Servers that answer in their own way, and databases that are somebody else's."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from resablate.errors import TrackerAway, TrackingError
from resablate.searches.study import opened_study
from resablate.sweep import SweepSpec, parse_sweep
from resablate.tracking import open_tracker, tracking_uri
from resablate.tracking.mlflow_probe import why_no_server
from resablate.tracking.mlflow_store import MlflowStore
from tests.tracking.databases import make_database

API = "/api/2.0/mlflow/experiments/search?max_results=1"


@contextmanager
def serving(**codes: int) -> Generator[tuple[int, list[str]]]:
    """A server that answers `health` and `api` with these codes and everything else with 404."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            known = {"/health": codes.get("health", 404), API: codes.get("api", 404)}
            self.send_response(known.get(self.path, 404))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("codes", "found"),
    [
        ({"health": 200}, ""),
        ({"health": 404, "api": 200}, ""),
        ({"health": 503, "api": 200}, ""),
        ({"health": 404, "api": 401}, ""),
        ({"health": 403}, ""),
        ({"health": 404, "api": 404}, "what answers is no working MLflow server (/health: HTTP 404)"),
        ({"health": 503, "api": 503}, "what answers is no working MLflow server (/health: HTTP 503)"),
    ],
)
def test_a_server_that_hands_on_api_alone_is_one(codes: dict[str, int], found: str) -> None:
    with serving(**codes) as (port, _):
        assert why_no_server(f"http://127.0.0.1:{port}/", seconds=5) == found
        if found:
            with pytest.raises(TrackerAway, match="no working MLflow server"):
                open_tracker(f"http://127.0.0.1:{port}")
        else:
            open_tracker(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("login", ["sometoken@", "me:secret@", "me:p@ss@", "dapi%2F01@"])
def test_a_token_and_an_at_sign_in_the_address(login: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", "")
    with serving(health=404, api=401) as (port, asked):
        open_tracker(f"http://{login}127.0.0.1:{port}")
        assert asked == ["/health", API]


def test_tilde_and_variables_in_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One database, not one that is looked at and another that is written."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KEPT", "records")
    monkeypatch.setenv("RESABLATE_HOME", "~/home")
    (tmp_path / "records").mkdir()
    for written in ("sqlite:///~/records/mlflow.db", f"sqlite:///{tmp_path}/$KEPT/mlflow.db"):
        assert tracking_uri(written) == f"sqlite:///{tmp_path}/records/mlflow.db"
    assert tracking_uri("sqlite:///~/a.db?timeout=5") == f"sqlite:///{tmp_path}/a.db?timeout=5"
    assert tracking_uri("folder:~/${KEPT}") == f"folder:{tmp_path}/records"
    assert tracking_uri("folder:away") == f"folder:{tmp_path}/home/away"
    assert tracking_uri() == f"sqlite:///{tmp_path}/home/mlflow.db"
    shutil.copy(make_database(tmp_path).removeprefix("sqlite:///"), tmp_path / "records")
    assert open_tracker("sqlite:///~/records/mlflow.db").keeping().sweeps() == []
    assert not list(tmp_path.rglob("~*"))


# One database for both


def search() -> SweepSpec:
    return parse_sweep(
        {
            "name": "search",
            "axes": {"learning_rate": {"low": 0.01, "high": 0.1}},
            "search": {"method": "tpe", "trials": 1, "minimize": "val_loss"},
        }
    )


def tables(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_a_study_is_not_put_among_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Optuna's schema number takes the place of MLflow's, and the records can never be opened again."""
    uri = make_database(tmp_path)
    before = tables(tmp_path / "mlflow.db")
    monkeypatch.setenv("RESABLATE_STUDY_STORAGE", uri)
    with pytest.raises(TrackingError, match=r"holds MLflow's records, .* set .RESABLATE_STUDY_STORAGE"):
        with opened_study(search()):
            pass
    assert tables(tmp_path / "mlflow.db") == before
    MlflowStore(uri).client()


def test_records_are_not_put_among_studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESABLATE_STUDY_STORAGE", "sqlite:///both.db")
    with opened_study(search()):
        pass
    before = tables(tmp_path / "both.db")
    with pytest.raises(TrackingError, match="holds the studies of searches, and MLflow's records in the same database"):
        open_tracker("sqlite:///both.db")
    assert tables(tmp_path / "both.db") == before
    with opened_study(search()) as study:
        assert study.study_name == "search"


def test_databases_of_other_versions_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESABLATE_STUDY_STORAGE", "sqlite:///study.db")
    with opened_study(search()):
        pass
    for file, statement in (
        (tmp_path / "study.db", "UPDATE version_info SET schema_version = 99"),
        (tmp_path / "study.db", "UPDATE alembic_version SET version_num = 'v99.0.0.a'"),
    ):
        with closing(sqlite3.connect(file)) as connection:
            connection.execute(statement)
            connection.commit()
    with pytest.raises(TrackingError, match="the study of sweep 'search' cannot be used") as caught:
        with opened_study(search()):
            pass
    assert len(str(caught.value).splitlines()) == 1

    make_database(tmp_path)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        connection.commit()
    with pytest.raises(TrackingError) as caught:
        MlflowStore(f"sqlite:///{tmp_path / 'mlflow.db'}").client()
    assert "mlflow.db" in str(caught.value)
