"""Records of resablate 0.1: they count nowhere, and stand in the way of their own sweep's name alone."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from resablate.errors import TrackingError, UnknownSweep
from resablate.tracking import open_tracker
from tests.factories import make_result
from tests.tracking.databases import make_database
from tests.tracking.records import run, started

# MLflow 3.17 uses what SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")

KEY = make_result(seed=0).key


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return make_database(tmp_path)


def _beside(uri: str) -> str:
    """Where MLflow's own programs keep files that are started in the folder of the database."""
    return str(Path(uri.removeprefix("sqlite:///")).parent / "mlruns")


def file_old_records(uri: str, name: str, *, trials: int = 2) -> str:
    """What 0.1 left: a submission and trials, without a schema. Returns the id of the experiment."""
    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(name)
    place = found.experiment_id if found else client.create_experiment(name, artifact_location=_beside(uri))
    client.create_run(place, tags={"resablate.kind": "sweep", "resablate.sweep": name})
    for _ in range(trials):
        tags = {"resablate.kind": "trial", "resablate.sweep": name, "resablate.key": KEY}
        client.create_run(place, tags={**tags, "resablate.status": "finished"})
    return place


def test_the_name_of_such_a_sweep_is_refused_with_what_to_do(uri: str) -> None:
    place = file_old_records(uri, "seeds")
    wanted = (
        f"mlflow.db: experiment 'seeds' holds 3 runs of resablate 0.1, which this version does not read; give the sweep"
        f" another name, set MLFLOW_TRACKING_URI to another database, or delete the experiment with `mlflow experiments"
        f" delete --experiment-id {place}` and `mlflow gc --experiment-ids {place}`"
    )
    tracker = open_tracker(uri)
    for ask in (
        lambda: started(uri),
        lambda: tracker.load_sweep("seeds"),
        lambda: tracker.submitted("seeds"),
        lambda: list(tracker.iter_results("seeds")),
    ):
        with pytest.raises(TrackingError) as caught:
            ask()
        assert str(caught.value).endswith(wanted)
        assert not isinstance(caught.value, UnknownSweep)
    client = MlflowClient(tracking_uri=uri)
    assert {run.info.status for run in client.search_runs([place])} == {"RUNNING"}, "nothing of it was touched"


def test_they_are_no_trials_of_any_sweep(uri: str) -> None:
    place = file_old_records(uri, "old")
    tracker = started(uri)
    assert tracker.complete_keys() == {}
    assert tracker.states("old") == {}
    run(tracker, make_result(seed=0))
    tracker.end_sweep("finished")
    assert len(open_tracker(uri).load_sweep("seeds").results) == 1
    with pytest.raises(UnknownSweep, match=r"there: seeds\)"):
        open_tracker(uri).load_sweep("older")
    [some, *_] = MlflowClient(tracking_uri=uri).search_runs([place], "tags.`resablate.kind` = 'trial'")
    with pytest.raises(TrackingError, match=f"run '{some.info.run_id}' is not a trial of this version of resablate"):
        open_tracker(uri).load_trial(some.info.run_id)


def test_records_that_came_later_are_found_too(uri: str) -> None:
    started(uri).end_sweep("finished")
    file_old_records(uri, "seeds", trials=0)
    with pytest.raises(TrackingError, match=r"experiment 'seeds' holds 1 run of resablate 0\.1"):
        started(uri)


def test_a_deleted_experiment_is_no_hindrance_to_reading(uri: str) -> None:
    place = file_old_records(uri, "seeds")
    MlflowClient(tracking_uri=uri).delete_experiment(place)
    with pytest.raises(UnknownSweep):
        open_tracker(uri).load_sweep("seeds")


def test_runs_of_other_programs_are_no_hindrance(uri: str) -> None:
    client = MlflowClient(tracking_uri=uri)
    client.create_run(client.create_experiment("seeds", artifact_location=_beside(uri)))
    started(uri)
