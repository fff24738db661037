"""Seeds in rounds until claims are decided, in this process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resablate.claims import answering, family
from resablate.claims import trials as claim_trials
from resablate.claims.answering import answer_sweeps
from resablate.claims.arms import Arm
from resablate.claims.claim import Claim
from resablate.claims.effects_told import published_answers, told_effects
from resablate.claims.measures import TRAIN_LOSS
from resablate.claims.rules import Lower
from resablate.plan import SweepPlan, plan_sweep
from resablate.report_answers import closings
from resablate.scheduling import preview, run, sweep_standing
from resablate.scheduling.stored import StoredResults, wanted_trainings
from resablate.sweep import parse_sweep
from resablate.tracking import MemoryTracker
from resablate.trial import Trial
from tests.factories import make_outcomes, make_result
from tests.scheduling.test_inline import before_epoch, numbers, results, run_tiny
from tests.scheduling.tiny import BASE

FAST, FAR, NEAR = 0.05, 1e-6, 0.0501
RATES = [FAST, FAR, NEAR]


def _at(rate: float) -> Arm:
    return Arm(f"rate {rate}", {"learning_rate": rate})


LEARNS = Claim(
    "T1",
    "Networks learn at one rate faster than at others.",
    "here",
    Lower(_at(FAST), (_at(FAR), _at(NEAR)), ("learning_rate",), TRAIN_LOSS, 0.001),
)


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> MemoryTracker:
    """The tracker that every sweep of the test uses; one claim, about networks that need not have learned much."""
    found = MemoryTracker()
    monkeypatch.setattr(run, "open_tracker", lambda uri: found)
    monkeypatch.setattr("resablate.figures.draw_all", lambda result: {})
    monkeypatch.setattr(claim_trials, "LEARNED", 2.0)
    for module in (family, answering):
        monkeypatch.setattr(module, "CLAIMS", {"T1": LEARNS})
    return found


def rounds_plan(*, name: str = "tiny", first: int = 3, most: int = 4, **parts: Any) -> SweepPlan:
    base = {**BASE, "dataset.train_examples": 64, "epochs": 4}
    seeds = {"until": "decided", "first": first, "most": most, "claims": "T1"}
    content = {"name": name, "base": base, "axes": {"learning_rate": RATES}, "analyses": {}, "seeds": seeds}
    return plan_sweep(parse_sweep({**content, **parts}))


def trained(memory: MemoryTracker, name: str = "tiny") -> dict[float, list[int]]:
    """Rate -> the seeds that were trained with it."""
    found: dict[float, list[int]] = {}
    for result in results(memory, name):
        found.setdefault(result.spec.learning_rate, []).append(result.spec.seed)
    return {rate: sorted(seeds) for rate, seeds in found.items()}


def count_trainings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, int]]:
    """Rate and seed of every training that begins from now on."""
    begun: list[tuple[float, int]] = []
    before_epoch(
        monkeypatch,
        lambda trial: begun.append((trial.spec.learning_rate, trial.spec.seed)) if not trial.training.epoch else None,
    )
    return begun


def test_decided_cells_get_no_more_trainings_and_equal_ones_go_to_the_most(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun = count_trainings(monkeypatch)
    outcome, shown = run_tiny(rounds_plan())
    assert trained(memory) == {FAST: [0, 1, 2, 3], FAR: [0, 1, 2], NEAR: [0, 1, 2, 3]}
    assert begun[:9] == [(rate, seed) for rate in RATES for seed in (0, 1, 2)]
    assert begun[9:] == [(FAST, 3), (NEAR, 3)]
    assert (outcome.planned, outcome.counts, outcome.remaining, outcome.failed) == (11, {"finished": 11}, 0, False)
    assert "round 1 of 2 (3 seeds of each cell), 0 of 3 cells decided" in shown
    assert "round 2 of 2 (4 seeds of each cell), 1 of 3 cells decided" in shown
    assert "[11/11]" in shown
    assert len(memory.submissions) == 1

    standing = sweep_standing("tiny", tracker=memory)
    assert (standing.rounds, standing.at_most) == ("round 2 of 2 (4 seeds of each cell), 1 of 3 cells decided", 12)
    planned = preview(rounds_plan().identified(None), memory)
    assert (len(planned.known), planned.todo, planned.rounds) == (11, set(), standing.rounds)

    begun.clear()
    outcome, _ = run_tiny(rounds_plan())
    assert begun == [], "what is decided, or has the most, trains nothing"
    assert (outcome.planned, outcome.reused, outcome.counts) == (11, 11, {})

    record = memory.load_sweep("tiny")
    found = answer_sweeps([record.sweep], record.results, record.missing)
    assert found.followed is not None
    assert found.followed.standing.counts == {
        spec.cell: {FAR: 3}.get(spec.learning_rate, 4) for spec in rounds_plan().identified(None).trials
    }
    [answer] = published_answers(found)
    assert str(answer.verdict) in ("undecided", "equivalent")
    assert answer.shown
    assert [look.comparison.estimate.seeds for look in answer.shown.part.looks] == [(3, 3), (4, 4)]


def test_rounds_go_on_until_the_sweep_s_own_question_is_decided(memory: MemoryTracker, tmp_path: Path) -> None:
    """By the records alone: each time from the start, as a sweep that was interrupted finds them."""
    base = {name: value for name, value in BASE.items() if name != "width"}
    content = {"name": "own", "base": base, "axes": {"width": [4, 6, 8]}, "analyses": {}}
    seeds = {"until": "decided", "first": 3, "most": 5}
    plan = plan_sweep(parse_sweep({**content, "seeds": seeds})).identified(None)
    memory.start_sweep(plan.sweep, trials=plan.trials, command="")
    errors, trained = {4: 0.2, 6: 0.2005, 8: 0.35}, list[list[tuple[int, int]]]()
    while True:
        wanted, standing = wanted_trainings(plan, StoredResults("own", memory, tmp_path / "spool"))
        new = [spec for spec in wanted if spec.key not in memory.complete_keys()]
        if not new:
            break
        trained.append([(spec.width, spec.seed) for spec in new])
        for spec in new:
            error = errors[spec.width] + 0.002 * [0.6, -1.0, 0.3, 0.9, -0.7][(spec.seed + spec.width) % 5]
            result = make_result(error=error, outcomes=make_outcomes(error, seed=spec.seed, count=2000))
            memory.start_trial(spec)
            memory.finish_trial(result.model_copy(update={"spec": spec}), weights={}, figures={})
    assert trained == [[(w, s) for w in (4, 6, 8) for s in (0, 1, 2)], [(4, 3), (6, 3)], [(4, 4), (6, 4)]]
    assert standing
    assert standing.finished
    record = memory.load_sweep("own")
    found = answer_sweeps([record.sweep], record.results, record.missing)
    assert {answer.claim.statement: answer.word for answer in found.answers if answer.claim.own} == {
        "Test error: width 6 against width 4.": "undecided",
        "Test error: width 8 against width 4.": "worse",
    }
    assert [(told.head, told.told) for told in told_effects(found)] == [
        ("test error by width, against width 4", "worse: width 8, undecided: 1")
    ]
    assert [(one.claim, one.seeds, one.verdict) for one in closings(found)] == [
        ("test error", (3, 4, 5), "undecided"),
        ("test error", (3,), "worse"),
    ]
    assert found.tested == 2, "at one level"


@pytest.mark.slow
def test_a_sweep_that_is_killed_in_a_round_goes_on_with_the_same_trainings(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = rounds_plan(name="whole")
    run_tiny(whole)
    expected = {result.key: numbers(result) for result in results(memory, "whole")}
    memory.runs.clear()
    memory.submissions.clear()
    memory.__init__()

    def killed_at(rate: float, seed: int) -> Callable[[Trial], None]:
        def act(trial: Trial) -> None:
            if (trial.spec.learning_rate, trial.spec.seed, trial.training.epoch) == (rate, seed, 2):
                raise KeyboardInterrupt

        return act

    for place in ((FAR, 1), (NEAR, 3)):
        with monkeypatch.context() as patch:
            before_epoch(patch, killed_at(*place))
            outcome, _ = run_tiny(rounds_plan())
        assert outcome.interrupted
    outcome, _ = run_tiny(rounds_plan())
    assert (outcome.counts, outcome.failed) == ({"finished": 1}, False)
    assert {result.key: numbers(result) for result in results(memory)} == expected


@pytest.mark.slow
def test_max_trials_stops_between_rounds_and_in_them(memory: MemoryTracker) -> None:
    for count, left in ((4, 5), (5, 2), (1, 1)):
        outcome, shown = run_tiny(rounds_plan(), max_trials=count)
        assert (outcome.ended, outcome.remaining) == (count, left)
        assert f"[{count}/{count}]" in shown
    run_tiny(rounds_plan())
    assert trained(memory) == {FAST: [0, 1, 2, 3], FAR: [0, 1, 2], NEAR: [0, 1, 2, 3]}


def test_a_training_that_fails_ends_the_rounds_of_its_cell_until_it_is_run_again(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(trial: Trial) -> None:
        if (trial.spec.learning_rate, trial.spec.seed) == (NEAR, 1):
            raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        before_epoch(patch, fail)
        outcome, shown = run_tiny(rounds_plan())
    assert outcome.counts == {"finished": 8, "failed": 1}
    assert trained(memory) == {FAST: [0, 1, 2], FAR: [0, 1, 2], NEAR: [0, 1, 2]}
    assert "round 1 of 2 (3 seeds of each cell), 1 of 3 cells decided, 2 cannot be compared: a training" in shown

    outcome, _ = run_tiny(rounds_plan())
    assert (outcome.not_repeated, outcome.counts) == ({"failed": 1}, {}), "and it does not go round in circles"
    outcome, _ = run_tiny(rounds_plan(), retry=["failed"])
    assert outcome.counts == {"finished": 3}
    assert trained(memory) == {FAST: [0, 1, 2, 3], FAR: [0, 1, 2], NEAR: [0, 1, 2, 3]}


@pytest.mark.slow
def test_trainings_of_another_sweep_count_and_are_asked_first_what_they_were_not(memory: MemoryTracker) -> None:
    run_tiny(rounds_plan(name="other"))
    outcome, _ = run_tiny(rounds_plan(analyses={"lesion": {"examples": 64}}))
    assert (outcome.planned, outcome.reused, outcome.counts, outcome.measured) == (11, 11, {}, 11)
    record = memory.load_sweep("tiny")
    assert len(record.results) == 11
    assert all("lesion" in {m.question.analysis.name for m in result.measurements} for result in record.results)
