"""Every tracker, the same suite: what is filed reads back equal."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from resablate.component import Component
from resablate.errors import LeaseLost, LeaseTaken, TrackingError, TrialComplete, UnknownSweep
from resablate.measurement import AnalysisResult, FailedMeasurement, Measurement
from resablate.question import Question
from resablate.result import TrialResult, weights_file
from resablate.sweep import SweepSpec, parse_sweep
from resablate.tracking import MemoryTracker, MlflowTracker, Tracker
from resablate.tracking.folder_tracker import FolderTracker
from tests.factories import make_lesion, make_measurement, make_result
from tests.tracking.databases import make_database

# MLflow 3.17 uses what SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")


@dataclass
class Case:
    tracker: Tracker
    again: Callable[[], Tracker]
    """What another process would open."""
    count_runs: Callable[[str], int]
    """How many records there are of a key."""


def count_in_mlflow(uri: str, key: str) -> int:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    everywhere = [experiment.experiment_id for experiment in client.search_experiments()]
    return len(client.search_runs(everywhere, f"tags.`resablate.key` = '{key}'"))


@pytest.fixture(params=["memory", "folder", "mlflow"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    if request.param == "memory":
        memory = MemoryTracker()
        yield Case(memory, lambda: MemoryTracker(memory), lambda key: sum(run.spec.key == key for run in memory.runs))
    elif request.param == "folder":
        folder = tmp_path / "records"
        yield Case(
            FolderTracker(folder),
            lambda: FolderTracker(folder),
            lambda key: len({path.parents[1] for path in folder.glob(f"*/*/{key}")}),
        )
    else:
        uri = make_database(tmp_path)
        yield Case(MlflowTracker(uri), lambda: MlflowTracker(uri), lambda key: count_in_mlflow(uri, key))


def make_sweep(name: str = "seeds", seeds: int = 3, **fields: object) -> SweepSpec:
    return parse_sweep({"name": name, "axes": {"seed": list(range(seeds))}, **fields})


def start(tracker: Tracker, sweep: SweepSpec) -> None:
    tracker.start_sweep(sweep, trials=[sweep.trial(p) for p in sweep.points()], command="resablate sweep")


def run(tracker: Tracker, result: TrialResult) -> None:
    tracker.start_trial(result.spec)
    for metrics in result.history:
        tracker.log_epoch(result.key, metrics)
    tracker.finish_trial(result, weights={}, figures={})


def test_results_read_back_equal_to_the_last_digit(case: Case, tmp_path: Path) -> None:
    odd = AnalysisResult(
        summary={"worst": math.inf, "mean": math.nan},
        table={"block": [0, 1], "gain": [-math.inf, 0.1 + 0.2]},
        units=dict.fromkeys(["worst", "mean", "block", "gain"], "1"),
        axes={"gain": "block"},
    )
    result = make_result(
        status="diverged",
        reason="loss is <b>nan</b>, café",
        losses=[1 / 3, math.nan, math.inf],
        analyses={"odd": odd, "lesion": make_lesion([0.2, 0.3], baseline=0.1)},
        analyses_by_epoch={0: {"lesion": make_lesion([0.9, 0.9], baseline=0.9)}},
        analysis_errors={"spectrum": "did not converge"},
        fields={"shortcut": "exclusive_gate", "shortcut.bias": -6, "schedule.milestones": [0.4, 0.6]},
    )
    sweep = make_sweep(
        base={"regularizer": "procrustes"},
        axes={
            "schedule.milestones": [[0.4, 0.6], [0.5]],
            "regularizer.strength": {"low": 1e-6, "high": 1, "log": True},
        },
        cases=[{"network": "resnet", "depth": 20}, {"network": {"name": "vgg", "batch_norm": False}, "depth": 15}],
        analyses={"lesion": [{"examples": 100}, {"epochs": [0, 5]}], "test": {"crop": 224}},
    )
    case.tracker.start_sweep(sweep, trials=[result.spec], command="")
    case.tracker.start_trial(result.spec)
    case.tracker.finish_trial(result, weights={}, figures={"lesion": b"png"})
    case.tracker.end_sweep("finished")

    stored_sweep, [stored], *_ = case.again().load_sweep("seeds")
    assert stored_sweep == sweep
    assert stored.to_json() == result.to_json()
    assert stored.spec == result.spec
    assert stored.spec.params() == result.spec.params()
    assert [type(m.epoch) for m in stored.history] == [int] * 3
    assert math.isnan(stored.test_error)
    assert stored.analyses["odd"].table["gain"] == [-math.inf, 0.1 + 0.2]


def test_the_list_of_trials_keeps_every_argument_with_its_default(case: Case) -> None:
    specs = [
        make_result(fields={"shortcut": "exclusive_gate", "shortcut.bias": bias}, seed=seed).spec
        for bias in (-6, 0)
        for seed in (0, 1)
    ]
    case.tracker.start_sweep(make_sweep(), trials=specs, command="")
    _, stored = case.again().submitted("seeds")
    assert stored == specs
    assert [spec.params() for spec in stored] == [spec.params() for spec in specs]
    assert {"shortcut.bias", "optimizer.momentum"} <= stored[0].params().keys()


def test_results_come_in_the_order_of_the_trials_and_only_those_that_ended(case: Case) -> None:
    sweep = make_sweep(seeds=4)
    start(case.tracker, sweep)
    for seed in (3, 1, 0):
        run(case.tracker, make_result(seed=seed, status="failed" if seed == 1 else "finished"))
    case.tracker.start_trial(make_result(seed=2).spec)
    results = case.again().load_sweep("seeds").results
    assert [(r.spec.seed, r.status) for r in results] == [(0, "finished"), (1, "failed"), (3, "finished")]


def test_finished_and_diverged_trials_are_complete_and_no_others(case: Case) -> None:
    assert case.tracker.complete_keys() == {}
    start(case.tracker, make_sweep(seeds=4))
    finished, diverged = make_result(seed=0), make_result(seed=1, status="diverged")
    run(case.tracker, finished)
    run(case.tracker, diverged)
    run(case.tracker, make_result(seed=2, status="failed"))
    case.tracker.start_trial(make_result(seed=3).spec)
    found = case.again().complete_keys()
    assert set(found) == {finished.key, diverged.key}
    assert len(set(found.values())) == 2


@pytest.mark.parametrize("interruption", ["killed", "failed", "failed in the same submission"])
def test_an_interrupted_trial_goes_on_in_its_own_record(case: Case, interruption: str) -> None:
    sweep, result = make_sweep(), make_result(seed=0)
    start(case.tracker, sweep)
    case.tracker.start_trial(result.spec)
    case.tracker.log_epoch(result.key, result.history[0])
    if interruption != "killed":
        case.tracker.finish_trial(make_result(seed=0, status="failed"), weights={}, figures={})
    tracker = case.tracker if interruption.endswith("submission") else case.again()
    if tracker is not case.tracker or interruption == "killed":
        start(tracker, sweep)
    run(tracker, result)
    assert case.count_runs(result.key) == 1
    assert set(case.again().complete_keys()) == {result.key}
    [stored] = case.again().load_sweep("seeds").results
    assert stored.to_json() == result.to_json()


def test_a_trial_complete_under_another_sweep_is_found(case: Case) -> None:
    result = make_result(seed=1)
    start(case.tracker, make_sweep("first"))
    run(case.tracker, result)
    case.tracker.end_sweep("finished")
    second = case.again()
    assert set(second.complete_keys()) == {result.key}
    start(second, make_sweep("second"))
    results = case.again().load_sweep("second").results
    assert [r.to_json() for r in results] == [result.to_json()]


def test_a_running_trial_of_another_sweep_is_left_alone(case: Case) -> None:
    result = make_result(seed=0)
    start(case.tracker, make_sweep("first"))
    case.tracker.start_trial(result.spec)
    second = case.again()
    start(second, make_sweep("second"))
    with pytest.raises(LeaseTaken, match=f"trial {result.key} is being trained by sweep 'first' \\(process "):
        second.start_trial(result.spec)
    assert case.count_runs(result.key) == 1
    run(case.tracker, result)
    with pytest.raises(TrialComplete, match=f"trial {result.key} is complete"):
        second.start_trial(result.spec)
    assert case.count_runs(result.key) == 1
    assert [stored.to_json() for stored in case.again().load_sweep("second").results] == [result.to_json()]


def test_a_trial_that_its_sweep_has_left_is_free(case: Case) -> None:
    result = make_result(seed=0)
    start(case.tracker, make_sweep("first"))
    case.tracker.start_trial(result.spec)
    case.tracker.release_sweep()
    second = case.again()
    start(second, make_sweep("second"))
    run(second, result)
    assert [state.status for state in case.again().states("first").values()] == ["finished"]


def test_a_submission_is_closed_however_its_process_leaves_it(case: Case) -> None:
    claim = case.tracker.claim_sweep("seeds")
    assert [(lease.claim.submission, lease.state) for lease in case.again().leases()] == [(claim, "held")]
    case.tracker.release_sweep()
    assert case.again().leases() == []
    with pytest.raises(UnknownSweep):
        case.again().submitted("seeds")

    start(case.tracker, make_sweep())
    case.tracker.start_trial(make_result(seed=0).spec)
    [lease] = case.again().leases()
    assert (lease.claim.sweep, lease.state, lease.keys) == ("seeds", "held", {make_result(seed=0).key})
    case.tracker.release_sweep()
    assert case.again().leases() == []
    assert [state.status for state in case.again().states("seeds").values()] == ["interrupted"]


def test_who_has_lost_the_lease_writes_nothing_more(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process leaves open counts as given up where it begins the sweep again."""
    monkeypatch.setattr("resablate.tracking.mlflow_leases.BEAT_SECONDS", 0.0)
    result = make_result(seed=0)
    start(case.tracker, make_sweep())
    case.tracker.start_trial(result.spec)
    case.tracker.log_epoch(result.key, result.history[0])
    second = case.again()
    start(second, make_sweep())
    writes: list[Callable[[], object]] = [
        case.tracker.keep_alive,
        lambda: case.tracker.note_trial(result.spec),
        lambda: case.tracker.start_trial(make_result(seed=1).spec),
        lambda: case.tracker.log_epoch(result.key, result.history[1]),
        lambda: case.tracker.finish_trial(result, weights={}, figures={}),
        lambda: case.tracker.end_sweep("finished"),
    ]
    for write in writes:
        with pytest.raises(LeaseLost, match=r"the lease of sweep 'seeds' is lost: .*process \d+ on \S+ runs it now"):
            write()
    state = case.again().states("seeds")[result.key]
    assert (state.status, state.epoch) == ("interrupted", 1)
    run(second, result)
    assert case.count_runs(result.key) == 1


