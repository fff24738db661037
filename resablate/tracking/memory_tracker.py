"""The in-process twin of the MLflow tracker."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import final

from resablate.errors import TrackingError, UnknownSweep, nearest
from resablate.measurement import EpochMetrics
from resablate.result import COMPLETE, RESULT_FILE, Status, TrialResult, weights_file
from resablate.spec import TrainSpec
from resablate.statistics.replicates import cells
from resablate.sweep import SweepSpec
from resablate.tracking.amending import amended_result, no_weights
from resablate.tracking.cell_records import FEWEST_SEEDS, CellRecord, cell_record
from resablate.tracking.measured_tags import measured_tags, read_measured
from resablate.tracking.memory_keeping import MemoryKeeping
from resablate.tracking.metrics import MetricPoint, epoch_points, final_points, new_points
from resablate.tracking.tracker import SweepRecord, SweepStatus, Tracker, TrialState


@dataclass
class MemoryRun:
    """The record of one trial."""

    run_id: str
    sweep: str
    spec: TrainSpec
    key: str
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
    status: SweepStatus | None = None


@final
class MemoryTracker(Tracker):
    """Keeps everything in this process. Results pass through their JSON, as they do in MLflow.

    Attributes:
        submissions: oldest first.
        runs: oldest first.
        cells: sweep and cell -> the means over its seeds.
        reports: sweep -> the pages of its report.
        notes: sweep -> what its report says in short.
    """

    def __init__(self) -> None:
        self.submissions: list[MemorySubmission] = []
        self.runs: list[MemoryRun] = []
        self._numbers = count()
        self._by_id: dict[str, MemoryRun] = {}
        self._incomplete: dict[tuple[str, str], MemoryRun] = {}
        """By sweep and key."""
        self.cells: dict[tuple[str, str], CellRecord] = {}
        self.reports: dict[str, dict[str, bytes]] = {}
        self.notes: dict[str, str] = {}
        self._running: dict[str, MemoryRun] = {}
        """By key: the run that was opened last."""

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
        place = (self._submission().sweep.name, spec.key)
        run = self._incomplete.get(place)
        if run is None:
            run = MemoryRun(run_id=f"{next(self._numbers):032x}", sweep=place[0], spec=spec, key=spec.key)
            self.runs.append(run)
            self._by_id[run.run_id] = self._incomplete[place] = run
        run.status, run.reason, run.measured = None, "", ""
        self._running[run.key] = run

    def log_epoch(self, spec_key: str, *rows: EpochMetrics) -> None:
        """Files epochs, each once."""
        run = self._open(spec_key)
        for metrics in rows:
            if metrics.epoch not in run.epochs:
                run.epochs.add(metrics.epoch)
                run.points.extend(epoch_points(metrics))

    def finish_trial(self, result: TrialResult, *, weights: Mapping[str, Path], figures: Mapping[str, bytes]) -> None:
        """Files the outcome and closes the record."""
        run = self._open(result.key)
        points = final_points(result)
        for metrics in result.history:
            self.log_epoch(result.key, metrics)
        run.points.extend(points)
        _store(run, result, weights, figures)
        run.status, run.reason = result.status, result.reason
        del self._running[result.key]
        if run.complete:
            del self._incomplete[run.sweep, run.key]

    def amend_trial(
        self,
        run_id: str,
        result: TrialResult,
        *,
        weights: Mapping[str, Path] = {},
        figures: Mapping[str, bytes],
    ) -> None:
        """Adds measurements to a trial that has ended."""
        run = self._run(run_id)
        stored = _result(run)
        merged = amended_result(stored, result, weights=weights)
        run.points.extend(new_points(merged, before=stored))
        _store(run, merged, weights, figures)

    def check_results(self, runs: Mapping[str, str]) -> dict[str, str]:
        """Key -> why the result of a trial is none, of those in `runs` that hold none."""
        found: dict[str, str] = {}
        for key, run_id in runs.items():
            try:
                if _result(self._run(run_id)).key != key:
                    found[key] = "it is another trial's"
            except (ValueError, TrackingError) as error:
                found[key] = str(error).partition("\n")[0]
        return found

    def discard_trial(self, run_id: str) -> None:
        """Removes the record of a trial whose result is damaged."""
        run = self._by_id.pop(run_id)
        self.runs.remove(run)
        self._incomplete.pop((run.sweep, run.key), None)

    def update_cells(self, sweep: str, *, cell: str | None = None) -> None:
        """Brings the means over the seeds of a sweep's cells up to date."""
        submission = self._latest(sweep)
        complete = {key: run for key, run in self._ended(sweep).items() if run.complete}
        for found in cells(_result(run) for run in complete.values()):
            planned = sum(spec.cell == found.key for spec in submission.trials.values())
            if planned >= FEWEST_SEEDS and cell in (None, found.key):
                self.cells[sweep, found.key] = cell_record(found.results)

    def file_report(self, sweep: str, folder: Path, *, note: str) -> None:
        """Keeps the pages of a report."""
        self.reports[sweep] = {file.name: file.read_bytes() for file in folder.glob("*.html")}
        self.notes[sweep] = note

    def links(self, sweep: str) -> dict[str, str]:
        """None: there are no pages."""
        return {}

    def end_sweep(self, status: SweepStatus) -> None:
        """Closes the record of the submission."""
        self._submission().status = status

    def complete_keys(self) -> dict[str, str]:
        """Key -> run id of every trial that is complete."""
        return {run.key: run.run_id for run in self.runs if run.complete}

    def states(self, name: str) -> dict[str, TrialState]:
        """Key -> its state, of the trials of a sweep and of those that are complete elsewhere."""
        latest = {submission.sweep.name: submission for submission in self.submissions}
        chosen = _latest_complete(run for run in self.runs if run.complete or (run.sweep == name and not run.aside))
        return {key: _state(run, latest[run.sweep]) for key, run in chosen.items()}

    def submitted(self, name: str) -> tuple[SweepSpec, list[TrainSpec]]:
        """What the latest submission of the sweep called `name` asked for."""
        submission = self._latest(name)
        return submission.sweep, list(submission.trials.values())

    def reachable(self) -> bool:
        """Always."""
        return True

    def load_sweep(self, name: str) -> SweepRecord:
        """The latest submission of the sweep called `name` and its results so far."""
        submission, found = self._latest(name), self._ended(name)
        return SweepRecord(
            sweep=submission.sweep,
            results=[_result(run) for run in found.values()],
            missing=[spec for key, spec in submission.trials.items() if key not in found],
            command=submission.command,
            run_ids={key: run.run_id for key, run in found.items()},
        )

    def iter_results(self, name: str) -> Iterator[tuple[str, TrialResult]]:
        """Run id and result of what `load_sweep` gives."""
        return ((run.run_id, _result(run)) for run in self._ended(name).values())

    def load_trial(self, run: str) -> tuple[str, TrialResult]:
        """The run id and the result of one trial."""
        found = self._run(self.complete_keys().get(run, run))
        return found.run_id, _result(found)

    def load_weights_file(self, run_id: str, folder: Path, *, epoch: int | None = None) -> Path:
        """A copy of weights that a run stored."""
        files, name = self._run(run_id).files, weights_file(epoch)
        if name not in files:
            raise TrackingError(f"memory: {no_weights(run_id, files, epoch=epoch)}")
        (folder / name).write_bytes(files[name])
        return folder / name

    def keeping(self) -> MemoryKeeping:
        """What a person does with the records."""
        return MemoryKeeping(self)

    def ui_hint(self) -> str:
        """How to look at the records."""
        return "Kept in memory only: the records are gone when this process ends."

    def _submission(self) -> MemorySubmission:
        if not self.submissions:
            raise TrackingError("no sweep was started: start_sweep comes before its trials")
        return self.submissions[-1]

    def _latest(self, name: str) -> MemorySubmission:
        for submission in reversed(self.submissions):
            if submission.sweep.name == name:
                return submission
        known = list(dict.fromkeys(submission.sweep.name for submission in self.submissions))
        there = ", ".join(known) or "none"
        raise UnknownSweep(f"memory: no sweep called {name!r}{nearest(name, known)} (there: {there})")

    def _open(self, key: str) -> MemoryRun:
        if key not in self._running:
            raise TrackingError(f"trial {key} is not running: start_trial comes before what it measures")
        return self._running[key]

    def _ended(self, name: str) -> dict[str, MemoryRun]:
        """Key -> its run, in the order of the trials: a complete one of any sweep, else the latest of this one."""
        mine = [run.sweep == name and run.status is not None and not run.aside for run in self.runs]
        ended = (run for run, counts in zip(self.runs, mine, strict=True) if counts or run.complete)
        chosen = _latest_complete(ended)
        return {key: chosen[key] for key in self._latest(name).trials if key in chosen}

    def _run(self, run_id: str) -> MemoryRun:
        if run_id not in self._by_id:
            raise TrackingError(f"memory: no run {run_id!r}")
        return self._by_id[run_id]


