"""The winner of a search and its baseline, trained anew with seeds that the search never used."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from resablate.claims.answering import answer_sweeps
from resablate.errors import SpecError, TrackerAway
from resablate.plan import SweepPlan, checked_plan
from resablate.report import write_report
from resablate.result import TrialResult
from resablate.scheduling import preview, run
from resablate.scheduling.further import FurtherTrainings
from resablate.scheduling.measure import Measured
from resablate.searches.outcomes import best_outcomes
from resablate.sweep import parse_sweep
from resablate.tracking import MemoryTracker
from tests.scheduling.test_inline import before_epoch, results, run_tiny
from tests.scheduling.tiny import BASE

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the study

RANGE = {"low": 0.01, "high": 1, "log": True}
BASE_RATE = 0.001


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> MemoryTracker:
    """The tracker that every sweep of the test uses."""
    found = MemoryTracker()
    monkeypatch.setattr(run, "open_tracker", lambda uri: found)
    monkeypatch.setattr("resablate.figures.draw_all", lambda result: {})
    return found


def searched(*, parts: dict[str, Any] | None = None, **search: Any) -> SweepPlan:
    content = {
        "name": "tiny",
        "base": {**BASE, "dataset.train_examples": 64, "epochs": 1},
        "baseline": {"learning_rate": BASE_RATE},
        "axes": {"learning_rate": RANGE},
        "analyses": {"lesion": {"examples": 64}},
        "search": {"method": "tpe", "trials": 3, "seeds": [0, 4], "analyze_best": 1, "replicate": 2, **search},
        **(parts or {}),
    }
    return checked_plan(lambda: parse_sweep(content), place="tiny.yaml")


def test_the_winner_by_validation_and_the_baseline_get_new_seeds(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plan = searched()
    assert (plan.trial_count, plan.most_trials) == (6, 10)
    assert any("seeds 5 to 6, which the search never uses" in note for note in plan.notes)

    final = plan.identified(None)
    to_come = (preview(final, memory), preview(final, memory, limit=7), preview(final, memory, limit=2))
    assert [(shown.proposed, shown.replicates) for shown in to_come] == [(6, 4), (6, 1), (2, 0)]
    assert {shown.total for shown in to_come} == {10}

    def killed(trial: Any) -> None:
        if (trial.spec.seed, trial.spec.learning_rate) == (6, BASE_RATE):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        before_epoch(patch, killed)
        outcome, _ = run_tiny(plan)
    assert (outcome.interrupted, outcome.counts) == (True, {"finished": 9})
    shown = preview(final, memory)
    assert (len(shown.known), len(shown.todo), shown.proposed, shown.replicates, shown.total) == (10, 1, 0, 0, 10)
    outcome, _ = run_tiny(plan)
    assert (outcome.counts, outcome.failed, outcome.remaining) == ({"finished": 1}, False, 0)
    outcome, _ = run_tiny(plan)
    assert outcome.counts == {}, "a search that was replicated trains nothing"
    assert (preview(final, memory).todo, preview(final, memory).total) == (set(), 10)

    found = results(memory)
    points: dict[float, list[float]] = {}
    for result in found:
        if result.spec.seed in (0, 4):
            points.setdefault(result.spec.learning_rate, []).append(result.history[-1].val_error or 0.0)
    best = min(points, key=lambda rate: sum(points[rate]))
    new = [(result.spec.learning_rate, result.spec.seed) for result in found if result.spec.seed in (5, 6)]
    assert sorted(new) == sorted((rate, seed) for rate in (best, BASE_RATE) for seed in (5, 6))
    asked = [r for r in found if "lesion" in r.analyses]
    assert {(r.spec.learning_rate, r.spec.seed) for r in asked} == {*new, (best, 0), (best, 4)}

    told = answer_sweeps([plan.sweep], found)
    assert told.answers[0].claim.id == "winner"
    assert told.answers[0].shown
    assert told.answers[0].shown.seeds == (2, 2)
    assert told.notes[0] == f"The winner by val_error is learning_rate {best:.3g}."
    assert "Trained anew with seeds 5 to 6, which the search never used, its test error is" in told.notes[1]
    # A search that went on for more trials has a new winner, and the replicates of the one before stay.
    other = next(result for result in found if result.spec.learning_rate not in (best, BASE_RATE))
    before = [other.model_copy(update={"spec": other.spec.model_copy(update={"seed": seed})}) for seed in (5, 6)]
    assert answer_sweeps([plan.sweep], [*before, *found]).notes == told.notes
    page = write_report(found, sweep=plan.sweep, command="x", folder=tmp_path / "report")
    assert all(note in page.read_text() for note in told.notes[:1])


def test_equal_points_are_ordered_by_their_trials(memory: MemoryTracker) -> None:
    plan = searched(seeds=None, analyze_best=None)
    run_tiny(plan)
    tied: list[TrialResult] = []
    for result in results(memory):
        history = tuple(replace(row, val_error=0.5) for row in result.history)
        tied.append(result.model_copy(update={"history": history}))
    assert best_outcomes(tied, plan.sweep, 3) == best_outcomes(tied[::-1], plan.sweep, 3)


def test_points_that_are_known_ahead_have_a_winner_too(memory: MemoryTracker) -> None:
    plan = searched(method="random", trials=2, seeds=None, analyze_best=None)
    shown = preview(plan.identified(None), memory)
    assert (len(shown.todo), shown.proposed, shown.replicates, shown.total) == (2, 0, 4, 6)
    outcome, _ = run_tiny(plan)
    assert (outcome.planned, outcome.counts) == (6, {"finished": 6})
    assert sorted(result.spec.seed for result in results(memory)) == [0, 0, 1, 1, 2, 2]


def test_a_baseline_that_wins_is_replicated_once(memory: MemoryTracker) -> None:
    only = {"axes": {"learning_rate": [BASE_RATE]}}
    plan = searched(parts=only, method="random", trials=1, seeds=None, analyze_best=None)
    outcome, _ = run_tiny(plan)
    assert (outcome.counts, outcome.failed, outcome.remaining) == ({"finished": 3}, False, 0)
    assert (preview(plan.identified(None), memory).todo, len(results(memory))) == (set(), 3)


AWAY = ("states", "load_trial", "load_sweep", "load_weights_file", "amend_trial")


@pytest.fixture
def going_away(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Once training has begun, the records are away at the first two of every kind of request; counts these."""
    away: Counter[str] = Counter()
    begun: list[Any] = []
    before_epoch(monkeypatch, begun.append)
    monkeypatch.setattr("resablate.patience._RETRY_SECONDS", 0.01)

    def failing(name: str) -> Callable[..., Any]:
        real = getattr(MemoryTracker, name)

        def act(self: MemoryTracker, *given: Any, **more: Any) -> Any:
            if begun and away[name] < 2:
                away[name] += 1
                raise TrackerAway("503")
            return real(self, *given, **more)

        return act

    for name in AWAY:
        monkeypatch.setattr(MemoryTracker, name, failing(name))
    return away


