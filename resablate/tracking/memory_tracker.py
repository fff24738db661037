"""The in-process twin of the MLflow tracker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from resablate.errors import TrackingError, UnknownSweep, nearest
from resablate.measurement import EpochMetrics
from resablate.result import COMPLETE, RESULT_FILE, WEIGHTS_FILE, Status, TrialResult
from resablate.spec import TrainSpec
from resablate.sweep import SweepSpec
from resablate.tracking.metrics import Point, epoch_points, final_points, new_points
from resablate.tracking.tracker import SweepRecord, SweepStatus, Tracker, TrialState


@dataclass
class MemoryRun:
    """The record of one trial."""

    run_id: str
    sweep: str
    spec: TrainSpec
    status: Status | None = None
    """None while it is running."""
    reason: str = ""
    epochs: set[int] = field(default_factory=set[int])
    points: list[Point] = field(default_factory=list[Point])
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])


@dataclass
class MemorySubmission:
    """The record of one submission of a sweep."""

    sweep: SweepSpec
    trials: dict[str, TrainSpec]
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

    def start_sweep(self, sweep: SweepSpec, *, trials: Sequence[TrainSpec], command: str) -> None:
        """Records one submission of a sweep."""
        self.submissions.append(MemorySubmission(sweep, {trial.key: trial for trial in trials}, command))

    def keep_alive(self) -> None:
        """Nothing: nobody else writes here."""

    def note_trial(self, spec: TrainSpec) -> None:
        """Adds a trial to this submission's list, if it is not there."""
        self._submission().trials.setdefault(spec.key, spec)

    def start_trial(self, spec: TrainSpec) -> None:
        """Opens the trial's record: the one of this sweep that is not complete, else a new one."""
        self.note_trial(spec)
        sweep = self._submission().sweep.name
        for run in reversed(self.runs):
            if (run.sweep, run.spec.key) == (sweep, spec.key) and run.status not in COMPLETE:
                run.status, run.reason = None, ""
                return
        self.runs.append(MemoryRun(run_id=f"{len(self.runs):032x}", sweep=sweep, spec=spec))

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
        run.files[RESULT_FILE] = result.to_json().encode()
        run.files.update({f"figures/{name}.png": image for name, image in figures.items()})
        if weights is not None:
            run.files[WEIGHTS_FILE] = weights.read_bytes()
        run.status, run.reason = result.status, result.reason

    def end_sweep(self, status: SweepStatus) -> None:
        """Closes the record of the submission."""
        self._submission().status = status

    def complete_keys(self) -> dict[str, str]:
        """Key -> run id of every trial that is complete."""
        return {run.spec.key: run.run_id for run in self.runs if run.status in COMPLETE}

    def states(self, name: str) -> dict[str, TrialState]:
        """Key -> how it stands, of the trials of a sweep and of those that are complete elsewhere."""
        chosen: dict[str, MemoryRun] = {}
        for run in reversed(self.runs):
            complete = run.status in COMPLETE
            if (complete or run.sweep == name) and run.spec.key not in chosen:
                chosen[run.spec.key] = run
            elif complete and chosen[run.spec.key].status not in COMPLETE:  # it stands before a later failure
                chosen[run.spec.key] = run
        return {key: self._state(run) for key, run in chosen.items()}

    def _state(self, run: MemoryRun) -> TrialState:
        latest = next(s for s in reversed(self.submissions) if s.sweep.name == run.sweep)
        status = run.status or ("running" if latest.status is None else "interrupted")
        return TrialState(status, run.run_id, max(run.epochs, default=0), run.reason)

    def submitted(self, name: str) -> tuple[SweepSpec, list[TrainSpec]]:
        """What the latest submission of the sweep called `name` asked for."""
        submission = self._latest(name)
        return submission.sweep, list(submission.trials.values())

    def reachable(self) -> bool:
        """Always."""
        return True

    def load_sweep(self, name: str) -> SweepRecord:
        """The latest submission of the sweep called `name` and its results so far."""
        submission = self._latest(name)
        found = {key: run for key in submission.trials if (run := self._ended(key, name))}
        return SweepRecord(
            sweep=submission.sweep,
            results=[_result(run) for run in found.values()],
            missing=[spec for key, spec in submission.trials.items() if key not in found],
            command=submission.command,
            run_ids={key: run.run_id for key, run in found.items()},
        )

    def _latest(self, name: str) -> MemorySubmission:
        for submission in reversed(self.submissions):
            if submission.sweep.name == name:
                return submission
        known = list(dict.fromkeys(submission.sweep.name for submission in self.submissions))
        there = ", ".join(known) or "none"
        raise UnknownSweep(f"memory: no sweep called {name!r}{nearest(name, known)} (there: {there})")

    def load_trial(self, run: str) -> tuple[str, TrialResult]:
        """The run id and the result of one trial."""
        found = self._run(self.complete_keys().get(run, run))
        return found.run_id, _result(found)

    def load_weights_file(self, run_id: str, folder: Path) -> Path:
        """A copy of the weights that a run stored."""
        files = self._run(run_id).files
        if WEIGHTS_FILE not in files:
            raise TrackingError(f"memory: run {run_id} stored no weights")
        (folder / WEIGHTS_FILE).write_bytes(files[WEIGHTS_FILE])
        return folder / WEIGHTS_FILE

    def amend_trial(self, run_id: str, result: TrialResult, *, figures: Mapping[str, bytes]) -> None:
        """Files analyses that were repeated."""
        run = self._run(run_id)
        run.points.extend(new_points(result, before=_result(run)))
        run.files[RESULT_FILE] = result.to_json().encode()
        run.files.update({f"figures/{name}.png": image for name, image in figures.items()})

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

    def _ended(self, key: str, sweep: str) -> MemoryRun | None:
        """Its run: a complete one of any sweep, else the latest of this one."""
        own = [run for run in self.runs if run.spec.key == key and run.status is not None]
        ended = [run for run in own if run.status in COMPLETE or run.sweep == sweep]
        if not ended:
            return None
        return max(enumerate(ended), key=lambda pair: (pair[1].status in COMPLETE, pair[0]))[1]

    def _run(self, run_id: str) -> MemoryRun:
        for run in self.runs:
            if run.run_id == run_id:
                return run
        raise TrackingError(f"memory: no run {run_id!r}")


def _result(run: MemoryRun) -> TrialResult:
    if RESULT_FILE not in run.files:
        raise TrackingError(f"memory: run {run.run_id} holds no result: it has not ended")
    return TrialResult.from_json(run.files[RESULT_FILE])