def test_a_complete_result_stands_before_a_failed_one(case: Case) -> None:
    start(case.tracker, make_sweep("first"))
    second = case.again()
    start(second, make_sweep("second"))
    run(second, make_result(seed=0, status="failed"))
    run(case.tracker, make_result(seed=0))
    [stored] = case.again().load_sweep("second").results
    assert stored.status == "finished"


def test_the_latest_submission_counts(case: Case) -> None:
    start(case.tracker, make_sweep(seeds=3))
    for seed in range(3):
        run(case.tracker, make_result(seed=seed))
    case.tracker.end_sweep("interrupted")
    second = case.again()
    start(second, make_sweep(seeds=2))
    sweep, results, *_ = case.again().load_sweep("seeds")
    assert sweep.axes["seed"] == (0, 1)
    assert [result.spec.seed for result in results] == [0, 1]


def test_trials_that_a_search_proposes_belong_to_the_submission(case: Case) -> None:
    start(case.tracker, make_sweep("first"))
    reused, new = make_result(seed=1), make_result(seed=0)
    run(case.tracker, reused)
    second = case.again()
    second.start_sweep(make_sweep("second"), trials=[], command="")
    second.note_trial(reused.spec)
    run(second, new)
    results = case.again().load_sweep("second").results
    assert [result.spec.seed for result in results] == [1, 0]


