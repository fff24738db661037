"""What the in-process twin of the MLflow tracker keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from resablate.errors import TrackingError
from resablate.result import COMPLETE, RESULT_FILE, Status, TrialResult
from resablate.spec import TrainSpec
from resablate.sweep import SweepSpec
from resablate.tracking.measured_tags import measured_tags, read_measured
from resablate.tracking.metrics import MetricPoint
from resablate.tracking.tracker import SweepStatus, TrialState


@dataclass
class MemoryRun:
    """The record of one trial."""

    run_id: str
    sweep: str
    spec: TrainSpec
    key: str
    submission: str
    """Of the lease under which it was opened last."""
    status: Status | None = None
    """None while it is running."""
    reason: str = ""
    measured: str = ""
    """The tags of measured questions, joined."""
    epochs: set[int] = field(default_factory=set[int])
    points: list[MetricPoint] = field(default_factory=list[MetricPoint])
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    aside: str = ""
    """Why the run counts nowhere; empty where it counts."""

    @property
    def complete(self) -> bool:
        """Whether the trial is never run again."""
        return self.status in COMPLETE and not self.aside


@dataclass
class MemorySubmission:
    """The record of one submission of a sweep."""

    sweep: SweepSpec
    trials: dict[str, TrainSpec]
    """By key."""
    command: str
    lease: str = ""
    """The lease under which it is written."""
    status: SweepStatus | None = None


def latest_complete(runs: Iterable[MemoryRun]) -> dict[str, MemoryRun]:
    """Key -> its run: a complete one before another, then the latest of `runs`, which come oldest first."""
    chosen: dict[str, MemoryRun] = {}
    for run in runs:
        if run.complete or run.key not in chosen or not chosen[run.key].complete:
            chosen[run.key] = run
    return chosen


def trial_state(run: MemoryRun, submission: MemorySubmission) -> TrialState:
    """The state of the trial of a run, by the submission that opened it last."""
    status = run.status or ("running" if submission.status is None else "interrupted")
    measured, unmeasured = read_measured(run.measured)
    return TrialState(status, run.run_id, max(run.epochs, default=0), run.reason, measured, unmeasured)


def store_result(
    run: MemoryRun, result: TrialResult, weights: Mapping[str, Path], figures: Mapping[str, bytes]
) -> None:
    """Store a result and the files that go with it."""
    run.files |= {name: file.read_bytes() for name, file in weights.items()}
    run.files |= {f"figures/{name}.png": image for name, image in figures.items()}
    run.files[RESULT_FILE] = result.to_json().encode()
    run.measured = " ".join(measured_tags(result).values())


def stored_result(run: MemoryRun) -> TrialResult:
    """The result that a run holds; TrackingError where it holds none."""
    if RESULT_FILE not in run.files or run.status is None:
        raise TrackingError(f"memory: run {run.run_id} holds no result: it has not ended")
    return TrialResult.from_json(run.files[RESULT_FILE])
