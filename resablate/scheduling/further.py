"""What a sweep trains next, once what it has trained has ended: by the stored results alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import final

from rich.console import Console

from resablate.claims.answering import round_words
from resablate.claims.rounds import Followed, follow_rounds
from resablate.failures import failed_result
from resablate.plan import SweepPlan
from resablate.result import COMPLETE, TrialResult
from resablate.scheduling.status import TrialStatus, trial_statuses
from resablate.spec import TrainSpec
from resablate.storage.spool import spooled
from resablate.tracking import Tracker

Measure = Callable[[Sequence[TrialStatus]], object]
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
        self._keep(spooled(self._spool).values())
        found = {key: self._read[key] for key in wanted if key in self._read}
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

    def _keep(self, results: Iterable[TrialResult]) -> None:
        self._read |= {result.key: result for result in results if result.status in COMPLETE}


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
        self._known: dict[str, TrainSpec] = {}
        self._asked: set[str] = set()
        self.added: list[TrainSpec] = []
        """Trainings that came in after the first ones."""
        self.reused = 0
        """How many of these were complete already."""
        self.not_repeated = 0
        """How many of these had failed before, and are not run again."""

    def begin(self) -> SweepPlan:
        """The plan with the trainings that the sweep consists of by now."""
        wanted = self._wanted()
        self._known = {spec.key: spec for spec in wanted}
        return replace(self._plan, trials=wanted)

    def next(self) -> list[TrainSpec]:
        """The trainings that are to be run now that the earlier ones have ended; none where the sweep is through."""
        while new := [spec for spec in self._wanted() if spec.key not in self._known]:
            self._known |= {spec.key: spec for spec in new}
            self.added += new
            ended = self._stored.of(new)
            self.reused += sum(result.status in COMPLETE for result in ended.values())
            self.not_repeated += sum(result.status not in COMPLETE for result in ended.values())
            if to_run := [spec for spec in new if spec.key not in ended]:
                return to_run
        return []

    def _wanted(self) -> tuple[TrainSpec, ...]:
        while True:
            followed = follow_stored(self._plan, self._stored)
            if followed is None:
                return self._plan.trials
            wanted = self._plan.replicates(followed.standing.counts)
            if not (lacking := self._lacking(wanted)):
                self._console.print(f"seeds: {round_words(followed.standing)}", markup=False, highlight=False)
                return wanted
            self._measure(lacking)
            self._stored.forget(trial.spec.key for trial in lacking)

    def _lacking(self, wanted: Sequence[TrainSpec]) -> list[TrialStatus]:
        """Trained networks that were not asked everything: what is decided may hang on the answers."""
        plan = self._plan
        found = trial_statuses(wanted, sweep=plan.sweep.name, tracker=self._tracker, asked=plan.questions)
        lacking = [trial for trial in found if trial.missing and trial.run_id and trial.spec.key not in self._asked]
        self._asked |= {trial.spec.key for trial in lacking}
        return lacking


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