def test_an_unknown_sweep_is_refused_with_the_nearest_names(case: Case) -> None:
    start(case.tracker, make_sweep("shortcut_depth"))
    start(case.tracker, make_sweep("orderings"))
    with pytest.raises(TrackingError, match="no sweep called 'shortcut_dept'; did you mean 'shortcut_depth'") as caught:
        case.again().load_sweep("shortcut_dept")
    assert "there: " in str(caught.value)
    assert "orderings" in str(caught.value)


def test_the_states_of_a_sweep_s_trials(case: Case) -> None:
    """Complete ones count wherever they are; what another sweep began or failed in does not."""
    start(case.tracker, make_sweep("other", seeds=9))
    run(case.tracker, make_result(seed=0))
    run(case.tracker, make_result(seed=5, status="failed", reason="no more memory"))
    case.tracker.start_trial(make_result(seed=6).spec)

    sweep = make_sweep(seeds=6)
    mine = case.again()
    start(mine, sweep)
    run(mine, make_result(seed=1, status="diverged", reason="loss is nan"))
    run(mine, make_result(seed=2, status="failed", reason="disk full"))
    begun = make_result(seed=3)
    mine.start_trial(begun.spec)
    for metrics in begun.history[:2]:
        mine.log_epoch(begun.key, metrics)

    def told() -> list[tuple[str, int, str] | None]:
        states = case.again().states("seeds")
        found = [states.get(sweep.trial(point).key) for point in sweep.points()]
        return [(state.status, state.epoch, state.reason) if state else None for state in found]

    ended = [("finished", 3, ""), ("diverged", 3, "loss is nan"), ("failed", 3, "disk full")]
    assert told() == [*ended, ("running", 2, ""), None, None]
    mine.end_sweep("interrupted")
    assert told() == [*ended, ("interrupted", 2, ""), None, None]
    assert case.again().submitted("seeds") == (sweep, [sweep.trial(point) for point in sweep.points()])

    again = case.again()
    start(again, sweep)
    run(again, make_result(seed=2))
    assert told()[2] == ("finished", 3, "")
    assert case.again().states("nobody's").keys() == {make_result(seed=s).key for s in (0, 1, 2)}
    with pytest.raises(TrackingError, match="no sweep called 'seed'"):
        case.again().submitted("seed")