def test_records_that_are_away_in_between_are_waited_for(memory: MemoryTracker, going_away: Counter[str]) -> None:
    outcome, _ = run_tiny(searched(method="random", trials=2, seeds=None))
    assert going_away == dict.fromkeys(AWAY, 2)
    assert (outcome.counts, outcome.failed, outcome.remaining) == ({"finished": 6}, False, 0)
    answered = [result.spec.seed for result in results(memory) if "lesion" in result.analyses]
    assert sorted(answered) == [0, 1, 1, 2, 2], "of the best point by itself, and of all new trainings"


def test_waiting_for_records_ends_with_a_stop(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def away(self: MemoryTracker, name: str) -> None:
        raise TrackerAway("503")

    monkeypatch.setattr(MemoryTracker, "states", away)
    monkeypatch.setattr("resablate.patience._RETRY_SECONDS", 0.01)
    looks: list[bool] = []

    def stopped() -> bool:
        looks.append(len(looks) == 2)
        return looks[-1]

    plan = searched(method="random", trials=2, seeds=None).identified(None)
    knobs: dict[str, Any] = {"spool": tmp_path, "measure": lambda trials: Measured(), "console": Console()}
    further = FurtherTrainings(plan, memory, stop=stopped, **knobs)
    assert further.next(lambda spec: None) == []
    assert looks == [False, False, True]


@pytest.mark.parametrize(
    ("search", "parts", "told"),
    [
        ({"replicate": 1}, {}, "search.replicate: .*greater than or equal to 2, got 1"),
        ({"replicate": None}, {}, "baseline: is what search.replicate compares the winner with"),
        ({"minimize": ["val_error", "val_loss"]}, {}, "search.replicate: needs one winner, and minimize is"),
        ({}, {"search": {"replicate": 2}, "axes": {"shortcut": ["identity"]}}, "search.replicate: grid chooses no"),
        ({}, {"baseline": {"seed": 3}}, "baseline.seed: the baseline gets the same new seeds"),
        ({}, {"baseline": {"dataset": "synthetic"}}, "baseline.dataset: winner and baseline are compared on the same"),
        ({}, {"baseline": {"depht": 3}}, "baseline.depht: no such field"),
        ({}, {"baseline": {"depth": 9}}, "baseline: depth: "),
    ],
)
def test_mistakes(search: dict[str, Any], parts: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        searched(parts=parts, **search)
