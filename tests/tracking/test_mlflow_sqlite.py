"""MLflow's tables, read past its client, against what its own search tells."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from resablate.component import Component
from resablate.measurement import FailedMeasurement
from resablate.question import Question
from resablate.sweep import parse_sweep
from resablate.tracking import mlflow_trials, open_tracker
from resablate.tracking.mlflow_sqlite import read_trial_rows
from resablate.tracking.mlflow_store import MlflowStore
from resablate.tracking.mlflow_trials import TrialRun, trial_runs
from tests.factories import make_result
from tests.tracking.databases import make_database
from tests.tracking.records import run, started
from tests.tracking.servers import MlflowServer

# MLflow 3.17 uses what SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")

MANY = [FailedMeasurement(question=Question(Component("odd"), epoch), reason="") for epoch in range(900)]


@pytest.fixture(autouse=True)
def _warn_again() -> Iterator[None]:
    mlflow_trials._warn_once.cache_clear()
    yield
    mlflow_trials._warn_once.cache_clear()


def fill(uri: str) -> None:
    """Trials of every kind, among them runs that count nowhere."""
    tracker = started(uri)
    run(tracker, make_result(seed=0))
    run(tracker, make_result(seed=1, status="failed", reason="no more memory"))
    tracker.end_sweep("failed")
    again = started(uri)
    again.start_trial(make_result(seed=1).spec)
    again.end_sweep("interrupted")
    other = parse_sweep({"name": "other", "axes": {"seed": [7]}})
    again.start_sweep(other, trials=[], command="")
    for seed in (7, 8, 9, 10):
        run(again, make_result(seed=seed))
    run(again, make_result(seed=6).with_measurements([], MANY))
    client = MlflowClient(tracking_uri=uri)
    complete = open_tracker(uri).complete_keys()
    client.delete_run(complete[make_result(seed=7).key])
    client.delete_tag(complete[make_result(seed=8).key], "resablate.schema")
    client.delete_tag(complete[make_result(seed=9).key], "resablate.status")
    client.set_tag(complete[make_result(seed=10).key], "resablate.kind", "cat")


def check(found: list[TrialRun]) -> None:
    assert {(run.status, run.run_status, run.epoch, run.reason) for run in found} == {
        ("running", "KILLED", 3, ""),
        ("finished", "FINISHED", 3, ""),
    }
    assert len(found) == 3
    assert {len(run.unmeasured) for run in found} == {0, 900}


@pytest.mark.slow
def test_a_server_tells_the_same_trials_as_its_file(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    make_database(folder)
    with MlflowServer(folder) as server:
        fill(server.uri)
        by_server = list(trial_runs(MlflowStore(server.uri)))
    by_file = list(trial_runs(MlflowStore(f"sqlite:///{folder / 'mlflow.db'}")))
    assert by_file == by_server
    check(by_file)


def test_the_tables_are_those_that_were_checked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Fails with a version of MLflow that has other tables: then resablate is slow, not wrong, until it is mended."""
    store = MlflowStore(make_database(tmp_path))
    list(trial_runs(store))
    assert not caplog.records


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE latest_metrics RENAME COLUMN value TO number",
        "ALTER TABLE runs RENAME COLUMN artifact_uri TO artifacts",
    ],
)
def test_other_tables_are_read_by_a_search(
    change: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = make_database(tmp_path)
    fill(uri)
    store = MlflowStore(uri)
    by_query = list(trial_runs(store))
    changed = tmp_path / "changed.db"
    changed.write_bytes((tmp_path / "mlflow.db").read_bytes())
    with closing(sqlite3.connect(changed)) as connection:
        connection.execute(change)
    # What a later MLflow would do with its own tables, this one cannot: the query alone sees them.
    monkeypatch.setattr(mlflow_trials, "read_trial_rows", lambda _, names: read_trial_rows(changed, names))
    with caplog.at_level(logging.WARNING):
        assert list(trial_runs(store)) == by_query
        assert open_tracker(uri).complete_keys().keys() == {run.key for run in by_query if run.complete}
    [said] = [record.getMessage() for record in caplog.records if record.name == mlflow_trials.__name__]
    assert "the tables of MLflow's database cannot be read directly (no such column" in said
