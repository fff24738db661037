import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from resablate.errors import DamagedResult, TrackerAway, TrackingError
from resablate.measurement import AnalysisResult
from resablate.result import weights_file
from resablate.spec import TrainSpec
from resablate.storage.files import digest
from resablate.tracking import open_tracker
from resablate.tracking.mlflow_reader import MlflowReader
from resablate.tracking.mlflow_store import MlflowStore
from tests.factories import make_lesion, make_measurement, make_result
from tests.tracking.databases import make_database
from tests.tracking.records import SWEEP, TRIALS, run, started

# MLflow 3.17 uses what SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")


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
    shown = {"None": "null", "True": "true", "False": "false"}
    params = make_result(seed=1).spec.params()
    expected = {name: shown.get(str(value), str(value).removesuffix(".0")) for name, value in params.items()}
    assert child.data.params == expected
    assert (expected["iterations"], expected["compile"]) == ("null", "false")
    assert {"optimizer.momentum", "shortcut", "dataset.val_fraction"} <= expected.keys()
    assert {name: child.data.tags[f"resablate.{name}"] for name in ("schema", "key", "status", "sweep", "reason")} == {
        "schema": "2",
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
    assert parent.data.tags["resablate.schema"] == "2"
    files = MlflowClient(tracking_uri=uri).list_artifacts(parent.info.run_id)
    assert [file.path for file in files] == ["sweep.json", "trials.json"]


def test_artifacts_lie_beside_the_database(uri: str, tmp_path: Path) -> None:
    weights = {weights_file(epoch): tmp_path / f"step-{epoch}" for epoch in (None, 5)}
    for file in weights.values():
        file.write_bytes(b"weights")
    tracker = started(uri)
    result = make_result(seed=0)
    tracker.start_trial(result.spec)
    tracker.finish_trial(result, weights=weights, figures={"lesion": b"png"})
    [child] = runs(uri, "trial")
    folder = tmp_path / "my runs é" / "mlartifacts" / "seeds" / child.info.run_id / "artifacts"
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()) == sorted(
        ["figures/lesion.png", "result.json", "weights.safetensors", weights_file(5)]
    )
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


def test_a_trial_costs_eight_calls_besides(uri: str, calls: Counter[str]) -> None:
    tracker = started(uri)
    calls.clear()
    run(tracker, make_result(seed=0, losses=[]))
    leasing = {"search_experiments": 1, "search_runs": 1}
    filing = {"create_run": 1, "log_inputs": 1, "log_batch": 2, "log_artifacts": 1, "set_terminated": 1}
    assert calls == filing | leasing


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
    tracker.finish_trial(result, weights={}, figures={})
    [child] = runs(uri, "trial")
    assert history(uri, child.info.run_id, "train/loss") == [(1, 3.0), (2, 2.0), (3, 1.0), (4, 0.5)]
    newest = max(runs(uri, "sweep"), key=lambda parent: parent.info.start_time)
    assert child.data.tags["mlflow.parentRunId"] == newest.info.run_id
    assert child.info.status == "FINISHED"


def test_hostile_values_are_filed(uri: str) -> None:
    spec = TrainSpec.parse(
        {"shortcut": {"name": "odd", "kind": "<script>alert(1)</script>", "long": "x" * 20_000, "empty": ""}}
    )
    result = make_result(status="failed", reason="y" * 20_000).model_copy(update={"spec": spec})
    tracker = started(uri)
    run(tracker, result)
    [child] = runs(uri, "trial")
    assert child.data.params["shortcut.kind"] == "<script>alert(1)</script>"
    assert child.data.params["shortcut.long"] == "x" * 4999 + "…"
    assert child.data.params["shortcut.empty"] == ""
    assert child.data.tags["resablate.reason"] == "y" * 4999 + "…"
    [stored] = open_tracker(uri).load_sweep("seeds").results
    assert stored.to_json() == result.to_json()