def test_a_tracker_that_works_is_reachable(case: Case) -> None:
    assert case.tracker.reachable()


def test_a_name_for_both_a_number_and_a_curve_is_refused(case: Case) -> None:
    clash = AnalysisResult(
        summary={"error": 0.1},
        table={"block": [0], "error": [0.2]},
        units={"block": "1", "error": "1"},
        axes={"error": "block"},
    )
    result = make_result(analyses={"mine": clash})
    start(case.tracker, make_sweep())
    case.tracker.start_trial(result.spec)
    with pytest.raises(ValueError, match=r"analysis 'mine': \['error'\] name both a summary number and a curve"):
        case.tracker.finish_trial(result, weights={}, figures={})


def test_calls_out_of_order_are_refused(case: Case) -> None:
    result = make_result(seed=0)
    with pytest.raises(TrackingError, match="start_sweep comes before"):
        case.tracker.start_trial(result.spec)
    start(case.tracker, make_sweep())
    with pytest.raises(TrackingError, match=f"trial {result.key} is not running: start_trial comes before"):
        case.tracker.log_epoch(result.key, result.history[0])


def test_the_hint_is_one_line(case: Case) -> None:
    assert case.tracker.ui_hint()
    assert "\n" not in case.tracker.ui_hint()


def finished(case: Case, folder: Path, **fields: object) -> TrialResult:
    """A finished trial in the records, with weights of the end and of two epochs."""
    result = make_result(analyses={"lesion": make_lesion([0.2, 0.3], baseline=0.1)}, **fields)
    result = result.model_copy(update={"kept_epochs": (0, 2)})
    start(case.tracker, make_sweep())
    case.tracker.start_trial(result.spec)
    case.tracker.finish_trial(result, weights=make_weights(folder, None, 0, 2), figures={})
    case.tracker.end_sweep("finished")
    return result