def _latest_complete(runs: Iterable[MemoryRun]) -> dict[str, MemoryRun]:
    """Key -> its run: a complete one before another, then the latest of `runs`, which come oldest first."""
    chosen: dict[str, MemoryRun] = {}
    for run in runs:
        if run.complete or run.key not in chosen or not chosen[run.key].complete:
            chosen[run.key] = run
    return chosen


def _state(run: MemoryRun, latest: MemorySubmission) -> TrialState:
    status = run.status or ("running" if latest.status is None else "interrupted")
    measured, unmeasured = read_measured(run.measured)
    return TrialState(status, run.run_id, max(run.epochs, default=0), run.reason, measured, unmeasured)


def _store(run: MemoryRun, result: TrialResult, weights: Mapping[str, Path], figures: Mapping[str, bytes]) -> None:
    run.files |= {name: file.read_bytes() for name, file in weights.items()}
    run.files |= {f"figures/{name}.png": image for name, image in figures.items()}
    run.files[RESULT_FILE] = result.to_json().encode()
    run.measured = " ".join(measured_tags(result).values())


def _result(run: MemoryRun) -> TrialResult:
    if RESULT_FILE not in run.files or run.status is None:
        raise TrackingError(f"memory: run {run.run_id} holds no result: it has not ended")
    return TrialResult.from_json(run.files[RESULT_FILE])
