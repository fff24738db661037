"""What a submission of a sweep has to run: trainings that have not ended, and questions that were not asked."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from resablate.claims.answering import round_words
from resablate.errors import DamagedResult, SpecError, UnknownSweep
from resablate.plan import SweepPlan
from resablate.question import Question, missing_questions
from resablate.result import COMPLETE, TrialResult
from resablate.scheduling.status import (
    TrialStatus,
    is_run_again,
    may_have_winner,
    points_to_come,
    run_again,
    to_run,
    trial_statuses,
    with_spooled,
)
from resablate.scheduling.stored import StoredResults, check_files_there, wanted_replicates, wanted_trainings
from resablate.searches.points import point_of
from resablate.searches.searcher import Searcher
from resablate.searches.study import unchecked
from resablate.spec import TrainSpec
from resablate.storage.locations import work_folder
from resablate.storage.spool import SPOOL, spooled
from resablate.sweep import SweepSpec
from resablate.tracking import Tracker

log = logging.getLogger(__name__)

Answer = Callable[[str, TrialResult, tuple[Question, ...]], TrialResult]
"""Run id, result and questions of a trained network -> its result with the answers, which are filed."""


@dataclass(frozen=True)
class PendingTrials:
    """The trials of a sweep that have not ended, and those that have."""

    listed: tuple[TrainSpec, ...]
    """Canonical specs; none where a search proposes them."""
    search: Searcher | None
    """What proposes trials one by one."""
    before: Mapping[str, TrialStatus]
    """Key -> the trials that ended before and are not run again."""
    limit: int | None
    """Trials that may be run now; all where None."""

    @property
    def unmeasured(self) -> list[TrialStatus]:
        """Trials that finished before and have not been asked everything."""
        return [trial for trial in self.before.values() if trial.missing]

    def unanswered(self, label: Callable[[TrainSpec], str]) -> list[str]:
        """One line for each question that got no answer before, and is not asked again now."""
        return [
            f"{label(trial.spec)}: {question}: got no answer before (--retry failed asks again)"
            for trial in self.before.values()
            for question in trial.unanswered
            if not trial.missing
        ]

    @property
    def trained_now(self) -> list[TrainSpec]:
        """The trials that were to be trained now."""
        return list(self.search.specs.values()) if self.search else list(self.listed[: self.limit])

    @property
    def trials(self) -> Sequence[TrainSpec] | Searcher:
        """What is to be run now."""
        return self.search or self.listed[: self.limit]

    @property
    def scheduled(self) -> int:
        """How many trials are to be run now."""
        if self.search:
            return self.search.scheduled
        return len(self.listed) if self.limit is None else min(self.limit, len(self.listed))

    @property
    def total(self) -> int:
        """How many trials have not ended, if no point that is still to be proposed repeats another."""
        return self.search.total if self.search else len(self.listed)

    @property
    def planned(self) -> int:
        """How many trials the sweep has."""
        return len(self.before) + len(self.search.reused if self.search else ()) + self.total

    @property
    def reused(self) -> int:
        """How many trials are complete and so are not run."""
        return sum(trial.complete for trial in self.before.values()) + len(self.search.reused if self.search else ())

    @property
    def not_repeated(self) -> dict[str, int]:
        """How many trials ended before without being complete, by status."""
        return dict(Counter(trial.state for trial in self.before.values() if not trial.complete))

    @property
    def known(self) -> list[TrainSpec]:
        """The trials that are not run because they ended before."""
        return [*(trial.spec for trial in self.before.values()), *(self.search.reused.values() if self.search else ())]


@contextmanager
def find_pending(
    plan: SweepPlan,
    tracker: Tracker,
    *,
    spool: Path,
    answer: Answer,
    retry: Collection[str] = (),
    limit: int | None = None,
    stop: Callable[[], bool] = lambda: False,
    check_lease: Callable[[], None] = unchecked,
) -> Generator[PendingTrials]:
    """The trials that have neither ended nor wait to be filed, or the searcher that knows which have.

    Args:
        plan: of the sweep.
        tracker: what it holds has ended.
        spool: of the sweep.
        answer: for a proposed trial that some other sweep has completed without what this one asks.
        retry: statuses; trials of this sweep that ended so are run again.
        limit: run no more than so many; all where None.
        stop: whether a search is to wait no longer for a database that is away.
        check_lease: called before anything is written to the study of a search.
    """
    again = run_again(plan.sweep, retry)
    if not plan.adaptive:
        found = _whole_trials(plan, tracker)
        todo = {spec.key: spec for spec in to_run(found, retry=again)}
        before = {trial.spec.key: _asked_again(trial, again) for trial in found if trial.spec.key not in todo}
        yield PendingTrials(listed=tuple(todo.values()), search=None, before=before, limit=limit)
        return
    complete = tracker.complete_keys()
    ended = _ended(plan.sweep, tracker, spool)
    with Searcher(
        plan.sweep,
        trials_of=plan.point_trials,
        # One that failed counts as well, unless it is to be tried again: the search went on without it.
        past=[result for result in ended.values() if not is_run_again(result.status, result.reason, again)],
        complete=lambda key: completed_result(complete[key], plan, tracker, answer) if key in complete else None,
        limit=limit,
        stop=stop,
        check_lease=check_lease,
    ) as search:
        known = trial_statuses(search.past, sweep=plan.sweep.name, tracker=tracker, asked=plan.questions)
        before = {trial.spec.key: _asked_again(trial, again) for trial in known}
        yield PendingTrials(listed=(), search=search, before=before, limit=limit)


def _whole_trials(plan: SweepPlan, tracker: Tracker) -> list[TrialStatus]:
    """Where the sweep's trials stand, with damaged results out of the way: their trials are run again."""
    while True:
        found = trial_statuses(plan.trials, sweep=plan.sweep.name, tracker=tracker, asked=plan.questions)
        damaged = damaged_results(found, tracker)
        if not damaged:
            return found
        for trial in found:
            if trial.spec.key in damaged:
                tracker.discard_trial(trial.run_id)


