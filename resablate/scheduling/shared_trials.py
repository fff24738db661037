"""Trials that another sweep trains at the same time: their results are taken when they are there."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import final

from resablate.patience import patiently
from resablate.result import TrialResult
from resablate.scheduling.progress import SweepProgress
from resablate.searches.searcher import Searcher
from resablate.spec import TrainSpec
from resablate.tracking import Tracker

_POLL_SECONDS = 2.0
"""Between two looks, and up to half as much again, so that two that withdrew at once do not meet again."""


@final
class SharedTrials:
    """Trials that this sweep put off, because another one has leased them.

    Args:
        tracker: where both are recorded.
        take: run id of a complete trial -> its result; None where it is damaged, and its trial is to be run again.
        progress: told of the results.
        search: told of the results, if there is one.
        stop: whether to wait no longer.
    """

    def __init__(
        self,
        tracker: Tracker,
        *,
        take: Callable[[str], TrialResult | None],
        progress: SweepProgress,
        search: Searcher | None,
        stop: Callable[[], bool],
    ) -> None:
        self._tracker = tracker
        self._take = take
        self._progress = progress
        self._search = search
        self._stop = stop
        self._waiting: dict[str, TrainSpec] = {}

    def put_off(self, spec: TrainSpec) -> None:
        """Wait for a trial, once there is nothing else to do."""
        self._waiting[spec.key] = spec

    def next(self, note: Callable[[TrainSpec], object]) -> list[TrainSpec]:
        """The trials that nobody else runs any more; none where all have ended.

        Args:
            note: adds a trial to the record of the submission.
        """
        told = False
        while self._waiting and not self._stop():
            leased = patiently(lambda: self._look(note), stop=self._stop)
            if leased is None:
                break
            if free := [spec for key, spec in self._waiting.items() if key not in leased]:
                self._waiting = {key: spec for key, spec in self._waiting.items() if key in leased}
                return free
            if self._waiting and not told:
                count, sweeps = len(self._waiting), ", ".join(sorted({leased[key] for key in self._waiting}))
                self._progress.say(f"waiting for {count} trials that sweep {sweeps} trains")
                told = True
            if self._waiting:
                time.sleep(_POLL_SECONDS * random.uniform(1.0, 1.5))
        return []

    def _look(self, note: Callable[[TrainSpec], object]) -> dict[str, str]:
        """Take the results that are there; key -> the sweep by which it is leased, of all trials that are."""
        self._take_complete(self._tracker.complete_keys(), note)
        leases = [lease for lease in self._tracker.leases() if lease.taken]
        return {key: lease.claim.sweep for lease in leases for key in lease.keys}

    def _take_complete(self, complete: dict[str, str], note: Callable[[TrainSpec], object]) -> None:
        for key in [key for key in self._waiting if key in complete]:
            if result := self._take(complete[key]):
                spec = self._waiting.pop(key)
                note(spec)
                self._progress.ended_with(result)
                if self._search:
                    self._search.tell(result)
