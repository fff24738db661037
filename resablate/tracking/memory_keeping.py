"""What a person does with records in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, final

from resablate.tracking.record_keeping import SUPERSEDED, RecordKeeping

if TYPE_CHECKING:
    from resablate.tracking.memory_tracker import MemoryTracker


@final
class MemoryKeeping(RecordKeeping):
    """Of one tracker."""

    def __init__(self, tracker: MemoryTracker) -> None:
        self._tracker = tracker

    def sweeps(self) -> list[str]:
        """The names of all sweeps, the latest submitted first."""
        return list(dict.fromkeys(submission.sweep.name for submission in reversed(self._tracker.submissions)))

    def made_with(self, run_ids: Iterable[str]) -> dict[str, str]:
        """Run id -> `source` of the versions that a result was made with."""
        found = {run_id: self._tracker.load_trial(run_id)[1].versions.get("source", "") for run_id in run_ids}
        return {run_id: source for run_id, source in found.items() if source}

    def files_away(self, run_ids: Iterable[str]) -> str:
        """Empty: nothing lies anywhere."""
        return ""

    def supersede(self, run_id: str) -> None:
        """Marks the run of a trial that is to be trained again."""
        for run in self._tracker.runs:
            if run.run_id == run_id:
                run.aside = SUPERSEDED

    def forget_sweep(self, name: str) -> int:
        """Removes every record of the sweep called `name`."""
        tracker = self._tracker
        tracker.submitted(name)
        gone = [run for run in tracker.runs if run.sweep == name]
        for run in gone:
            tracker.discard_trial(run.run_id)
        tracker.submissions[:] = [s for s in tracker.submissions if s.sweep.name != name]
        return len(gone)
