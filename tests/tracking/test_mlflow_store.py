import logging
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, create_engine, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, declarative_base
from sqlalchemy.pool import Pool

from resablate.errors import TrackingError
from resablate.sweep import parse_sweep
from resablate.tracking import MlflowTracker, open_tracker
from resablate.tracking.mlflow_errors import tracking_error
from resablate.tracking.mlflow_store import MlflowStore
from tests.tracking.databases import make_database

# MLflow 3.17 uses what SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RESABLATE_HOME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


def test_reading_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tracker = open_tracker()
    assert tracker.complete_keys() == {}
    with pytest.raises(TrackingError, match=f"sqlite:///{tmp_path}/mlflow.db: no sweep 'seeds', there is no database"):
        tracker.load_sweep("seeds")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.symlink_to("/nowhere/mlflow.db"), r"a link to /nowhere/mlflow\.db, where nothing is"),
        (lambda path: path.symlink_to("gone.db"), r"a link to gone\.db, where nothing is"),
        (lambda path: path.symlink_to(path.name), r"a link to mlflow\.db, where nothing is"),
        (os.mkfifo, "neither a file nor a folder, such as a named pipe"),
    ],
    ids=["a folder that is away", "a file that is gone", "itself", "a named pipe"],
)
def test_what_is_no_database_is_told_at_once(make: Callable[[Path], object], told: str, tmp_path: Path) -> None:
    """MLflow and sqlite wait without a word, or begin an empty one where a disk is not mounted."""
    make(tmp_path / "mlflow.db")
    with pytest.raises(TrackingError, match=rf"^sqlite:///{tmp_path}/mlflow\.db: .*{told}.*Set MLFLOW_TRACKING_URI"):
        open_tracker(f"sqlite:///{tmp_path}/mlflow.db")
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def test_a_link_to_a_database_leads_to_it(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    make_database(tmp_path / "disk")
    (tmp_path / "mlflow.db").symlink_to("disk/mlflow.db")
    assert open_tracker(f"sqlite:///{tmp_path}/mlflow.db").complete_keys() == {}


def test_an_unreachable_server_is_found_out_quickly() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    begin = time.monotonic()
    with pytest.raises(TrackingError, match=r"no MLflow server answers .*refused.*Set MLFLOW_TRACKING_URI") as caught:
        open_tracker(f"http://me:secret@127.0.0.1:{port}")
    assert time.monotonic() - begin < 3
    assert str(caught.value).startswith(f"http://127.0.0.1:{port}: ")
    assert "secret" not in str(caught.value)


def test_a_database_that_fails_is_told_without_a_traceback(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tracker = open_tracker(make_database(tmp_path))
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        connection.execute("DROP TABLE experiment_tags")
    # MLflow's loggers pass nothing on to those of others.
    logging.getLogger("mlflow.store.db.utils").addHandler(caplog.handler)
    with pytest.raises(TrackingError, match="no such table: experiment_tags") as caught:
        tracker.load_sweep("seeds")
    logging.getLogger("mlflow.store.db.utils").removeHandler(caplog.handler)
    assert caplog.text == ""
    assert "SELECT" not in str(caught.value)


@pytest.mark.parametrize(
    "uri", ["mlruns", "file:///runs", "postgresql://u:p@host/db", "sqlite://", "sqlite:///:memory:"]
)
def test_other_stores_are_refused(uri: str) -> None:
    with pytest.raises(TrackingError, match=r"records are kept by an MLflow server .*Set MLFLOW_TRACKING_URI"):
        open_tracker(uri)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match=r"the folder .*absent does not exist"):
        open_tracker(f"sqlite:///{tmp_path}/absent/mlflow.db")


def test_a_database_that_cannot_be_made_is_a_tracking_error(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db.lock").mkdir()
    with pytest.raises(TrackingError, match=r"opening the store failed: .*mlflow\.db\.lock"):
        MlflowStore(f"sqlite:///{tmp_path}/mlflow.db").client()


WRITE_ADVICE = "give this user the right to write the file and its folder, or name another --tracking-uri"


def test_a_word_of_sqlalchemy_to_programmers_is_left_out() -> None:
    """A real one: an object that waits to be written, and a query before which it is."""
    table = type("Row", (declarative_base(),), {"__tablename__": "rows", "number": Column(Integer, primary_key=True)})
    engine = create_engine("sqlite://")
    table.metadata.create_all(engine)
    with Session(engine) as session:
        session.execute(text("PRAGMA query_only = ON"))
        session.add(table(number=1))
        with pytest.raises(OperationalError, match=r"raised as a result of Query-invoked autoflush") as raised:
            session.query(table).all()
    engine.dispose()
    said = str(tracking_error(raised.value, doing="filing", uri="sqlite:///x.db"))
    told = "sqlite:///x.db: filing failed: (sqlite3.OperationalError) attempt to write a readonly database"
    assert said == f"{told}; {WRITE_ADVICE}"


@pytest.mark.slow
def test_a_database_that_may_not_be_written_is_told_with_what_to_do(tmp_path: Path) -> None:
    """As sqlite says it of a file that this user may not write; root may write any, so a pragma takes its place."""
    uri = make_database(tmp_path)
    sweep = parse_sweep({"name": "seeds", "axes": {"seed": [0]}})

    def refuse(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA query_only = ON")

    tracker = open_tracker(uri)
    tracker.start_sweep(sweep, trials=[], command="")
    tracker.end_sweep("finished")
    event.listen(Pool, "checkout", refuse)
    try:
        with pytest.raises(TrackingError) as refused:
            open_tracker(uri).start_sweep(sweep, trials=[], command="")
    finally:
        event.remove(Pool, "checkout", refuse)
    assert re.fullmatch(
        rf"{re.escape(uri)}: starting sweep 'seeds' failed: \(sqlite3.OperationalError\) attempt to write a readonly"
        f" database; {WRITE_ADVICE}",
        str(refused.value),
    )


WRITER = """
import sys
import mlflow
from resablate.result import TrialResult
from resablate.sweep import parse_sweep
from resablate.tracking import open_tracker

uri, name = sys.argv[1:]
sweep = parse_sweep({"name": name, "axes": {"seed": [int(name[1:])]}})
[spec] = [sweep.trial(point) for point in sweep.points()]
print("ready", flush=True)
sys.stdin.readline()
tracker = open_tracker(uri)
tracker.start_sweep(sweep, trials=[spec], command="")
tracker.start_trial(spec)
tracker.finish_trial(TrialResult(spec=spec, status="finished"), weights={}, figures={})
tracker.end_sweep("finished")
"""


@pytest.mark.slow
def test_processes_may_make_one_database_at_once_and_say_nothing(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, uri, f"s{number}"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(8)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        said = writer.communicate(timeout=120)
        assert (writer.returncode, *said) == (0, "", "")
    assert len(MlflowTracker(uri).complete_keys()) == 8


def test_mlflow_is_loaded_when_it_is_needed() -> None:
    check = "import sys, resablate.tracking as t; t.open_tracker('memory:'); sys.exit('mlflow' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", check], env=environment, check=False).returncode == 0