def damaged_results(trials: Iterable[TrialStatus], tracker: Tracker) -> dict[str, str]:
    """Key -> why its result is none, of trials that are said to be complete; their number is told in one line."""
    damaged = tracker.check_results(
        {trial.spec.key: trial.run_id for trial in trials if trial.complete and trial.run_id}
    )
    if damaged:
        first = next(iter(damaged.values()))
        log.warning("%d trials are run again, whose results are damaged or missing (%s)", len(damaged), first)
    return damaged


def completed_result(run: str, plan: SweepPlan, tracker: Tracker, answer: Answer) -> TrialResult | None:
    """The result of a complete trial, with everything that a search asks; None where it is damaged."""
    try:
        run_id, result = tracker.load_trial(run)
    except DamagedResult as error:
        log.warning("%s; its trial is run again", error)
        tracker.discard_trial(run)
        return None
    if result.status != "finished" or not plan.adaptive:  # trials that are listed are asked later, all at once
        return result
    questions = plan.questions(result.spec)
    missing = missing_questions(questions, measured=result.measured, unmeasured=result.unmeasured)
    return answer(run_id, result, missing) if missing else result


def _asked_again(trial: TrialStatus, retry: Collection[str]) -> TrialStatus:
    """The trial with the questions that got no answer among the missing ones, where failures are tried again."""
    return trial._replace(missing=(*trial.missing, *trial.unanswered)) if "failed" in retry else trial


def _ended(sweep: SweepSpec, tracker: Tracker, spool: Path) -> dict[str, TrialResult]:
    """Key -> the result of every trial of the sweep that has one, filed or waiting to be."""
    try:
        found = {result.key: result for result in tracker.load_sweep(sweep.name).results}
    except (UnknownSweep, DamagedResult):  # then the search finds them as it finds those of other sweeps
        found = {}
    waiting = spooled(spool)
    return found | {key: waiting[key] for key in waiting if key not in found or found[key].status not in COMPLETE}