def make_weights(folder: Path, *epochs: int | None) -> dict[str, Path]:
    """Files under other names than they are stored under; each holds its epoch."""
    files = {weights_file(epoch): folder / f"step-{epoch}" for epoch in epochs}
    for file in files.values():
        file.write_text(file.name)
    return files


def test_a_trial_is_found_by_its_run_and_by_its_key(case: Case, tmp_path: Path) -> None:
    result = finished(case, tmp_path)
    run_id, by_key = case.again().load_trial(result.key)
    assert by_key.to_json() == result.to_json()
    assert case.again().load_trial(run_id)[1].to_json() == result.to_json()
    assert case.again().load_sweep("seeds").run_ids == {result.key: run_id}


def test_the_weights_of_every_epoch_are_stored(case: Case, tmp_path: Path) -> None:
    result = finished(case, tmp_path)
    (tmp_path / "copy").mkdir()
    run_id, _ = case.again().load_trial(result.key)
    for epoch in (None, 0, 2):
        copy = case.again().load_weights_file(run_id, tmp_path / "copy", epoch=epoch)
        assert (copy.name, copy.read_text()) == (weights_file(epoch), f"step-{epoch}")
    with pytest.raises(TrackingError, match=r"no weights of epoch 1 \(it has those of epoch 0, epoch 2, the end\)"):
        case.again().load_weights_file(run_id, tmp_path / "copy", epoch=1)


def test_results_are_read_one_after_another(case: Case) -> None:
    start(case.tracker, make_sweep(seeds=20))
    for seed in reversed(range(19)):
        run(case.tracker, make_result(seed=seed))
    read = case.again().iter_results("seeds")
    run_id, first = next(read)
    assert (first.spec.seed, run_id) == (0, case.again().complete_keys()[first.key])
    assert [result.spec.seed for _, result in read] == list(range(1, 19))
    with pytest.raises(UnknownSweep, match="no sweep"):
        list(case.again().iter_results("nothing"))


def measured(name: str, error: float, *, epoch: int | None = None, **arguments: object) -> Measurement:
    return make_measurement(name, make_lesion([error], baseline=0.1), epoch=epoch, **arguments)


def only(result: TrialResult, *measurements: Measurement, failures: tuple[FailedMeasurement, ...] = ()) -> TrialResult:
    """What an analyst hands over: new measurements of the same trial."""
    return result.model_copy(
        update={"measurements": measurements, "failed_measurements": failures, "kept_epochs": (), "history": ()}
    )


def test_an_amended_trial_holds_what_it_held_and_what_is_new(case: Case, tmp_path: Path) -> None:
    result = finished(case, tmp_path)
    run_id, _ = case.again().load_trial(result.key)
    again, more = measured("lesion", 0.4), measured("lesion", 0.5, examples=100)
    failed = FailedMeasurement(question=Question(Component("spectrum")), reason="no memory")
    case.again().amend_trial(
        run_id, only(result, again, more, failures=(failed,)), weights=make_weights(tmp_path, 1), figures={"a": b"png"}
    )
    record = case.again().load_sweep("seeds")
    assert record.results == [result.with_measurements([again, more], [failed]).model_copy(update=KEPT)]
    assert case.again().complete_keys() == {result.key: run_id}
    assert case.count_runs(result.key) == 1
    assert case.again().load_weights_file(run_id, tmp_path, epoch=1).read_text() == "step-1"


KEPT = {"kept_epochs": (0, 1, 2)}


