import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from resablate.errors import TrackingError
from resablate.measurement import AnalysisResult
from resablate.result import TrialResult
from resablate.sweep import parse_sweep
from resablate.tracking import Tracker, open_tracker
from resablate.tracking.mlflow_store import MlflowStore
from resablate.tracking.mlflow_trials import trial_runs
from tests.factories import make_lesion, make_result
from tests.tracking.databases import make_database
from tests.tracking.servers import MlflowServer

# MLflow 3.17 uses what SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")

SWEEP = parse_sweep({"name": "seeds", "axes": {"seed": [0, 1]}})
TRIALS = [SWEEP.trial(point) for point in SWEEP.points()]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RESABLATE_HOME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def uri(tmp_path: Path) -> str:
    # A folder as people have them: MLflow turns it into a file URI for the artifacts.
    folder = tmp_path / "my runs é"
    folder.mkdir()
    return make_database(folder)


def started(uri: str) -> Tracker:
    tracker = open_tracker(uri)
    tracker.start_sweep(SWEEP, trials=TRIALS, command="resablate sweep sweeps/<script>.yaml")
    return tracker


def run(tracker: Tracker, result: TrialResult) -> None:
    tracker.start_trial(result.spec)
    for metrics in result.history:
        tracker.log_epoch(result.key, metrics)
    tracker.finish_trial(result, weights=None, figures={})


def runs(uri: str, kind: str) -> list[Run]:
    client = MlflowClient(tracking_uri=uri)
    everywhere = [experiment.experiment_id for experiment in client.search_experiments()]
    return client.search_runs(everywhere, f"tags.`resablate.kind` = '{kind}'")


def history(uri: str, run_id: str, name: str) -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in MlflowClient(tracking_uri=uri).get_metric_history(run_id, name)]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often each method of MLflow's client is called; the calls go through."""
    counted: Counter[str] = Counter()

    def counting(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: MlflowClient, *args: Any, **kwargs: Any) -> Any:
            counted[name] += 1
            return method(self, *args, **kwargs)

        return call

    for name, method in list(vars(MlflowClient).items()):
        if callable(method) and not name.startswith("_"):
            monkeypatch.setattr(MlflowClient, name, counting(name, method))
    yield counted


def test_a_trial_is_a_child_run_with_its_params_and_tags(uri: str) -> None:
    tracker = started(uri)
    run(tracker, make_result(seed=1, status="diverged", reason="loss is not finite in epoch 2"))
    tracker.end_sweep("failed")
    [parent], [child] = runs(uri, "sweep"), runs(uri, "trial")
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.info.run_name == "identity seed 1"
    assert child.data.params == {name: str(value) for name, value in TRIALS[1].params().items()}
    assert {name: child.data.tags[f"resablate.{name}"] for name in ("key", "status", "sweep", "reason")} == {
        "key": TRIALS[1].key,
        "status": "diverged",
        "sweep": "seeds",
        "reason": "loss is not finite in epoch 2",
    }
    assert child.data.tags["resablate.version.torch"] == "2.11.0"
    assert (child.info.status, parent.info.status) == ("FINISHED", "FAILED")


def test_a_submission_is_a_parent_run_with_its_files(uri: str) -> None:
    tracker = started(uri)
    tracker.end_sweep("interrupted")
    [parent] = runs(uri, "sweep")
    assert str(parent.info.run_name).startswith("seeds 2")
    assert parent.info.status == "KILLED"
    assert parent.data.metrics == {"trials": 2}
    assert parent.data.tags["resablate.command"] == "resablate sweep sweeps/<script>.yaml"
    assert "resablate.version.mlflow" in parent.data.tags
    files = MlflowClient(tracking_uri=uri).list_artifacts(parent.info.run_id)
    assert [file.path for file in files] == ["sweep.json", "trials.json"]


