"""The stored results of a sweep's trainings, and which trainings there are to be by them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar, final

from resablate.claims.rounds import follow_rounds
from resablate.errors import DamagedResult, TrackingError, UnknownSweep
from resablate.patience import until_answered
from resablate.plan import SweepPlan
from resablate.result import COMPLETE, TrialResult, failed_result
from resablate.searches.outcomes import best_outcomes
from resablate.spec import TrainSpec
from resablate.statistics import Standing
from resablate.storage.spool import spooled
from resablate.tracking import Tracker

Read = TypeVar("Read")
_LOST = (
    "resablate sweep FILE --rerun all trains them again",
    "forget the sweeps that they are of with resablate rm",
)
"""Of a sweep that lists its trials, and of a search."""


@final
class StoredResults:
    """The results of trainings that have ended, from the records and from what waits to be filed.

    Args:
        sweep: its name.
        tracker: holds the records.
        spool: of the sweep.
        stop: whether to wait no longer for records that are away.
    """

    def __init__(self, sweep: str, tracker: Tracker, spool: Path, *, stop: Callable[[], bool] = lambda: False) -> None:
        self._stop = stop
        self._sweep = sweep
        self._tracker = tracker
        self._spool = spool
        self._read: dict[str, TrialResult] = {}
        """Of complete trainings: read once."""

    def of(self, specs: Iterable[TrainSpec]) -> dict[str, TrialResult]:
        """Key -> the result of each of `specs` that is complete, in whichever sweep, or that failed in this one.

        Raises:
            TrackerAway: if the records are away, and waiting for them is stopped.
        """
        wanted = {spec.key: spec for spec in specs}
        # What leaves the spool is in the records by then: in this order nothing is missed.
        waiting = {key: result for key, result in spooled(self._spool).items() if key in wanted}
        self._read |= {key: result for key, result in waiting.items() if result.status in COMPLETE}
        found = waiting | {key: self._read[key] for key in wanted if key in self._read}
        if len(found) == len(wanted):
            return found
        for key, state in self._patiently(lambda: self._tracker.states(self._sweep)).items():
            if key not in wanted or key in found:
                continue
            if state.status in COMPLETE:
                load = partial(self._tracker.load_trial, state.run_id)
                with suppress(DamagedResult):  # then it has not ended: it is run again
                    found[key] = self._read[key] = self._patiently(load)[1]
            elif state.status == "failed":
                found[key] = failed_result(wanted[key], state.reason)
        return found

    def _patiently(self, read: Callable[[], Read]) -> Read:
        return until_answered(read, stop=self._stop)

    def forget(self, keys: Iterable[str]) -> None:
        """Read these again when they are asked for: they were asked something more."""
        for key in keys:
            self._read.pop(key, None)


def check_files_there(plan: SweepPlan, tracker: Tracker) -> None:
    """Raise TrackingError if not one file of the complete trials is there: all would be trained again, for nothing.

    Args:
        plan: with final keys.
        tracker: holds the records.
    """
    complete = tracker.complete_keys()
    asked = {spec.key for spec in plan.trials} or _submitted(plan.sweep.name, tracker, complete)
    runs = [run for key, run in complete.items() if key in asked]
    if place := tracker.keeping().files_away(runs):
        raise TrackingError(
            f"{place}: the files of the {len(runs)} complete trials are not there, and nothing was trained or changed:"
            f" put the folder back, or mount its disk; if they are lost, {_LOST[plan.adaptive]}"
        )


def _submitted(name: str, tracker: Tracker, complete: Iterable[str]) -> set[str]:
    """The keys that a search has proposed; all that are complete where the files that say it are not there either."""
    try:
        return {spec.key for spec in tracker.submitted(name)[1]}
    except UnknownSweep:
        return set()
    except DamagedResult:
        return set(complete)


def wanted_trainings(plan: SweepPlan, stored: StoredResults) -> tuple[tuple[TrainSpec, ...], Standing | None]:
    """The trainings that the sweep consists of by now, and how far its rounds are; None where it has none."""
    family = plan.family()
    if family is None:
        return plan.trials, None
    most = dict.fromkeys((spec.cell for spec in plan.trials), family.rounds.seeds[-1])
    listed = plan.replicates(most)
    results = stored.of(listed)
    trainings: dict[str, list[TrialResult | None]] = {}
    for spec in listed:
        trainings.setdefault(spec.cell, []).append(results.get(spec.key))
    standing = follow_rounds(family, trainings).standing
    return plan.replicates(standing.counts), standing


def wanted_replicates(plan: SweepPlan, searched: Sequence[TrainSpec], stored: StoredResults) -> tuple[TrainSpec, ...]:
    """The winner of the search and its baseline with new seeds; nothing while one of its trainings has not ended.

    Args:
        plan: of a sweep with `search.replicate`.
        searched: all trainings of the search.
        stored: results.
    """
    results = stored.of(searched)
    if not searched or any(spec.key not in results for spec in searched):
        return ()
    best = best_outcomes(list(results.values()), plan.sweep, 1)
    return plan.new_replicates(best[0].results[0].spec) if best else ()