def test_two_that_amend_one_trial_erase_nothing_of_each_other(case: Case, tmp_path: Path) -> None:
    result = finished(case, tmp_path)
    first, second = case.again(), case.again()
    (run_id, seen), (_, also_seen) = first.load_trial(result.key), second.load_trial(result.key)
    first.amend_trial(run_id, only(seen, measured("mine", 0.4)), figures={})
    second.amend_trial(run_id, only(also_seen, measured("yours", 0.5)), figures={})
    _, stored = case.again().load_trial(run_id)
    assert list(stored.analyses) == ["test", "lesion", "mine", "yours"]
    assert case.again().states("seeds")[result.key].measured == stored.measured


def test_measurements_of_another_trial_are_refused(case: Case, tmp_path: Path) -> None:
    result = finished(case, tmp_path)
    run_id, _ = case.again().load_trial(result.key)
    other = make_result(seed=9)
    with pytest.raises(TrackingError, match=f"holds trial {result.key}, so measurements of trial {other.key} cannot"):
        case.again().amend_trial(run_id, other, weights=make_weights(tmp_path, 1), figures={})
    assert case.again().load_trial(run_id)[1] == result


def test_the_states_tell_which_questions_were_answered(case: Case) -> None:
    sweep = make_sweep()
    start(case.tracker, sweep)
    lesion = make_lesion([0.2], baseline=0.1)
    result = make_result(
        seed=0, analyses={"lesion": lesion}, analyses_by_epoch={1: {"lesion": lesion}}, analysis_errors={"odd": "no"}
    )
    case.tracker.start_trial(result.spec)
    nothing = case.again().states("seeds")[result.key]
    assert (nothing.measured, nothing.unmeasured) == (frozenset(), frozenset())
    run(case.tracker, result)
    state = case.again().states("seeds")[result.key]
    assert state.measured == {
        Question(Component(n), e).id for n, e in (("test", None), ("lesion", None), ("lesion", 1))
    }
    assert state.unmeasured == {Question(Component("odd")).id}
    case.tracker.end_sweep("finished")

    case.again().amend_trial(state.run_id, only(result, measured("odd", 0.1)), figures={})
    state = case.again().states("other")[result.key]
    assert (len(state.measured), state.unmeasured) == (4, frozenset())


def test_more_questions_than_one_tag_holds(case: Case) -> None:
    start(case.tracker, make_sweep())
    result = make_result(seed=0).with_measurements(
        [measured("lesion", 0.1, examples=examples) for examples in range(900)],
        [FailedMeasurement(question=Question(Component("odd"), epoch), reason="") for epoch in range(100)],
    )
    case.tracker.start_trial(result.spec)
    case.tracker.finish_trial(result, weights={}, figures={})
    state = case.again().states("seeds")[result.key]
    assert (state.measured, state.unmeasured) == (result.measured, result.unmeasured)
    assert (len(state.measured), len(state.unmeasured)) == (901, 100)


def test_a_trial_that_is_run_again_has_answered_nothing_yet(case: Case) -> None:
    start(case.tracker, make_sweep())
    pruned = make_result(seed=0, status="pruned", analyses={"lesion": make_lesion([0.2], baseline=0.1)})
    run(case.tracker, pruned)
    assert case.again().states("seeds")[pruned.key].measured == pruned.measured
    case.tracker.start_trial(pruned.spec)
    state = case.again().states("seeds")[pruned.key]
    assert (state.status, state.measured) == ("running", frozenset())


def test_a_search_may_propose_many_trials_that_are_complete(case: Case) -> None:
    case.tracker.start_sweep(make_sweep(), trials=[], command="")
    specs = [make_result(seed=seed).spec for seed in range(300)]
    for spec in specs:
        case.tracker.note_trial(spec)
        case.tracker.note_trial(spec)
    run(case.tracker, make_result(seed=300))
    case.tracker.note_trial(make_result(seed=301).spec)
    case.tracker.end_sweep("finished")
    assert [spec.seed for spec in case.again().submitted("seeds")[1]] == list(range(302))