def test_artifacts_lie_beside_the_database(uri: str, tmp_path: Path) -> None:
    weights = tmp_path / "step-12.safetensors"
    weights.write_bytes(b"weights")
    tracker = started(uri)
    result = make_result(seed=0)
    tracker.start_trial(result.spec)
    tracker.finish_trial(result, weights=weights, figures={"lesion": b"png"})
    [child] = runs(uri, "trial")
    folder = tmp_path / "my runs é" / "mlartifacts" / "seeds" / child.info.run_id / "artifacts"
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()) == [
        "figures/lesion.png",
        "result.json",
        "weights.safetensors",
    ]
    assert (folder / "weights.safetensors").read_bytes() == b"weights"


def test_curves_have_the_axis_as_step_and_infinity_becomes_a_gap(uri: str) -> None:
    lesion = make_lesion([0.2, math.inf, 0.4], baseline=0.1)
    run(started(uri), make_result(seed=0, losses=[2.0, 1.0], analyses={"lesion": lesion}))
    [child] = runs(uri, "trial")
    assert history(uri, child.info.run_id, "train/loss") == [(1, 2.0), (2, 1.0)]
    points = history(uri, child.info.run_id, "lesion/error")
    assert [step for step, _ in points] == [0, 1, 2]
    assert math.isnan(points[1][1])
    assert child.data.metrics["lesion/baseline_error"] == 0.1
    assert child.data.metrics["test_error"] == 0.1


def test_an_epoch_is_one_call(uri: str, calls: Counter[str]) -> None:
    tracker = started(uri)
    result = make_result(seed=0, losses=[1.0] * 5)
    tracker.start_trial(result.spec)
    calls.clear()
    for metrics in result.history:
        tracker.log_epoch(result.key, metrics)
    assert calls == {"log_batch": 5}


def test_a_trial_costs_five_calls_besides(uri: str, calls: Counter[str]) -> None:
    tracker = started(uri)
    calls.clear()
    run(tracker, make_result(seed=0, losses=[]))
    assert calls == {"create_run": 1, "log_batch": 2, "log_artifacts": 1, "set_terminated": 1}


def test_more_numbers_than_one_call_takes_are_all_filed(uri: str) -> None:
    blocks = list(range(2500))
    many = AnalysisResult(
        summary={},
        table={"block": blocks, "error": blocks},
        units={"block": "1", "error": "1"},
        axes={"error": "block"},
    )
    run(started(uri), make_result(seed=0, analyses={"many": many}))
    [child] = runs(uri, "trial")
    assert len(history(uri, child.info.run_id, "many/error")) == 2500


def test_a_reopened_run_has_every_epoch_once(uri: str) -> None:
    result = make_result(seed=0, losses=[3.0, 2.0, 1.0, 0.5])
    killed = started(uri)
    killed.start_trial(result.spec)
    for metrics in result.history[:2]:
        killed.log_epoch(result.key, metrics)
    tracker = started(uri)
    tracker.start_trial(result.spec)
    for metrics in result.history[1:3]:  # went on from the checkpoint after epoch 1, and epoch 4 was not reported
        tracker.log_epoch(result.key, metrics)
    tracker.finish_trial(result, weights=None, figures={})
    [child] = runs(uri, "trial")
    assert history(uri, child.info.run_id, "train/loss") == [(1, 3.0), (2, 2.0), (3, 1.0), (4, 0.5)]
    newest = max(runs(uri, "sweep"), key=lambda parent: parent.info.start_time)
    assert child.data.tags["mlflow.parentRunId"] == newest.info.run_id
    assert child.info.status == "FINISHED"


def test_hostile_values_are_filed(uri: str) -> None:
    spec = {"shortcut": "<script>alert(1)</script>", "shortcut_args": {"kind": "x" * 20_000}}
    result = make_result(**spec, status="failed", reason="y" * 20_000)  # type: ignore[arg-type]
    tracker = started(uri)
    run(tracker, result)
    [child] = runs(uri, "trial")
    assert str(child.info.run_name).startswith("<script>alert(1)</script> seed 0")
    assert child.data.params["shortcut"] == "<script>alert(1)</script>"
    assert child.data.params["shortcut_args.kind"] == "x" * 4999 + "…"
    assert child.data.tags["resablate.reason"] == "y" * 4999 + "…"
    [stored] = open_tracker(uri).load_sweep("seeds").results
    assert stored.to_json() == result.to_json()


