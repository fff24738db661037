"""What a person does with records in a folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, final

from resablate.storage.files import remove
from resablate.tracking.record_keeping import SUPERSEDED, RecordKeeping

if TYPE_CHECKING:
    from resablate.tracking.folder_tracker import FolderTracker


@final
class FolderKeeping(RecordKeeping):
    """Of one tracker."""

    def __init__(self, tracker: FolderTracker) -> None:
        self._tracker = tracker

    def sweeps(self) -> list[str]:
        """The names of all sweeps."""
        return self._tracker.sweeps()

    def made_with(self, run_ids: Iterable[str]) -> dict[str, str]:
        """Run id -> `source` of the versions that a result was made with."""
        found = {run_id: self._tracker.load_trial(run_id)[1].versions.get("source", "") for run_id in run_ids}
        return {run_id: source for run_id, source in found.items() if source}

    def files_away(self, run_ids: Iterable[str]) -> str:
        """Empty: records and files are one, and go together."""
        return ""

    def supersede(self, run_id: str) -> None:
        """Moves the result of a trial that is to be trained again out of those that count."""
        place = self._tracker.place_of(run_id)
        aside = place.parents[1] / SUPERSEDED
        aside.mkdir(exist_ok=True)
        place.rename(_free(aside / place.name))

    def forget_sweep(self, name: str) -> int:
        """Removes the folder of the sweep called `name`."""
        self._tracker.submitted(name)
        folder = self._tracker.folder / name
        count = sum(1 for _ in folder.glob("results/[!.]*"))
        remove(folder)
        return count


def _free(place: Path) -> Path:
    """The place, with a number where there is something."""
    number, found = 1, place
    while found.exists():
        number += 1
        found = place.with_name(f"{place.name}-{number}")
    return found
