"""What a sweep trains next, once what it has trained has ended: by the stored results alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import final

from rich.console import Console

from resablate.claims.answering import round_words
from resablate.errors import TrackerAway
from resablate.patience import until_answered
from resablate.plan import SweepPlan
from resablate.result import COMPLETE, Status
from resablate.scheduling.measure import Measured
from resablate.scheduling.pending import PendingTrials
from resablate.scheduling.status import TrialStatus, trial_statuses
from resablate.scheduling.stored import StoredResults, wanted_replicates, wanted_trainings
from resablate.spec import TrainSpec
from resablate.tracking import Tracker

Measure = Callable[[Sequence[TrialStatus]], Measured]
"""Trained networks -> asked what they were not asked yet, and filed."""


@final
class FurtherTrainings:
    """Plans a sweep's trainings in rounds: which there are by now, and which are added as others end.

    Everything follows from the stored results, so that a sweep that was interrupted goes on with the same trainings,
    and one that is decided has none.

    Args:
        plan: with final keys.
        tracker: holds the records.
        spool: of the sweep, with what waits to be filed.
        measure: asks trained networks of other sweeps what this one asks, before anything is decided by it.
        console: told of each round.
        retry: statuses; trainings that ended so are run again.
        stop: whether to wait no longer for records that are away.
    """

    def __init__(
        self,
        plan: SweepPlan,
        tracker: Tracker,
        *,
        spool: Path,
        measure: Measure,
        console: Console,
        retry: Collection[Status] = (),
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._plan = plan
        self._stop = stop
        self._stored = StoredResults(plan.sweep.name, tracker, spool, stop=stop)
        self._tracker = tracker
        self._measure = measure
        self._retry = retry
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

    @property
    def waits(self) -> bool:
        """Whether something follows from what has ended already."""
        new = [spec for spec in self._wanted() if spec.key not in self._known]
        ended = self._stored.of(new)
        return any(spec.key not in ended or ended[spec.key].status in self._retry for spec in new)

    def follow(self, pending: PendingTrials) -> None:
        """Go on from these trainings, and no further than their limit."""
        self._pending = pending

    def next(self, note: Callable[[TrainSpec], object]) -> list[TrainSpec]:
        """The trainings that are to be run now that the earlier ones have ended; none where the sweep is through.

        Records that are away are waited for; where that is stopped, there are none either.

        Args:
            note: adds a training to the record of the submission.
        """
        with suppress(TrackerAway):
            return self._next(note)
        return []

    def _next(self, note: Callable[[TrainSpec], object]) -> list[TrainSpec]:
        while new := [spec for spec in self._wanted() if spec.key not in self._known]:
            self._known |= {spec.key for spec in new}
            self.added += new
            for spec in new:
                note(spec)
            ended = self._stored.of(new)
            ended = {key: result for key, result in ended.items() if result.status not in self._retry}
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
            wanted, standing = wanted_trainings(self._plan, self._stored)
            if standing is None:
                return (*wanted, *self._replicates())
            lacking = [trial for trial in self.lacking(wanted) if trial.spec.key not in self._asked]
            if not lacking:
                self._console.print(f"seeds: {round_words(standing)}", markup=False, highlight=False)
                return wanted
            self._asked |= {trial.spec.key for trial in lacking}
            self.measured += self._measure(lacking)
            self._stored.forget(trial.spec.key for trial in lacking)

    def _replicates(self) -> tuple[TrainSpec, ...]:
        """What replicates the winner of a search, once that has ended."""
        if not self._plan.sweep.search.replicate:
            return ()
        search = self._pending.search if self._pending else None
        if self._plan.adaptive and (search is None or search.left):
            return ()
        before = [trial.spec for trial in self._pending.before.values()] if self._pending else []
        proposed = [*before, *search.specs.values(), *search.reused.values()] if search else self._plan.trials
        return wanted_replicates(self._plan, proposed, self._stored)

    def lacking(self, specs: Sequence[TrainSpec]) -> list[TrialStatus]:
        """Those that finished and were not asked everything: what is decided may hang on the answers."""
        plan = self._plan
        look = partial(trial_statuses, specs, sweep=plan.sweep.name, tracker=self._tracker, asked=plan.questions)
        found = until_answered(look, stop=self._stop)
        return [trial for trial in found if trial.missing and trial.run_id]