def test_a_name_that_mlflow_refuses_is_a_tracking_error(uri: str) -> None:
    odd = AnalysisResult(summary={"<b>": 1.0}, table={}, units={"<b>": "1"})
    with pytest.raises(TrackingError, match=r"finishing trial .* failed: .*odd/<b>"):
        run(started(uri), make_result(seed=0, analyses={"odd": odd}))


def test_runs_of_the_environment_play_no_part(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "other")
    run(started(uri), make_result(seed=0))
    assert len(runs(uri, "trial")) == 1


def test_a_deleted_experiment_is_not_brought_back_silently(uri: str) -> None:
    started(uri)
    client = MlflowClient(tracking_uri=uri)
    client.delete_experiment(runs(uri, "sweep")[0].info.experiment_id)
    with pytest.raises(TrackingError, match="experiment 'seeds' was deleted; bring it back with `mlflow exp"):
        started(uri)


def test_a_result_that_is_gone_is_named(uri: str, tmp_path: Path) -> None:
    run(started(uri), make_result(seed=0))
    [file] = tmp_path.rglob("result.json")
    file.write_text('{"spec": {"shape": "round"}}')
    with pytest.raises(TrackingError, match=r"result\.json of run .* is not what this version of resablate writes"):
        open_tracker(uri).load_sweep("seeds")
    file.unlink()
    with pytest.raises(TrackingError, match=r"reading result\.json of run .* failed: .*No such artifact"):
        open_tracker(uri).load_sweep("seeds")


def test_no_run_is_left_running(uri: str) -> None:
    """What a killed process left open is closed by the next submission, and a trial under way by the end of its own."""
    killed = started(uri)
    killed.start_trial(make_result().spec)
    stopped = started(uri)
    stopped.start_trial(make_result(seed=1).spec)
    stopped.end_sweep("interrupted")
    assert sorted(parent.info.status for parent in runs(uri, "sweep")) == ["KILLED", "KILLED"]
    statuses = {child.data.params["seed"]: child.info.status for child in runs(uri, "trial")}
    assert statuses == {"0": "KILLED", "1": "KILLED"}
    again = started(uri)
    run(again, make_result())
    again.end_sweep("finished")
    statuses = {child.data.params["seed"]: child.info.status for child in runs(uri, "trial")}
    assert statuses == {"0": "FINISHED", "1": "KILLED"}


def test_a_server_tells_the_same_trials_as_its_file(tmp_path: Path) -> None:
    """A file is read past MLflow's client, whose search makes objects of everything a run holds."""
    folder = tmp_path / "server"
    folder.mkdir()
    make_database(folder)
    with MlflowServer(folder) as server:
        tracker = started(server.uri)
        run(tracker, make_result(seed=0))
        run(tracker, make_result(seed=1, status="failed", reason="no more memory"))
        tracker.end_sweep("failed")
        again = started(server.uri)
        again.start_trial(make_result(seed=1).spec)
        again.end_sweep("interrupted")
        thrown_away = parse_sweep({"name": "thrown_away", "axes": {"seed": [7]}})
        again.start_sweep(thrown_away, trials=[], command="")
        run(again, make_result(seed=7))
        client = MlflowClient(tracking_uri=server.uri)
        client.delete_run(open_tracker(server.uri).complete_keys()[make_result(seed=7).key])
        by_server = list(trial_runs(MlflowStore(server.uri)))
    by_file = list(trial_runs(MlflowStore(f"sqlite:///{folder / 'mlflow.db'}")))
    assert by_file == by_server
    found = {(run.status, run.run_status, run.epoch, run.reason) for run in by_file}
    assert found == {("running", "KILLED", 3, ""), ("finished", "FINISHED", 3, "")}
