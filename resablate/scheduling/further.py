"""What a sweep trains next, once what it has trained has ended: by the stored results alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import final

from rich.console import Console

from resablate.claims.answering import round_words
from resablate.claims.rounds import Followed, follow_rounds
from resablate.plan import SweepPlan
from resablate.result import COMPLETE, TrialResult, failed_result
from resablate.scheduling.measure import Measured
from resablate.scheduling.pending import PendingTrials
from resablate.scheduling.status import TrialStatus, trial_statuses
from resablate.spec import TrainSpec
from resablate.storage.spool import spooled
from resablate.tracking import Tracker

Measure = Callable[[Sequence[TrialStatus]], Measured]
"""Trained networks -> asked what they were not asked yet, and filed."""


@final
class StoredResults:
    """The results of trainings that have ended, from the records and from what waits to be filed.

    Args:
        sweep: its name.
        tracker: holds the records.
        spool: of the sweep.
    """

    def __init__(self, sweep: str, tracker: Tracker, spool: Path) -> None:
        self._sweep = sweep
        self._tracker = tracker
        self._spool = spool
        self._read: dict[str, TrialResult] = {}
        """Of complete trainings: read once."""

    def of(self, specs: Iterable[TrainSpec]) -> dict[str, TrialResult]:
        """Key -> the result of each of `specs` that is complete, in whichever sweep, or that failed in this one."""
        wanted = {spec.key: spec for spec in specs}
        # What leaves the spool is in the records by then: in this order nothing is missed.
        waiting = {key: result for key, result in spooled(self._spool).items() if key in wanted}
        self._read |= {key: result for key, result in waiting.items() if result.status in COMPLETE}
        found = waiting | {key: self._read[key] for key in wanted if key in self._read}
        if len(found) == len(wanted):
            return found
        for key, state in self._tracker.states(self._sweep).items():
            if key not in wanted or key in found:
                continue
            if state.status in COMPLETE:
                found[key] = self._read[key] = self._tracker.load_trial(state.run_id)[1]
            elif state.status == "failed":
                found[key] = failed_result(wanted[key], state.reason)
        return found

    def forget(self, keys: Iterable[str]) -> None:
        """Read these again when they are asked for: they were asked something more."""
        for key in keys:
            self._read.pop(key, None)


@final
class FurtherTrainings:
    """Plans a sweep's trainings in rounds: which there are by now, and which are added as others end.

    Everything follows from the stored results, so that a sweep that was interrupted goes on with the same trainings,
    and one that is decided has none.

    Args:
        plan: with final keys.
        stored: results.
        tracker: holds the records.
        measure: asks trained networks of other sweeps what this one asks, before anything is decided by it.
        console: told of each round.
    """

    def __init__(
        self, plan: SweepPlan, stored: StoredResults, tracker: Tracker, *, measure: Measure, console: Console
    ) -> None:
        self._plan = plan
        self._stored = stored
        self._tracker = tracker
        self._measure = measure
        self._console = console
        self._known: set[str] = set()
        self._asked: set[str] = set()
        self._pending: PendingTrials | None = None
        self.added: list[TrainSpec] = []
        """Trainings that came in after the first ones."""
        self.trained: list[TrainSpec] = []
        """Those of them that were given to run."""
        self.reused = 0
        """How many of them were complete already."""
        self.failed_before = 0
        """How many of them had failed before, and are not run again."""
        self.measured = Measured()
        """What came of asking trained networks."""

    @property
    def scheduled(self) -> int:
        """How many trainings have been given to run, with those that are pending."""
        return (self._pending.scheduled if self._pending else 0) + len(self.trained)

    @property
    def not_repeated(self) -> dict[str, int]:
        """How many trainings ended before without being complete, by status."""
        found = Counter(self._pending.not_repeated if self._pending else {})
        found.update({"failed": self.failed_before} if self.failed_before else {})
        return dict(found)

    def begin(self) -> SweepPlan:
        """The plan with the trainings that the sweep consists of by now."""
        wanted = self._wanted()
        self._known = {spec.key for spec in wanted}
        return replace(self._plan, trials=wanted)

    def follow(self, pending: PendingTrials) -> None:
        """Go on from these trainings, and no further than their limit."""
        self._pending = pending

    def next(self, note: Callable[[TrainSpec], object]) -> list[TrainSpec]:
        """The trainings that are to be run now that the earlier ones have ended; none where the sweep is through.

        Args:
            note: adds a training to the record of the submission.
        """
        while new := [spec for spec in self._wanted() if spec.key not in self._known]:
            self._known |= {spec.key for spec in new}
            self.added += new
            for spec in new:
                note(spec)
            ended = self._stored.of(new)
            complete = sum(result.status in COMPLETE for result in ended.values())
            self.reused, self.failed_before = self.reused + complete, self.failed_before + len(ended) - complete
            if to_run := [spec for spec in new if spec.key not in ended]:
                limit = self._pending.limit if self._pending else None
                to_run = to_run if limit is None else to_run[: max(0, limit - self.scheduled)]
                self.trained += to_run
                return to_run
        return []

    def _wanted(self) -> tuple[TrainSpec, ...]:
        while True:
            followed = follow_stored(self._plan, self._stored)
            if followed is None:
                return self._plan.trials
            wanted = self._plan.replicates(followed.standing.counts)
            lacking = [trial for trial in self.lacking(wanted) if trial.spec.key not in self._asked]
            if not lacking:
                self._console.print(f"seeds: {round_words(followed.standing)}", markup=False, highlight=False)
                return wanted
            self._asked |= {trial.spec.key for trial in lacking}
            self.measured += self._measure(lacking)
            self._stored.forget(trial.spec.key for trial in lacking)

    def lacking(self, specs: Sequence[TrainSpec]) -> list[TrialStatus]:
        """Those that finished and were not asked everything: what is decided may hang on the answers."""
        plan = self._plan
        found = trial_statuses(specs, sweep=plan.sweep.name, tracker=self._tracker, asked=plan.questions)
        return [trial for trial in found if trial.missing and trial.run_id]


def follow_stored(plan: SweepPlan, stored: StoredResults) -> Followed | None:
    """How far the rounds of a sweep are by the stored results; None where its seeds do not come in rounds."""
    family = plan.family()
    if family is None:
        return None
    most = dict.fromkeys((spec.cell for spec in plan.trials), family.rounds.seeds[-1])
    listed = plan.replicates(most)
    results = stored.of(listed)
    trainings: dict[str, list[TrialResult | None]] = {}
    for spec in listed:
        trainings.setdefault(spec.cell, []).append(results.get(spec.key))
    return follow_rounds(family, trainings)