class Preview(NamedTuple):
    """What a submission would do."""

    known: list[TrialStatus]
    """The trials of the sweep, as far as they are known."""
    todo: set[str]
    """Keys of those that would run."""
    unmeasured: int
    """Questions that would be put to trials that finished before."""
    proposed: int
    """Trials that a search has still to propose at most, no more than may be run."""
    rounds: str
    """How far the rounds of seeds are; empty where there are none."""
    replicates: int = 0
    """Trainings with new seeds that come at most once the search has ended, no more than may be run."""
    total: int = 0
    """Trials that the sweep has at most, however many may be run."""


def preview(plan: SweepPlan, tracker: Tracker, *, retry: Collection[str] = (), limit: int | None = None) -> Preview:
    """What a submission would do, without doing any of it; arguments as those of `find_pending`."""
    check_files_there(plan, tracker)
    trials: Sequence[TrainSpec] = plan.trials
    stored = StoredResults(plan.sweep.name, tracker, work_folder() / plan.sweep.name / SPOOL)
    rounds = ""
    if plan.sweep.seeds:
        trials, standing = wanted_trainings(plan, stored)
        rounds = round_words(standing) if standing else ""
    submitted: Sequence[TrainSpec] = ()
    with suppress(UnknownSweep, DamagedResult):  # a run writes what is damaged anew
        submitted = tracker.submitted(plan.sweep.name)[1]  # refuses records of an earlier version, as a run does
    if plan.adaptive:
        trials = [spec for spec in submitted if _is_of(spec, plan)]
        trials = with_spooled(trials, plan.sweep.name)
    again = run_again(plan.sweep, retry)
    known = _standing(trials, plan, tracker)
    left = points_to_come(plan.sweep, len(known))
    todo = to_run(known, retry=again)
    to_come = 0
    if plan.sweep.search.replicate and (left or todo):
        ended = {trial.spec.key: trial.state for trial in known if trial.spec not in todo}
        to_come = 2 * len(plan.sweep.new_seeds) if left or may_have_winner(plan.sweep, trials, ended=ended) else 0
    elif plan.sweep.search.replicate:
        known += _standing(wanted_replicates(plan, trials, stored), plan, tracker)
        todo = to_run(known, retry=again)
    total = len(known) + left + to_come
    if limit is not None:
        todo = todo[:limit]
        left = min(left, limit - len(todo))
        to_come = min(to_come, limit - len(todo) - left)
    keys = {spec.key for spec in todo}
    unmeasured = sum(len(_asked_again(trial, again).missing) for trial in known if trial.spec.key not in keys)
    return Preview(known, keys, unmeasured, left, rounds, to_come, total)


def _standing(trials: Sequence[TrainSpec], plan: SweepPlan, tracker: Tracker) -> list[TrialStatus]:
    """Where trials of the plan stand; those whose results are damaged are pending."""
    found = trial_statuses(trials, sweep=plan.sweep.name, tracker=tracker, asked=plan.questions)
    damaged = damaged_results(found, tracker)
    return [trial._replace(state="pending", missing=()) if trial.spec.key in damaged else trial for trial in found]


def _is_of(spec: TrainSpec, plan: SweepPlan) -> bool:
    """Whether the sweep, as it is now, could have asked for the trial."""
    try:
        return spec.key in {asked.key for asked in plan.point_trials(point_of(spec, plan.sweep))}
    except SpecError:
        return False


def check_pruning_inline(sweep: SweepSpec) -> None:
    """Raise SpecError if the sweep prunes: in this process a trial has no others beside it."""
    if sweep.search.pruning != "none":
        raise SpecError(
            f"search.pruning: {sweep.search.pruning} compares trials that run side by side, on Ray; in this process"
            " they run one after another: leave --inline out, or write pruning: none"
        )