def test_runs_that_hold_nothing_are_refused(case: Case, tmp_path: Path) -> None:
    result = make_result(seed=0)
    start(case.tracker, make_sweep())
    run(case.tracker, result)
    run_id, _ = case.again().load_trial(result.key)
    with pytest.raises(TrackingError, match=f"run {run_id} stored no weights"):
        case.again().load_weights_file(run_id, tmp_path)
    with pytest.raises(TrackingError, match=f"{'f' * 32}"):
        case.again().load_trial("f" * 32)


def test_what_was_pruned_is_not_complete_and_belongs_to_its_sweep_alone(case: Case) -> None:
    start(case.tracker, make_sweep("pruning", seeds=3))
    pruned = make_result(seed=0, status="pruned", reason="pruned by asha after epoch 3")
    failed = make_result(seed=1, status="failed", reason="no memory")
    finished = make_result(seed=2)
    for result in (pruned, failed, finished):
        run(case.tracker, result)
    case.tracker.end_sweep("finished")
    assert set(case.again().complete_keys()) == {finished.key}
    record = case.again().load_sweep("pruning")
    assert [(r.status, r.reason) for r in record.results] == [(r.status, r.reason) for r in (pruned, failed, finished)]
    assert len(record.results[0].history) == len(pruned.history)

    other = case.again()
    start(other, make_sweep("other", seeds=3))
    record = case.again().load_sweep("other")
    assert [(r.spec.seed, r.status) for r in record.results] == [(2, "finished")]
    assert [spec.seed for spec in record.missing] == [0, 1]
    run(other, make_result(seed=0))
    assert [(r.spec.seed, r.status) for r in case.again().load_sweep("other").results] == [
        (0, "finished"),
        (2, "finished"),
    ]


def test_a_sweep_that_is_not_there_is_told_from_a_store_that_is_not(case: Case) -> None:
    with pytest.raises(UnknownSweep, match="no sweep"):
        case.again().load_sweep("nothing")
    start(case.tracker, make_sweep())
    with pytest.raises(UnknownSweep, match="no sweep called 'nothing'"):
        case.again().load_sweep("nothing")


def test_what_is_set_aside_stays_and_counts_nowhere(case: Case, tmp_path: Path) -> None:
    result = finished(case, tmp_path)
    run_id, _ = case.again().load_trial(result.key)
    keeping = case.again().keeping()
    keeping.supersede(run_id)
    assert case.again().complete_keys() == {}
    assert case.again().states("seeds") == {}
    assert case.again().load_sweep("seeds").results == []
    again = case.again()
    start(again, make_sweep())
    run(again, result)
    assert case.again().complete_keys().keys() == {result.key}
    assert case.again().complete_keys()[result.key] != run_id or isinstance(again, FolderTracker)
    assert len(case.again().load_sweep("seeds").results) == 1


def test_results_say_which_code_made_them(case: Case) -> None:
    start(case.tracker, make_sweep())
    told = make_result(seed=0).model_copy(update={"versions": {"source": "model=1 training=2"}})
    run(case.tracker, told)
    run(case.tracker, make_result(seed=1).model_copy(update={"versions": {}}))
    runs = case.again().complete_keys()
    assert case.again().keeping().made_with(runs.values()) == {runs[told.key]: "model=1 training=2"}
    assert case.again().keeping().made_with([]) == {}


def test_a_sweep_is_forgotten_and_no_other(case: Case) -> None:
    assert case.again().keeping().sweeps() == []
    for name, seed in (("first", 0), ("second", 1)):
        start(case.tracker, make_sweep(name))
        run(case.tracker, make_result(seed=seed))
        case.tracker.end_sweep("finished")
    assert set(case.again().keeping().sweeps()) == {"first", "second"}
    assert case.again().keeping().forget_sweep("first") == 1
    assert case.again().keeping().sweeps() == ["second"]
    assert case.again().complete_keys().keys() == {make_result(seed=1).key}
    with pytest.raises(UnknownSweep, match="no sweep called 'first'"):
        case.again().keeping().forget_sweep("first")
    again = case.again()
    start(again, make_sweep("first"))
    run(again, make_result(seed=0))
    assert len(case.again().load_sweep("first").results) == 2, "the other sweep's counts here too"
