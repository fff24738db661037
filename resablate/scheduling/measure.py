"""What a submission asks of trials that finished before, and of the best ones at its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from resablate.answerable import questions_for
from resablate.patience import until_answered
from resablate.plan import SweepPlan
from resablate.question import Question, missing_questions
from resablate.result import TrialResult
from resablate.scheduling.analyze import analyze_trials
from resablate.scheduling.found_trials import StoredTrial
from resablate.scheduling.inline import Scheduler
from resablate.scheduling.status import TrialStatus
from resablate.searches.outcomes import best_outcomes
from resablate.tracking import Tracker


class Measured(NamedTuple):
    """What came of it."""

    measured: int = 0
    """Trials that answered."""
    problems: tuple[str, ...] = ()
    """One line for each question that got no answer."""

    def __add__(self, other: Measured) -> Measured:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Both together."""
        return Measured(self.measured + other.measured, (*self.problems, *other.problems))


def measure_missing(
    plan: SweepPlan,
    trials: Sequence[TrialStatus],
    tracker: Tracker,
    *,
    scheduler: Scheduler,
    data_root: Path | None,
    console: Console,
    stop: Callable[[], bool] = lambda: False,
) -> Measured:
    """Put the questions that finished trials were not asked to their networks, without training.

    Raises:
        TrackerAway: if the records are away, and waiting for them is stopped.
    """
    if not trials:
        return Measured()
    console.print(f"{len(trials)} trials finished before and are asked what they were not asked yet", highlight=False)
    stored = [
        StoredTrial(
            *until_answered(partial(tracker.load_trial, trial.run_id), stop=stop),
            trial.missing,
            plan.sweep.label(trial.spec),
        )
        for trial in trials
    ]
    return _measured(plan, stored, tracker, scheduler=scheduler, data_root=data_root, console=console, stop=stop)


def answer_now(
    plan: SweepPlan,
    tracker: Tracker,
    run_id: str,
    result: TrialResult,
    questions: tuple[Question, ...],
    *,
    data_root: Path | None,
    console: Console,
    stop: Callable[[], bool] = lambda: False,
) -> TrialResult:
    """The result of a trained network with its answers to `questions`, measured in this process and filed.

    A search waits for it: what it minimizes of a trial that another sweep has completed, but did not ask.
    """
    stored = StoredTrial(run_id, result, questions, plan.sweep.label(result.spec))
    _measured(plan, [stored], tracker, scheduler="inline", data_root=data_root, console=console, stop=stop)
    return tracker.load_trial(run_id)[1]


def measure_best(
    plan: SweepPlan,
    tracker: Tracker,
    *,
    scheduler: Scheduler,
    data_root: Path | None,
    console: Console,
    stop: Callable[[], bool] = lambda: False,
) -> Measured:
    """Put the sweep's questions to the trials of its `search.analyze_best` best points, where they lack an answer."""
    sweep = plan.sweep
    if sweep.search.analyze_best is None:
        return Measured()
    record = until_answered(partial(tracker.load_sweep, sweep.name), stop=stop)
    best = best_outcomes(record.results, sweep, sweep.search.analyze_best)
    stored = [
        StoredTrial(record.run_ids[result.key], result, missing, sweep.label(result.spec))
        for outcome in best
        for result in outcome.results
        if result.status == "finished"
        and (
            missing := missing_questions(
                questions_for(result.spec, plan.asked), measured=result.measured, unmeasured=result.unmeasured
            )
        )
    ]
    if not stored:
        return Measured()
    console.print(f"analyses of the best {len(best)} points: {len(stored)} trials", highlight=False)
    return _measured(plan, stored, tracker, scheduler=scheduler, data_root=data_root, console=console, stop=stop)


def _measured(
    plan: SweepPlan,
    stored: Sequence[StoredTrial],
    tracker: Tracker,
    *,
    scheduler: Scheduler,
    data_root: Path | None,
    console: Console,
    stop: Callable[[], bool],
) -> Measured:
    outcome = analyze_trials(
        stored,
        tracker=tracker,
        resources=plan.sweep.resources,
        scheduler=scheduler,
        data_root=data_root,
        say=lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True),
        stop=stop,
    )
    return Measured(len(outcome.results), outcome.problems)
