"""Searches in this process: real trials, the tracker as the truth, and what is asked for twice."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from resablate.errors import SpecError
from resablate.plan import SweepPlan
from resablate.report import write_report
from resablate.result import TrialResult
from resablate.scheduling import SweepOutcome, run, run_sweep
from resablate.tracking import MemoryTracker
from resablate.trial import Trial
from tests.factories import make_result
from tests.scheduling.tiny import numbers, tiny_plan
from tests.searches.studies import states, stored

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the study that a test opens beside ours

AXES = {"shortcut": ["identity", "conv1x1"], "learning_rate": {"low": 0.01, "high": 1, "log": True}}


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resablate.figures.draw_all", lambda result: {})


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> MemoryTracker:
    memory = MemoryTracker()
    monkeypatch.setattr(run, "open_tracker", lambda uri: memory)
    return memory


LESION = {"lesion": {"examples": 64}}


def plan(
    name: str = "search", *, axes: dict[str, Any] | None = None, analyses: dict[str, Any] = LESION, **search: Any
) -> SweepPlan:
    given = {"method": "tpe", "trials": 4, **search}
    return tiny_plan(axes or AXES, name=name, search=given, analyses=analyses, epochs=1)


def analyzed(found: list[TrialResult]) -> list[str]:
    """Keys of the trials that were asked more than the test."""
    return [result.key for result in found if "lesion" in result.analyses]


def run_inline(planned: SweepPlan, **request: Any) -> tuple[SweepOutcome, str]:
    text = io.StringIO()
    console = Console(file=text, width=200)
    outcome = run_sweep(planned, scheduler="inline", command="resablate sweep x --inline", console=console, **request)
    return outcome, text.getvalue()


def before_epoch(monkeypatch: pytest.MonkeyPatch, act: Callable[[Trial], None]) -> None:
    prepare = Trial.before_epoch

    def acting(self: Trial) -> None:
        act(self)
        prepare(self)

    monkeypatch.setattr(Trial, "before_epoch", acting)


def results(memory: MemoryTracker, name: str = "search") -> list[TrialResult]:
    return memory.load_sweep(name).results


def test_a_search_runs_is_filed_and_reported_and_a_second_run_does_nothing(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    planned = plan(trials=9, minimize=["val_error", "spectrum/median_condition"], analyses={"spectrum": {}})
    outcome, shown = run_inline(planned)
    assert (outcome.planned, outcome.reused, outcome.counts, outcome.failed) == (9, 0, {"finished": 9}, False)
    assert shown.count("finished, test error") == 9
    assert "[9/9]" in shown
    measured = results(memory)
    study = stored("search")
    assert states(study) == ["COMPLETE"] * 9
    assert [trial.values for trial in study.trials] == [
        [result.history[-1].val_error, result.analyses["spectrum"].summary["median_condition"]] for result in measured
    ]
    sweep = memory.load_sweep("search").sweep
    page = write_report(measured, sweep=sweep, command="", folder=tmp_path / "reports" / "search").read_text()
    for heading in ("Optimization history", "Parameter importance"):
        assert heading in page

    def nothing(trial: Trial) -> None:
        raise AssertionError("nothing is to be run")

    before_epoch(monkeypatch, nothing)
    outcome, shown = run_inline(planned)
    assert (outcome.planned, outcome.reused, outcome.counts, outcome.failed) == (9, 9, {}, False)
    assert "9 of 9 trials are complete already" in shown
    assert [result.key for result in results(memory)] == [result.key for result in measured]
    assert len(stored("search").trials) == 9


def test_a_search_asks_what_it_minimizes_of_networks_that_another_sweep_trained(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    axes = {"shortcut": ["identity", "conv1x1"]}
    run_inline(plan("grid", axes=axes, analyses={}, method="grid", trials=None))
    before = {result.key for result in results(memory, "grid")}

    def nothing(trial: Trial) -> None:
        raise AssertionError("nothing is to be trained")

    before_epoch(monkeypatch, nothing)
    outcome, _ = run_inline(plan(axes=axes, trials=2, minimize=["spectrum/worst_condition"], analyses={"spectrum": {}}))
    assert (outcome.counts, outcome.failed) == ({}, False)
    measured = results(memory)
    assert {result.key for result in measured} <= before
    assert all("spectrum" in result.analyses for result in measured)
    assert len(memory.runs) == 2, "the answers are filed under the runs of the grid"


def test_a_search_that_was_interrupted_ends_as_one_that_was_not(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = MemoryTracker()
    with monkeypatch.context() as patch:
        patch.setattr(run, "open_tracker", lambda uri: undisturbed)
        run_inline(plan("undisturbed", trials=12))
    expected = [numbers(result) for result in results(undisturbed, "undisturbed")]

    started: list[str] = []

    def interrupt(trial: Trial) -> None:
        started.append(trial.spec.key)
        if len(started) == 6:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        before_epoch(patch, interrupt)
        outcome, _ = run_inline(plan(trials=12))
    assert (outcome.planned, outcome.counts, outcome.interrupted) == (12, {"finished": 5}, True)
    assert memory.submissions[-1].status == "interrupted"

    outcome, shown = run_inline(plan(trials=12))
    assert (outcome.planned, outcome.reused, outcome.counts, outcome.failed) == (12, 5, {"finished": 7}, False)
    assert "5 of 12 trials are complete already" in shown
    assert [numbers(result) for result in results(memory)] == expected
    assert states(stored("search")) == ["COMPLETE"] * 5 + ["FAIL"] + ["COMPLETE"] * 7
    assert len(memory.runs) == 12


def test_a_trial_that_fails_is_a_failure_in_the_study_and_the_search_goes_on(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []

    def fail(trial: Trial) -> None:
        started.append(trial.spec.key)
        if len(started) == 2:
            raise RuntimeError("no more memory")

    before_epoch(monkeypatch, fail)
    outcome, _ = run_inline(plan())
    assert (outcome.counts, outcome.interrupted) == ({"finished": 3, "failed": 1}, False)
    assert states(stored("search")) == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    outcome, _ = run_inline(plan())
    assert (outcome.planned, outcome.reused, outcome.not_repeated, outcome.counts) == (4, 3, {"failed": 1}, {}), (
        "the search went on without it"
    )
    outcome, _ = run_inline(plan(), retry=["failed"])
    assert (outcome.planned, outcome.reused, outcome.not_repeated, outcome.counts) == (4, 3, {}, {"finished": 1})
    assert not outcome.failed
    assert states(stored("search")).count("COMPLETE") == 4
    outcome, _ = run_inline(plan())
    assert (outcome.reused, outcome.not_repeated, outcome.counts) == (4, {}, {})


def test_no_more_trials_of_a_search_than_asked_for_and_the_rest_as_if_never_stopped(memory: MemoryTracker) -> None:
    limits = (3, 1, None)
    outcomes = [run_inline(plan(trials=6, analyze_best=1), max_trials=limit)[0] for limit in limits]
    assert [(outcome.planned, outcome.reused, outcome.ended, outcome.remaining) for outcome in outcomes] == [
        (6, 0, 3, 3),
        (6, 3, 1, 2),
        (6, 4, 2, 0),
    ]
    assert [(outcome.interrupted, outcome.failed) for outcome in outcomes] == [(False, False)] * 3
    assert len(analyzed(results(memory))) == 1, "the best of all, not of each part"
    run_inline(plan("whole", trials=6, analyze_best=1))
    assert [result.key for result in results(memory)] == [result.key for result in results(memory, "whole")]


def test_an_objective_that_was_not_measured_is_a_failure_in_the_study_alone(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from resablate.searches import objectives

    monkeypatch.setattr(objectives, "_numbers", lambda name: ())
    outcome, _ = run_inline(plan(trials=1, minimize="spectrum/nothing", analyses={"spectrum": {}}))
    assert outcome.counts == {"finished": 1}
    [trial] = stored("search").trials
    assert trial.state.name == "FAIL"
    assert trial.user_attrs["resablate.reason"].startswith("spectrum/nothing: spectrum gives no 'nothing', but ")


def test_what_another_sweep_completed_is_taken_and_belongs_to_both(memory: MemoryTracker) -> None:
    run_inline(plan("first"))
    outcome, _ = run_inline(plan("second", trials=6))
    assert (outcome.planned, outcome.reused, outcome.counts) == (6, 4, {"finished": 2})
    assert states(stored("second")) == ["COMPLETE"] * 6
    assert [r.key for r in results(memory, "second")][-4:] == [r.key for r in results(memory, "first")] or {
        r.key for r in results(memory, "first")
    } < {r.key for r in results(memory, "second")}
    outcome, _ = run_inline(plan("second", trials=6))
    assert (outcome.reused, outcome.counts) == (6, {})
    assert len(results(memory, "second")) == 6


def test_a_lost_study_is_made_again_from_the_tracker(memory: MemoryTracker, tmp_path: Path) -> None:
    run_inline(plan(seeds=[0, 1]))
    before = [(trial.params, trial.values) for trial in stored("search").trials]
    (tmp_path / "optuna.db").unlink()
    outcome, _ = run_inline(plan(seeds=[0, 1]))
    assert (outcome.planned, outcome.reused, outcome.counts) == (8, 8, {})
    assert [(trial.params, trial.values) for trial in stored("search").trials] == before


def test_analyses_of_the_best_alone(memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = plan(trials=5, analyze_best=2)
    outcome, shown = run_inline(planned)
    assert outcome.counts == {"finished": 5}
    assert not outcome.failed
    measured = results(memory)
    best = sorted(measured, key=lambda result: result.history[-1].val_error)[:2]
    assert set(analyzed(measured)) == {result.key for result in best}
    assert best[0].analyses["lesion"].table["error"], "with the numbers that the sweep asked for"
    questions = [str(measurement.question) for measurement in best[0].measurements]
    assert questions == ["test", "lesion(examples=64)"]
    assert "analyses of the best 2 points: 2 trials" in shown

    outcome, shown = run_inline(planned)
    assert outcome.counts == {}
    assert "analyses of" not in shown, "they are there"
    run_inline(plan("more", trials=5, analyze_best=3))
    assert len(analyzed(results(memory, "more"))) == 3


def test_an_analysis_of_the_best_that_fails_is_told(memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "load_weights_file", lambda run_id, folder, epoch: folder / "gone")
    outcome, _ = run_inline(plan(trials=2, analyze_best=1))
    assert outcome.failed
    assert "gone" in outcome.analysis_problems[0]


def test_pruning_needs_trials_side_by_side(memory: MemoryTracker) -> None:
    with pytest.raises(
        SpecError, match=r"search.pruning: median compares trials .*leave --inline out, or write pruning"
    ):
        run_inline(plan(pruning="median"))
    assert memory.submissions == []


def test_what_a_sweep_pruned_it_leaves_alone_and_another_runs_in_full(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    axes = {"shortcut": ["identity", "conv1x1"]}
    grid: dict[str, Any] = {"axes": axes, "analyses": {}, "method": "grid", "trials": None}
    pruning = plan(pruning="asha", **grid)
    first, second = pruning.identified(None).trials
    memory.start_sweep(pruning.sweep, trials=pruning.trials, command="")
    for spec, status in ((first, "finished"), (second, "pruned")):
        memory.start_trial(spec)
        result = make_result(status=status, reason="pruned by asha after epoch 3").model_copy(update={"spec": spec})
        memory.finish_trial(result, weights={}, figures={})
    monkeypatch.setattr(run, "run_batches_on_ray", None)
    outcome = run_sweep(pruning, scheduler="ray_tune", command="", console=Console(file=io.StringIO()))
    assert (outcome.reused, outcome.not_repeated, outcome.counts, outcome.failed) == (1, {"pruned": 1}, {}, False)
    outcome, _ = run_inline(plan("other", **grid))
    assert (outcome.reused, outcome.counts) == (1, {"finished": 1})
    assert [result.status for result in results(memory, "other")] == ["finished"] * 2