@pytest.mark.parametrize("value", ["a+b", "<script>", "x" * 1000, "a/b", "..", "50 %", "Größe"])
def test_questions_with_odd_arguments_are_filed(uri: str, value: str) -> None:
    lesion = make_lesion([0.2], baseline=0.1)
    odd = [make_measurement("mine", lesion, kind=value), make_measurement("mine", lesion, kind=value, epoch=1)]
    run(started(uri), make_result(seed=0).with_measurements(odd))
    [child] = runs(uri, "trial")
    found = [name for name in child.data.metrics if name.startswith("mine") and name.endswith("/error")]
    assert len(found) == 2, "the curve of the end and that of epoch 1"


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


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def fold(file: Path) -> None:
    file.unlink()
    file.mkdir()


def of_another_trial(file: Path) -> None:
    file.write_text(make_result(seed=1).to_json())


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a changed bit": (flip, "its content is not what was filed"),
    "half of it": (lambda file: file.write_bytes(file.read_bytes()[:300]), "its content is not what was filed"),
    "empty": (lambda file: file.write_bytes(b""), "its content is not what was filed"),
    "gone": (Path.unlink, "it is missing"),
    "a folder in its place": (fold, "it is missing"),
    "another trial's": (of_another_trial, "its content is not what was filed"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_result_is_as_if_the_trial_had_not_ended(
    damage: str, uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    act, why = DAMAGES[damage]
    whole, spoiled = make_result(seed=1), make_result(seed=0)
    tracker = started(uri)
    run(tracker, whole)
    run(tracker, spoiled)
    tracker.end_sweep("finished")
    reader = open_tracker(uri)
    complete = reader.complete_keys()
    [file] = tmp_path.rglob(f"{complete[spoiled.key]}/artifacts/result.json")
    assert reader.check_results(complete) == {}
    act(file)
    record = reader.load_sweep("seeds")
    assert ([result.key for result in record.results], record.missing) == ([whole.key], [spoiled.spec])
    [line] = caplog.messages
    assert line == f"result.json of run {complete[spoiled.key]}: {why}; it does not count"
    assert [key for _, result in reader.iter_results("seeds") for key in [result.key]] == [whole.key]
    with pytest.raises(TrackingError, match=why):
        reader.load_trial(spoiled.key)
    assert reader.check_results(complete) == {spoiled.key: f"result.json of run {complete[spoiled.key]}: {why}"}

    reader.discard_trial(complete[spoiled.key])
    assert spoiled.key not in reader.states("seeds")
    again = started(uri)
    run(again, spoiled)
    again.end_sweep("finished")
    assert open_tracker(uri).complete_keys().keys() == complete.keys()
    assert len(open_tracker(uri).load_sweep("seeds").results) == 2
    assert len(runs(uri, "trial")) == 2


def test_a_whole_result_of_another_trial_is_none(uri: str, tmp_path: Path) -> None:
    """Also where somebody gave it the digest of what lies there."""
    result = make_result(seed=0)
    run(started(uri), result)
    [child] = runs(uri, "trial")
    [file] = tmp_path.rglob("result.json")
    of_another_trial(file)
    MlflowClient(tracking_uri=uri).set_tag(child.info.run_id, "resablate.record.result.json", digest(file.read_bytes()))
    other = make_result(seed=1).key
    problem = f"it is the result of trial {other}, not of {result.key}"
    assert problem in open_tracker(uri).check_results({result.key: child.info.run_id})[result.key]
    assert open_tracker(uri).load_sweep("seeds").results == []


def test_tags_alone_make_no_trial_complete(uri: str) -> None:
    tracker = started(uri)
    result = make_result(seed=0)
    tracker.start_trial(result.spec)
    [child] = runs(uri, "trial")
    MlflowClient(tracking_uri=uri).set_tag(child.info.run_id, "resablate.status", "finished")
    assert open_tracker(uri).complete_keys() == {}
    assert open_tracker(uri).states("seeds")[result.key].status == "interrupted"
    MlflowClient(tracking_uri=uri).set_tag(child.info.run_id, "resablate.record.result.json", "0" * 64)
    assert open_tracker(uri).load_sweep("seeds").results == []
    problems = open_tracker(uri).check_results({result.key: child.info.run_id})
    assert problems == {result.key: f"result.json of run {child.info.run_id}: it is missing"}


def test_files_elsewhere_on_the_reader_s_disk_are_not_read(
    uri: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may write records says where their files are."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    MlflowClient(tracking_uri=uri).create_experiment("seeds", artifact_location=elsewhere.as_uri())
    monkeypatch.setenv("RESABLATE_ARTIFACTS", str(elsewhere))
    tracker = started(uri)
    run(tracker, make_result(seed=0))
    tracker.end_sweep("finished")
    complete = open_tracker(uri).complete_keys()
    assert open_tracker(uri).check_results(complete) == {}, "where that folder is meant"
    monkeypatch.delenv("RESABLATE_ARTIFACTS")
    reader = open_tracker(uri)
    assert reader.complete_keys() == {}
    for ask in (lambda: started(uri), lambda: reader.load_sweep("seeds")):
        with pytest.raises(TrackingError, match=rf"experiment 'seeds' keeps its files in {elsewhere.as_uri()}, and"):
            ask()
    with pytest.raises(TrackingError, match="where no results lie"):
        reader.load_trial(complete[make_result(seed=0).key])


@pytest.mark.parametrize("damage", ["a changed bit", "gone"])
def test_damaged_weights_are_refused(damage: str, uri: str, tmp_path: Path) -> None:
    weights = tmp_path / "w"
    weights.write_bytes(b"weights of some size")
    result = make_result(seed=0)
    tracker = started(uri)
    tracker.start_trial(result.spec)
    tracker.finish_trial(result, weights={weights_file(None): weights}, figures={})
    [run_id] = open_tracker(uri).complete_keys().values()
    assert open_tracker(uri).load_weights_file(run_id, tmp_path).read_bytes() == weights.read_bytes()
    [file] = tmp_path.rglob("artifacts/weights.safetensors")
    DAMAGES[damage][0](file)
    with pytest.raises(TrackingError, match=rf"weights.safetensors of run {run_id}: {DAMAGES[damage][1]}"):
        open_tracker(uri).load_weights_file(run_id, tmp_path)


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


@pytest.mark.parametrize("name", ["sweep.json", "trials.json", "result.json"])
def test_a_file_that_cannot_be_read_now_is_not_taken_for_a_damaged_one(
    name: str, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a server that is too busy would have an earlier submission reported, or trials run again."""
    tracker = started(uri)
    run(tracker, make_result(seed=0))
    tracker.end_sweep("finished")
    complete = open_tracker(uri).complete_keys()
    read = MlflowStore.read_file

    def away(store: MlflowStore, run_id: str, artifact_uri: str, file: str) -> bytes | None:
        if file == name:
            raise TrackerAway("503")
        return read(store, run_id, artifact_uri, file)

    monkeypatch.setattr(MlflowStore, "read_file", away)
    with pytest.raises(TrackerAway):
        open_tracker(uri).load_sweep("seeds")
    if name == "result.json":
        with pytest.raises(TrackerAway):
            open_tracker(uri).check_results(complete)


def test_noting_trials_does_not_write_the_list_each_time(uri: str, calls: Counter[str]) -> None:
    """A search proposes trials one by one; the list of all is written now and then, that of the new ones between."""
    tracker = open_tracker(uri)
    tracker.start_sweep(SWEEP, trials=[], command="")
    calls.clear()
    for seed in range(500):
        tracker.note_trial(TRIALS[0].replace(seed=seed))
    assert calls["log_text"] <= 2
    tracker.end_sweep("finished")
    assert calls["log_text"] <= 3
    assert len(open_tracker(uri).submitted("seeds")[1]) == 500
    [parent] = runs(uri, "sweep")
    assert parent.data.metrics == {"trials": 500}


def test_a_trial_is_listed_before_its_run_is_there(uri: str) -> None:
    """A killed search leaves no run that its sweep does not know."""
    tracker = open_tracker(uri)
    tracker.start_sweep(SWEEP, trials=[], command="")
    for seed in range(3):
        tracker.start_trial(TRIALS[0].replace(seed=seed))
    assert [spec.seed for spec in open_tracker(uri).submitted("seeds")[1]] == [0, 1, 2]


def test_a_list_of_trials_that_is_broken_is_as_if_it_were_not_there(
    uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = started(uri)
    run(tracker, make_result(seed=1))
    [file] = tmp_path.rglob("trials.json")
    for content in ("[]", '{"common": {}}', '{"common": {"shape": 1}, "trials": []}', "{", ""):
        file.write_text(content)
        caplog.clear()
        assert open_tracker(uri).submitted("seeds") == (SWEEP, [make_result(seed=1).spec])
        [line] = caplog.messages
        assert re.search(r"trials\.json of run .* is not what was filed there \(its content is not", line)
    assert [result.spec.seed for result in open_tracker(uri).load_sweep("seeds").results] == [1]
    tracker.end_sweep("finished")
    started(uri)
    assert len(open_tracker(uri).submitted("seeds")[1]) == 2, "the next submission has a list of its own"


@pytest.mark.parametrize("cut", ["trials-recent.json", "trials-recent-2.json"])
def test_a_list_that_is_cut_off_while_it_is_written_leaves_the_one_before(uri: str, tmp_path: Path, cut: str) -> None:
    tracker = open_tracker(uri)
    tracker.start_sweep(SWEEP, trials=[], command="")
    for seed in range(4):
        tracker.start_trial(TRIALS[0].replace(seed=seed))
    before = open_tracker(uri).submitted("seeds")
    [parent] = runs(uri, "sweep")
    current = parent.data.tags["resablate.list.trials-recent.json"].split()[1]
    [file] = tmp_path.rglob(cut)
    if cut != current:  # the name that the next list would have
        file.write_text('{"common": {"ep')
    assert open_tracker(uri).submitted("seeds") == before


def test_a_submission_whose_file_is_damaged_is_passed_over(
    uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = started(uri)
    run(first, make_result(seed=0))
    first.end_sweep("finished")
    files = set(tmp_path.rglob("sweep.json"))
    started(uri).end_sweep("finished")
    [latest] = set(tmp_path.rglob("sweep.json")) - files
    latest.write_bytes(latest.read_bytes()[:20])
    assert len(open_tracker(uri).load_sweep("seeds").results) == 1
    assert "a submission before it is read instead" in caplog.text
    files.pop().unlink()
    caplog.clear()
    with pytest.raises(
        DamagedResult, match=r"sweep\.json of run .* is not what was filed there .*`resablate sweep FILE`"
    ):
        open_tracker(uri).load_sweep("seeds")
    assert not caplog.messages, "there is none that could be read instead"
    started(uri)
    assert open_tracker(uri).submitted("seeds")[0] == SWEEP


STRANGE: list[dict[str, str | None]] = [
    *({f"resablate.{name}": None} for name in ("schema", "kind", "key", "status", "sweep", "reason", "measured")),
    {"resablate.command": None},
    {"resablate.owner": None},
    {"resablate.owner": "?"},
    {"resablate.schema": "3"},
    {"resablate.kind": "cat"},
    {"resablate.key": "<script>"},
    {"resablate.status": "on holiday"},
    {"resablate.measured": "! !! a!b  c"},
    {"mlflow.parentRunId": "?"},
]
"""Tags and what somebody has made of them; None where it is gone."""


def test_strange_tags_crash_nothing(uri: str) -> None:
    tracker = started(uri)
    run(tracker, make_result(seed=0))
    run(tracker, make_result(seed=1))
    client = MlflowClient(tracking_uri=uri)
    trial = next(child for child in runs(uri, "trial") if child.data.params["seed"] == "0")
    client.log_metric(trial.info.run_id, "epoch", math.nan, step=99)
    [parent] = runs(uri, "sweep")
    for strange in STRANGE:
        for changed in (trial, parent):
            set_tags(client, changed.info.run_id, changed.data.tags.keys() & strange.keys(), strange)
        again = open_tracker(uri)
        assert make_result(seed=1).key in again.complete_keys()
        assert make_result(seed=1).key in again.states("seeds")
        MlflowReader(MlflowStore(uri)).sweeps()
        for ask in (
            lambda again=again: again.load_sweep("seeds"),
            lambda again=again: again.load_trial(trial.info.run_id),
            lambda: started(uri),
        ):
            with suppress(TrackingError):
                ask()
        for changed in (trial, parent):
            set_tags(client, changed.info.run_id, changed.data.tags.keys() & strange.keys(), changed.data.tags)


def set_tags(client: MlflowClient, run_id: str, names: Iterable[str], values: Mapping[str, str | None]) -> None:
    for name in names:
        value = values[name]
        if value is None:
            client.delete_tag(run_id, name)
        else:
            client.set_tag(run_id, name, value)


def test_an_amended_trial_has_the_new_numbers_and_no_number_twice(uri: str) -> None:
    lesion = make_lesion([0.2, 0.3], baseline=0.1)
    result = make_result(seed=0, analyses={"lesion": lesion})
    tracker = started(uri)
    run(tracker, result)
    tracker.end_sweep("finished")
    [child] = runs(uri, "trial")
    new = make_measurement("lesion", make_lesion([0.4], baseline=0.1), examples=100)
    open_tracker(uri).amend_trial(child.info.run_id, result.with_measurements([new]), figures={})
    assert history(uri, child.info.run_id, "lesion/error") == [(0, 0.2), (1, 0.3)]
    assert history(uri, child.info.run_id, "lesion examples 100/error") == [(0, 0.4)]
    [child] = runs(uri, "trial")
    assert child.info.status == "FINISHED"
    assert child.data.tags["resablate.measured"].split() == sorted(result.measured), "nothing is written over"
    assert open_tracker(uri).states("seeds")[result.key].measured == result.measured | {new.question.id}


def test_a_file_is_amended_by_one_process_at_a_time(uri: str) -> None:
    result = make_result(seed=0)
    tracker = started(uri)
    run(tracker, result)
    tracker.end_sweep("finished")
    [child] = runs(uri, "trial")
    lesion = make_lesion([0.2], baseline=0.1)

    def amend(number: int) -> None:
        new = make_measurement("lesion", lesion, examples=number)
        open_tracker(uri).amend_trial(child.info.run_id, result.with_measurements([new]), figures={})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(amend, range(8)))
    _, stored = open_tracker(uri).load_trial(child.info.run_id)
    assert len(stored.measurements) == 1 + 8
    assert open_tracker(uri).states("seeds")[result.key].measured == stored.measured


def test_a_result_that_is_being_written_is_read_again(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    result = make_result(seed=0)
    run(started(uri), result)
    read, halves = MlflowStore.read_file, [1]

    def half_at_first(store: MlflowStore, run_id: str, artifact_uri: str, name: str) -> bytes | None:
        content = read(store, run_id, artifact_uri, name)
        if name == "result.json" and halves:
            halves.pop()
            return (content or b"")[:100]
        return content

    monkeypatch.setattr(MlflowStore, "read_file", half_at_first)
    assert open_tracker(uri).load_trial(result.key)[1] == result
    assert not halves
