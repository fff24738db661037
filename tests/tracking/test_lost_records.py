"""A database in a file that has lost what it held is said to have, before anything is trained again."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from resablate.tracking import open_tracker
from tests.factories import make_result
from tests.scheduling.test_inline import before_epoch, run_tiny
from tests.scheduling.tiny import tiny_plan
from tests.tracking.databases import make_database
from tests.tracking.records import run, started

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")
Lose = Callable[[Path], None]
EMPTY, NO_RUN = "the file is empty", "it holds no run, though files of runs lie in mlartifacts"


def warning(database: Path, why: str) -> str:
    return (
        f"{database}: {why}, so no trial counts as trained; if it held records, stop now and put back a copy of it,"
        " else all trials are trained again"
    )


def filed(folder: Path) -> Path:
    """A database with a trial and its files."""
    uri = make_database(folder)
    tracker = started(uri)
    run(tracker, make_result(seed=0))
    tracker.end_sweep("finished")
    return folder / "mlflow.db"


def emptied(database: Path) -> None:
    database.write_bytes(b"")


def made_anew(database: Path) -> None:
    make_database(database.parent)


def without_tables(database: Path) -> None:
    database.unlink()
    with closing(sqlite3.connect(database)) as made:
        made.execute("CREATE TABLE other (number INTEGER)")


@pytest.mark.parametrize(("lose", "why"), [(emptied, EMPTY), (made_anew, NO_RUN), (without_tables, NO_RUN)])
def test_records_that_are_lost_are_told(lose: Lose, why: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database = filed(tmp_path)
    lose(database)
    before = database.read_bytes()
    caplog.clear()
    open_tracker(f"sqlite:///{database}")
    assert caplog.messages == [warning(database, why)]
    assert database.read_bytes() == before


def test_what_is_new_or_holds_runs_is_no_loss(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database = filed(tmp_path)
    open_tracker(f"sqlite:///{database}")
    shutil.rmtree(tmp_path / "mlartifacts")
    made_anew(database)
    (tmp_path / "mlartifacts" / "1").mkdir(parents=True)  # a folder without a file
    open_tracker(f"sqlite:///{database}")
    database.unlink()
    open_tracker(f"sqlite:///{database}")
    assert caplog.messages == []


@pytest.mark.parametrize(("lose", "why"), [(emptied, EMPTY), (made_anew, NO_RUN)])
def test_a_sweep_says_it_before_it_trains(
    lose: Lose, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("resablate.figures.draw_all", lambda result: {})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    database, said = tmp_path / "mlflow.db", list[list[str]]()
    lose(database)  # another process wrote it: MLflow makes the tables of a file once in a process
    (tmp_path / "mlartifacts").mkdir()
    (tmp_path / "mlartifacts" / "result.json").touch()
    before_epoch(monkeypatch, lambda trial: said.append(list(caplog.messages)))
    outcome, _ = run_tiny(tiny_plan({"seed": [0]}, analyses={}, epochs=1))
    assert (outcome.counts, outcome.failed) == ({"finished": 1}, False)
    assert said[0].count(warning(database, why)) == 1, "before the first epoch"
