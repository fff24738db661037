"""The in-process twin of the MLflow tracker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from resablate.errors import TrackingError, nearest
from resablate.measurement import EpochMetrics
from resablate.result import COMPLETE, Status, TrialResult
from resablate.spec import TrialSpec
from resablate.sweep import SweepSpec
from resablate.tracking.points import Point, epoch_points, final_points
from resablate.tracking.tracker import SweepRecord, SweepStatus, Tracker


@dataclass
class MemoryRun:
    """The record of one trial."""

    run_id: str
    sweep: str
    spec: TrialSpec
    status: Status | None = None
    """None while it is running."""
    epochs: set[int] = field(default_factory=set[int])
    points: list[Point] = field(default_factory=list[Point])
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])


@dataclass
class MemorySubmission:
    """The record of one submission of a sweep."""

    sweep: SweepSpec
    trials: dict[str, TrialSpec]
    """By key."""
    command: str
    status: SweepStatus | None = None


@final
class MemoryTracker(Tracker):
    """Keeps everything in this process. Results pass through their JSON, as they do in MLflow.

    Attributes:
        submissions: oldest first.
        runs: oldest first.
    """

    def __init__(self) -> None:
        self.submissions: list[MemorySubmission] = []
        self.runs: list[MemoryRun] = []

    def start_sweep(self, sweep: SweepSpec, *, trials: Sequence[TrialSpec], command: str) -> None:
        """Records one submission of a sweep."""
        self.submissions.append(MemorySubmission(sweep, {trial.key: trial for trial in trials}, command))

    def note_trial(self, spec: TrialSpec) -> None:
        """Adds a trial to this submission's list, if it is not there."""
        self._submission().trials.setdefault(spec.key, spec)

    def start_trial(self, spec: TrialSpec) -> None:
        """Opens the trial's record: the one of this sweep that is not complete, else a new one."""
        self.note_trial(spec)
        sweep = self._submission().sweep.name
        for run in reversed(self.runs):
            if (run.sweep, run.spec.key) == (sweep, spec.key) and run.status not in COMPLETE:
                run.status = None
                return
        self.runs.append(MemoryRun(run_id=f"run{len(self.runs)}", sweep=sweep, spec=spec))

    def log_epoch(self, spec_key: str, metrics: EpochMetrics) -> None:
        """Files one epoch, once."""
        run = self._running(spec_key)
        if metrics.epoch not in run.epochs:
            run.epochs.add(metrics.epoch)
            run.points.extend(epoch_points(metrics))

    def finish_trial(self, result: TrialResult, *, weights: Path | None, figures: Mapping[str, bytes]) -> None:
        """Files the outcome and closes the record."""
        run = self._running(result.key)
        points = final_points(result)
        for metrics in result.history:
            self.log_epoch(result.key, metrics)
        run.points.extend(points)
        run.files["result.json"] = result.to_json().encode()
        run.files.update({f"figures/{name}.png": image for name, image in figures.items()})
        if weights is not None:
            run.files["weights.safetensors"] = weights.read_bytes()
        run.status = result.status

    def end_sweep(self, status: SweepStatus) -> None:
        """Closes the record of the submission."""
        self._submission().status = status

    def complete_keys(self) -> dict[str, str]:
        """Key -> run id of every trial that is complete."""
        return {run.spec.key: run.run_id for run in self.runs if run.status in COMPLETE}

    def load_sweep(self, name: str) -> SweepRecord:
        """The latest submission of the sweep called `name` and its results so far."""
        for submission in reversed(self.submissions):
            if submission.sweep.name == name:
                found = {key: self._result(key) for key in submission.trials}
                return SweepRecord(
                    sweep=submission.sweep,
                    results=[result for result in found.values() if result is not None],
                    missing=[spec for key, spec in submission.trials.items() if found[key] is None],
                    command=submission.command,
                )
        known = list(dict.fromkeys(submission.sweep.name for submission in self.submissions))
        there = ", ".join(known) or "none"
        raise TrackingError(f"memory: no sweep called {name!r}{nearest(name, known)} (there: {there})")

    def ui_hint(self) -> str:
        """How to look at the records."""
        return "Kept in memory only: the records are gone when this process ends."

    def _submission(self) -> MemorySubmission:
        if not self.submissions:
            raise TrackingError("no sweep was started: start_sweep comes before its trials")
        return self.submissions[-1]

    def _running(self, key: str) -> MemoryRun:
        for run in reversed(self.runs):
            if run.spec.key == key and run.status is None:
                return run
        raise TrackingError(f"trial {key} is not running: start_trial comes before what it measures")

    def _result(self, key: str) -> TrialResult | None:
        ended = [run for run in self.runs if run.spec.key == key and run.status is not None]
        if not ended:
            return None
        newest = max(enumerate(ended), key=lambda pair: (pair[1].status in COMPLETE, pair[0]))[1]
        return TrialResult.from_json(newest.files["result.json"])
