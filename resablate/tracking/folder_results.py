"""The results that lie in a folder of records, in short."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import final

from resablate.errors import DamagedResult, TrackingError, TrialComplete
from resablate.result import COMPLETE
from resablate.spec import TrainSpec
from resablate.storage.result_folders import read_result, stamp
from resablate.tracking.tracker import TrialState

log = logging.getLogger(__name__)

RESULTS = "results"
"""In a sweep's folder: a folder for each result."""
_RUN_DIGITS = 32


def run_id_of(place: Path) -> str:
    """Of the folder of a result: the same wherever the records lie."""
    named = f"{place.parents[1].name}/{place.name}"
    return hashlib.sha256(named.encode()).hexdigest()[:_RUN_DIGITS]


@final
class EndedTrials:
    """What the results of all sweeps in a folder say; each is read once, as long as it does not change.

    Args:
        folder: with a folder for each sweep.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[Path, tuple[int, TrialState]] = {}
        """Folder of a result -> its stamp and what it says in short."""

    def states(self, name: str | None) -> dict[str, TrialState]:
        """Key -> its state: of what is complete in any sweep, else of what ended in the sweep called `name`."""
        found: dict[str, TrialState] = {}
        for place in sorted(self._folder.glob(f"*/{RESULTS}/[!.]*")):
            state = self._state(place)
            mine = name is not None and place.parents[1].name == name
            if state and (state.status in COMPLETE or (mine and place.name not in found)):
                found[place.name] = state
        return found

    def specs(self, name: str) -> Iterator[TrainSpec]:
        """The trials that ended in the sweep called `name`."""
        for place in sorted(self._folder.glob(f"{name}/{RESULTS}/[!.]*")):
            with suppress(DamagedResult):  # whoever asks for the states is told
                yield read_result(place).result.spec

    def check(self, runs: Mapping[str, str]) -> dict[str, str]:
        """Key -> why the result of a trial is none, of those in `runs` that hold none."""
        found: dict[str, str] = {}
        for key, run_id in runs.items():
            try:
                place = self.place_of(run_id)
            except TrackingError as error:
                found[key] = str(error)
                continue
            try:
                if read_result(place).result.key != key:
                    found[key] = "it is another trial's"
            except DamagedResult as error:
                found[key] = str(error)
        return found

    def check_not_complete(self, key: str) -> None:
        """Raise TrialComplete if a trial is complete in any sweep."""
        for place in self._folder.glob(f"*/{RESULTS}/{key}"):
            if (state := self._state(place)) and state.status in COMPLETE:
                raise TrialComplete(f"trial {key} is complete: run {state.run_id} holds its result")

    def place_of(self, run_id: str) -> Path:
        """The folder of a result; TrackingError if there is none."""
        for place in self._folder.glob(f"*/{RESULTS}/[!.]*"):
            if run_id_of(place) == run_id:
                return place
        raise TrackingError(f"{self._folder}: no run {run_id!r} with a result")

    def _state(self, place: Path) -> TrialState | None:
        known, now = self._known.get(place), stamp(place)
        if known and known[0] == now:
            return known[1]
        try:
            result = read_result(place).result
        except DamagedResult as error:
            log.warning("%s; it does not count", error)
            return None
        told = (result.status, run_id_of(place), len(result.history), result.reason, result.measured, result.unmeasured)
        self._known[place] = (now, TrialState(*told))
        return self._known[place][1]
