"""What is filed a second time, because an answer was lost or a process was killed, is there once."""

import inspect
import shutil
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from resablate.errors import TrackingError
from resablate.result import TrialResult
from resablate.tracking import Tracker, open_tracker
from tests.factories import make_lesion, make_measurement, make_result
from tests.tracking.databases import make_database
from tests.tracking.records import run, started

# MLflow 3.17 uses what SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")

RESULT = make_result(seed=0, losses=[2.0, 1.0], analyses={"lesion": make_lesion([0.2, 0.3], baseline=0.1)})
CALLS = [("create_run", 1), ("log_batch", 1), ("log_inputs", 1), ("search_experiments", 1), ("search_runs", 1)]
CALLS += [("log_batch", 2), ("log_batch", 3), ("log_artifacts", 1), ("log_batch", 4), ("set_terminated", 1)]
"""All calls that a trial is filed with, in their order: the method, and the how manieth of it."""


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return make_database(tmp_path)


def trials(uri: str) -> list[Run]:
    client = MlflowClient(tracking_uri=uri)
    everywhere = [experiment.experiment_id for experiment in client.search_experiments()]
    return client.search_runs(everywhere, "tags.`resablate.kind` = 'trial'")


def lose_answers(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> list[int]:
    """From now on the answer to this call of MLflow's client is lost where it is the one of this number.

    Returns:
        How often it was called.
    """
    method, called = getattr(MlflowClient, name), [0]

    def call(self: MlflowClient, *args: Any, **keywords: Any) -> Any:
        answer = method(self, *args, **keywords)
        called[0] += 1
        if called[0] == number:
            raise MlflowException("the connection was cut")
        return answer

    monkeypatch.setattr(MlflowClient, name, call)
    return called


def again(act: Callable[[], None]) -> None:
    """Do it as the writer does: once more where it failed."""
    try:
        act()
    except TrackingError:
        act()


def file_patiently(tracker: Tracker, result: TrialResult) -> None:
    again(lambda: tracker.start_trial(result.spec))
    for metrics in result.history:
        again(lambda metrics=metrics: tracker.log_epoch(result.key, metrics))
    again(lambda: tracker.finish_trial(result, weights={}, figures={"lesion": b"png"}))


def is_filed_once(uri: str, result: TrialResult = RESULT) -> None:
    """One run, ended, with every number once, and with the data that it is of."""
    client = MlflowClient(tracking_uri=uri)
    [only] = trials(uri)
    assert only.info.status == "FINISHED"
    assert [data.dataset.name for data in only.inputs.dataset_inputs] == [str(result.spec.dataset)]
    for name in only.data.metrics:
        points = [(point.step, point.value) for point in client.get_metric_history(only.info.run_id, name)]
        assert len(points) == len(set(points)), name
        assert len({step for step, _ in points}) == len(points), name
    assert len(client.get_metric_history(only.info.run_id, "train/loss")) == len(result.history)
    assert [stored.to_json() for stored in open_tracker(uri).load_sweep("seeds").results] == [result.to_json()]


def test_a_trial_is_filed_with_these_calls_alone(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker, called, inside = started(uri), list[str](), [False]

    def noting(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: MlflowClient, *args: Any, **keywords: Any) -> Any:
            if inside[0]:  # the client's own
                return method(self, *args, **keywords)
            called.append(name)
            inside[0] = True
            try:
                return method(self, *args, **keywords)
            finally:
                inside[0] = False

        return call

    with monkeypatch.context() as patch:
        for name, method in inspect.getmembers(MlflowClient, inspect.isfunction):
            if not name.startswith("_"):
                patch.setattr(MlflowClient, name, noting(name, method))
        file_patiently(tracker, RESULT)
    assert [(name, called[:place].count(name) + 1) for place, name in enumerate(called)] == CALLS
    tracker.end_sweep("finished")
    is_filed_once(uri)


@pytest.mark.parametrize(("name", "number"), CALLS)
def test_an_answer_that_is_lost_doubles_nothing(
    name: str, number: int, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = started(uri)
    with monkeypatch.context() as patch:
        called = lose_answers(patch, name, number)
        file_patiently(tracker, RESULT)
    assert called[0] >= number
    tracker.end_sweep("finished")
    is_filed_once(uri)


@pytest.mark.parametrize(("name", "number"), CALLS)
def test_a_process_that_is_killed_between_two_steps_leaves_nothing_twice(
    name: str, number: int, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one files the trial again, as it finds it in the spool, or leaves it alone where it is complete."""
    tracker = started(uri)
    with monkeypatch.context() as patch:
        called = lose_answers(patch, name, number)
        with suppress(TrackingError):
            run(tracker, RESULT)
    assert called[0] >= number
    # Not closed: the process is gone.
    second = started(uri)
    if RESULT.key not in second.complete_keys():
        run(second, RESULT)
    second.end_sweep("finished")
    is_filed_once(uri)


def test_a_run_whose_end_was_not_told_is_ended_by_the_next_submission(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses = {"finished": "FINISHED", "diverged": "FINISHED", "failed": "FAILED", "pruned": "FINISHED"}
    tracker = started(uri)
    for seed, status in enumerate(statuses):
        result = make_result(seed=seed, status=status, reason="a reason")  # type: ignore[arg-type]
        with monkeypatch.context() as patch:
            patch.setattr(
                MlflowClient, "set_terminated", lambda *args: (_ for _ in ()).throw(MlflowException("killed"))
            )
            with suppress(TrackingError):
                run(tracker, result)
    assert {child.info.status for child in trials(uri)} == {"RUNNING"}
    started(uri).end_sweep("finished")
    ended = {child.data.tags["resablate.status"]: child.info.status for child in trials(uri)}
    assert ended == statuses


def test_a_run_that_was_interrupted_is_not_left_beside_the_finished_one(uri: str) -> None:
    client = MlflowClient(tracking_uri=uri)
    started(uri).start_trial(RESULT.spec)
    [left] = trials(uri)
    tags = {name: value for name, value in left.data.tags.items() if name.startswith("resablate.")}
    client.create_run(left.info.experiment_id, tags=tags)  # the answer was lost, and then the process
    second = started(uri)
    run(second, RESULT)
    second.end_sweep("finished")
    is_filed_once(uri)
    # Another process had begun it before, on a machine that nobody hears of.
    late = client.create_run(left.info.experiment_id, tags=tags)
    started(uri).end_sweep("finished")
    is_filed_once(uri)
    assert client.get_run(late.info.run_id).info.lifecycle_stage == "deleted", "it can be brought back"


def only(*names: str) -> TrialResult:
    measured = [make_measurement(name, make_lesion([0.4], baseline=0.1)) for name in names]
    return RESULT.model_copy(update={"measurements": tuple(measured), "history": ()})


@pytest.mark.parametrize("method", ["get_run", "log_artifacts", "log_batch"])
def test_two_that_analyze_at_once_lose_nothing(method: str, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The quicker one comes between any two steps of the slower one."""
    tracker = started(uri)
    run(tracker, RESULT)
    tracker.end_sweep("finished")
    [run_id] = open_tracker(uri).complete_keys().values()
    monkeypatch.setattr("resablate.tracking.mlflow_store.MlflowStore.exclusive", lambda self: nullcontext())
    first, call = [True], getattr(MlflowClient, method)

    def overtaken(self: MlflowClient, *args: Any, **keywords: Any) -> Any:
        answer = call(self, *args, **keywords)
        if first and first.pop():
            open_tracker(uri).amend_trial(run_id, only("quick"), figures={})
        return answer

    monkeypatch.setattr(MlflowClient, method, overtaken)
    open_tracker(uri).amend_trial(run_id, only("slow"), figures={})
    assert not first
    _, stored = open_tracker(uri).load_trial(run_id)
    assert set(stored.analyses) == {"test", "lesion", "quick", "slow"}
    assert open_tracker(uri).states("seeds")[RESULT.key].measured == stored.measured


@pytest.mark.parametrize("damage", ["half", "nothing", "all"])
def test_a_disk_that_is_full_while_somebody_analyzes_leaves_the_result(
    damage: str, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = started(uri)
    run(tracker, RESULT)
    tracker.end_sweep("finished")
    [run_id] = open_tracker(uri).complete_keys().values()
    [place] = tmp_path.rglob(f"{run_id}/artifacts")

    def full(self: MlflowClient, run_id: str, folder: str) -> None:
        for file in Path(folder).glob("*.*"):
            if damage != "nothing":
                shutil.copy(file, place)
            if damage == "half":
                (place / file.name).write_bytes(file.read_bytes()[:100])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_artifacts", full)
        with pytest.raises(TrackingError, match="No space left on device"):
            open_tracker(uri).amend_trial(run_id, only("more"), figures={})
    is_filed_once(uri)
    assert set(open_tracker(uri).load_trial(run_id)[1].analyses) == {"test", "lesion"}
    open_tracker(uri).amend_trial(run_id, only("more"), figures={})
    assert set(open_tracker(uri).load_trial(run_id)[1].analyses) == {"test", "lesion", "more"}


def test_answers_that_are_damaged_are_passed_over(uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tracker = started(uri)
    run(tracker, RESULT)
    tracker.end_sweep("finished")
    [run_id] = open_tracker(uri).complete_keys().values()
    for name in ("more", "most"):
        open_tracker(uri).amend_trial(run_id, only(name), figures={})
    first, _ = sorted(tmp_path.rglob("answers-*.json"))
    first.write_bytes(first.read_bytes()[:50])
    assert set(open_tracker(uri).load_trial(run_id)[1].analyses) == {"test", "lesion", "most"}
    [line] = caplog.messages
    assert line == (
        f"{first.name} of run {run_id}: its content is not what was filed; its measurements are passed over"
    )
