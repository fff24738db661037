"""A folder of records that was moved or copied, an experiment that was renamed, files that are gone."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from resablate.errors import TrackingError
from resablate.result import TrialResult, weights_file
from resablate.sweep import parse_sweep
from resablate.tracking import MlflowTracker
from tests.factories import make_result
from tests.tracking.databases import make_database

# MLflow 3.17 uses what SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")
SWEEP = parse_sweep({"name": "seeds", "axes": {"seed": [0, 1, 2]}})
TRIALS = [SWEEP.trial(point) for point in SWEEP.points()]


def keep(folder: Path, *results: TrialResult) -> MlflowTracker:
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    tracker = MlflowTracker(uri)
    tracker.start_sweep(SWEEP, trials=TRIALS, command="")
    (folder / "w").write_text("weights")
    for result in results:
        tracker.start_trial(result.spec)
        tracker.finish_trial(result, weights={weights_file(None): folder / "w"}, figures={})
    tracker.end_sweep("finished")
    return tracker


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a").mkdir()
    make_database(tmp_path / "a")
    keep(tmp_path / "a", make_result(seed=0), make_result(seed=1))
    return tmp_path / "a"


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_moved_folder_is_found_relative_to_its_database(
    how: str, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    there = tmp_path / "b c"
    if how == "moved":
        folder.rename(there)
    else:
        shutil.copytree(folder, there)
    before = sorted(path for path in folder.rglob("*")) if how == "copied" else []
    tracker = MlflowTracker(f"sqlite:///{there / 'mlflow.db'}")
    assert len(tracker.load_sweep("seeds").results) == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"{there / 'mlflow.db'}: was moved or copied with its files; they are found beside it now"
    ]
    caplog.clear()
    tracker = keep(there, make_result(seed=2))
    assert not caplog.records, "once"
    record = tracker.load_sweep("seeds")
    assert [result.spec.seed for result in record.results] == [0, 1, 2]
    for run_id in record.run_ids.values():
        assert tracker.load_weights_file(run_id, tmp_path).read_text() == "weights"
        assert (
            str(there.name).replace(" ", "%20")
            in MlflowClient(f"sqlite:///{there / 'mlflow.db'}").get_run(run_id).info.artifact_uri
        )
    if how == "copied":
        assert sorted(path for path in folder.rglob("*")) == before
        assert len(MlflowTracker(f"sqlite:///{folder / 'mlflow.db'}").load_sweep("seeds").results) == 2
    else:
        assert not folder.exists(), "nothing is written to where it was"


def test_a_database_without_its_files_is_refused_with_the_remedy(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    shutil.copy(folder / "mlflow.db", tmp_path / "b")
    (tmp_path / "b" / "mlartifacts" / "seeds" / ("0" * 32)).mkdir(parents=True)
    tracker = MlflowTracker(f"sqlite:///{tmp_path / 'b' / 'mlflow.db'}")
    with pytest.raises(TrackingError, match=r"keeps its files in .*/a/mlartifacts/seeds, .* Move it back, give the"):
        tracker.start_sweep(SWEEP, trials=TRIALS, command="")


def test_files_that_are_elsewhere_on_purpose_stay_there(tmp_path: Path) -> None:
    uri = make_database(tmp_path)
    client = MlflowClient(tracking_uri=uri)
    (tmp_path / "mlartifacts" / "far").mkdir(parents=True)
    places = {"s3": "s3://bucket/mlartifacts/far", "far": "file:///elsewhere/mlartifacts/far", "odd": "file:///data/x"}
    for name, place in places.items():
        client.create_experiment(name, artifact_location=place)
    MlflowTracker(uri).keeping().sweeps()
    found = {experiment.name: experiment.artifact_location for experiment in client.search_experiments()}
    assert places.items() <= found.items()


def test_tables_that_are_not_there_are_no_traceback(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    from resablate.tracking.mlflow_moved import follow_moved_folder

    with closing(sqlite3.connect(folder / "other.db")) as connection:
        connection.execute("CREATE TABLE experiments (id)")
    follow_moved_folder(folder / "other.db")
    assert "whether its folder was moved cannot be told (no such column" in caplog.text


def test_a_renamed_experiment_keeps_its_results(folder: Path) -> None:
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("seeds")
    assert experiment
    client.rename_experiment(experiment.experiment_id, "my favorite")
    tracker = MlflowTracker(uri)
    assert [result.spec.seed for result in tracker.load_sweep("seeds").results] == [0, 1]
    assert len(tracker.states("seeds")) == 2
    again = keep(folder, make_result(seed=2))
    assert [result.spec.seed for result in again.load_sweep("seeds").results] == [0, 1, 2]


def test_a_run_or_a_file_that_is_gone_is_trained_again(folder: Path) -> None:
    tracker = MlflowTracker(f"sqlite:///{folder / 'mlflow.db'}")
    gone, damaged = (tracker.complete_keys()[make_result(seed=seed).key] for seed in (0, 1))
    MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}").delete_run(gone)
    for file in folder.glob(f"mlartifacts/seeds/{damaged}/artifacts/result.json"):
        file.unlink()
    runs = tracker.complete_keys()
    assert runs.keys() == {make_result(seed=1).key}
    (why,) = tracker.check_results(runs).values()
    assert why == f"result.json of run {damaged}: it is missing"
    assert tracker.load_sweep("seeds").results == []
    assert len(tracker.load_sweep("seeds").missing) == 3
