"""The in-process twin of the MLflow tracker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import final

from resablate.errors import TrackingError, TrialComplete
from resablate.measurement import EpochMetrics
from resablate.result import TrialResult, weights_file
from resablate.spec import TrainSpec
from resablate.sweep import SweepSpec
from resablate.tracking.amending import amended_result, no_weights
from resablate.tracking.cell_records import FEWEST_SEEDS, CellRecord, cell_name, cell_record, sweep_cells
from resablate.tracking.leases import Lease
from resablate.tracking.memory_keeping import MemoryKeeping
from resablate.tracking.memory_leases import MemoryLeases
from resablate.tracking.memory_records import (
    MemoryRun,
    MemorySubmission,
    latest_complete,
    store_result,
    stored_result,
    trial_state,
)
from resablate.tracking.metrics import epoch_points, final_points, new_points
from resablate.tracking.tracker import SweepRecord, SweepStatus, Tracker, TrialState
from resablate.tracking.unknown_sweeps import unknown_sweep


@final
class MemoryTracker(Tracker):
    """Keeps everything in this process. Results pass through their JSON, as they do in MLflow.

    Args:
        beside: a tracker whose records this one shares, as two processes share a server's.

    Attributes:
        submissions: oldest first.
        runs: oldest first.
        cells: sweep and cell -> the means over its seeds.
        reports: sweep -> the pages of its report.
        notes: sweep -> what its report says in short.
    """

    def __init__(self, beside: MemoryTracker | None = None) -> None:
        self.submissions: list[MemorySubmission] = beside.submissions if beside else []
        self.runs: list[MemoryRun] = beside.runs if beside else []
        self._numbers = beside._numbers if beside else count()
        self._by_id: dict[str, MemoryRun] = beside._by_id if beside else {}
        self._incomplete: dict[tuple[str, str], MemoryRun] = beside._incomplete if beside else {}
        """By sweep and key."""
        self.cells: dict[tuple[str, str], CellRecord] = beside.cells if beside else {}
        self.reports: dict[str, dict[str, bytes]] = beside.reports if beside else {}
        self.notes: dict[str, str] = beside.notes if beside else {}
        self._leases = MemoryLeases(beside=beside._leases if beside else None)
        self._current: MemorySubmission | None = None
        self._running: dict[str, MemoryRun] = {}
        """By key: the run that was opened last."""

    def claim_sweep(self, name: str) -> str:
        """Takes the lease of a sweep."""
        revoked, claim = self._leases.claim(name)
        for submission, state in revoked.items():
            self._close(submission, delete=state == "silent")
        return claim

    def adopt_claim(self, claim: str) -> None:
        """Goes on with a lease of these records."""
        self._leases.adopt(claim)

    def keep_alive(self) -> None:
        """Renews the lease."""
        self._leases.renew()

    def release_sweep(self) -> None:
        """Gives the lease back, and closes what is left open."""
        if released := self._leases.release():
            self._close(released)

    def leases(self, *, watch_seconds: float = 0.0) -> list[Lease]:
        """All leases."""
        return self._leases.leases(
            lambda submission: frozenset(run.key for run in self._opened(submission)), watch_seconds=watch_seconds
        )

    def start_sweep(self, sweep: SweepSpec, *, trials: Sequence[TrainSpec], command: str) -> None:
        """Records one submission of a sweep."""
        lease = self._leases.submission_of(sweep.name) or self.claim_sweep(sweep.name)
        self._leases.check()
        self._current = MemorySubmission(sweep, {trial.key: trial for trial in trials}, command, lease)
        self.submissions.append(self._current)

    def note_trial(self, spec: TrainSpec) -> None:
        """Adds a trial to this submission's list, if it is not there."""
        self._leases.check()
        self._submission().trials.setdefault(spec.key, spec)

    def start_trial(self, spec: TrainSpec) -> None:
        """Opens the trial's record: the one of this sweep that is not complete, else a new one."""
        self.note_trial(spec)
        current = self._submission()
        self._check_trial(spec.key, current.lease)
        place = (current.sweep.name, spec.key)
        run = self._incomplete.get(place)
        if run is None:
            run = MemoryRun(f"{next(self._numbers):032x}", place[0], spec, spec.key, current.lease)
            self.runs.append(run)
            self._by_id[run.run_id] = self._incomplete[place] = run
        run.status, run.reason, run.measured, run.submission = None, "", "", current.lease
        self._running[run.key] = run

    def log_epoch(self, spec_key: str, *rows: EpochMetrics) -> None:
        """Files epochs, each once."""
        run = self._open(spec_key)
        self._leases.check()
        for metrics in rows:
            if metrics.epoch not in run.epochs:
                run.epochs.add(metrics.epoch)
                run.points.extend(epoch_points(metrics))

    def finish_trial(self, result: TrialResult, *, weights: Mapping[str, Path], figures: Mapping[str, bytes]) -> None:
        """Files the outcome and closes the record."""
        run = self._open(result.key)
        self._leases.check()
        points = final_points(result)
        for metrics in result.history:
            self.log_epoch(result.key, metrics)
        run.points.extend(points)
        store_result(run, result, weights, figures)
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
        stored = stored_result(run)
        merged = amended_result(stored, result, weights=weights)
        run.points.extend(new_points(merged, before=stored))
        store_result(run, merged, weights, figures)

    def check_results(self, runs: Mapping[str, str]) -> dict[str, str]:
        """Key -> why the result of a trial is none, of those in `runs` that hold none."""
        found: dict[str, str] = {}
        for key, run_id in runs.items():
            try:
                if stored_result(self._run(run_id)).key != key:
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
        self._leases.check()
        submission = self._latest(sweep)
        complete = {key: run for key, run in self._ended(sweep).items() if run.complete}
        planned = Counter(cell_name(spec, submission.sweep) for spec in submission.trials.values())
        for name, results in sweep_cells(map(stored_result, complete.values()), submission.sweep).items():
            if planned[name] >= FEWEST_SEEDS and cell in (None, results[0].spec.cell):
                self.cells[sweep, name] = cell_record(results)

    def file_report(self, sweep: str, folder: Path, *, note: str) -> None:
        """Keeps the pages of a report."""
        self.reports[sweep] = {file.name: file.read_bytes() for file in folder.glob("*.html")}
        self.notes[sweep] = note

    def links(self, sweep: str) -> dict[str, str]:
        """None: there are no pages."""
        return {}

    def end_sweep(self, status: SweepStatus) -> None:
        """Closes the record of the submission."""
        self._leases.check()
        self._submission().status = status
        self._leases.release()

    def complete_keys(self) -> dict[str, str]:
        """Key -> run id of every trial that is complete."""
        return {run.key: run.run_id for run in self.runs if run.complete}

    def states(self, name: str) -> dict[str, TrialState]:
        """Key -> its state, of the trials of a sweep and of those that are complete elsewhere."""
        by_lease = {submission.lease: submission for submission in self.submissions}
        chosen = latest_complete(run for run in self.runs if run.complete or (run.sweep == name and not run.aside))
        return {key: trial_state(run, by_lease[run.submission]) for key, run in chosen.items()}

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
            results=[stored_result(run) for run in found.values()],
            missing=[spec for key, spec in submission.trials.items() if key not in found],
            command=submission.command,
            run_ids={key: run.run_id for key, run in found.items()},
        )

    def iter_results(self, name: str) -> Iterator[tuple[str, TrialResult]]:
        """Run id and result of what `load_sweep` gives."""
        return ((run.run_id, stored_result(run)) for run in self._ended(name).values())

    def load_trial(self, run: str) -> tuple[str, TrialResult]:
        """The run id and the result of one trial."""
        found = self._run(self.complete_keys().get(run, run))
        return found.run_id, stored_result(found)

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
        if self._current is None:
            raise TrackingError("no sweep was started: start_sweep comes before its trials")
        return self._current

    def _check_trial(self, key: str, lease: str) -> None:
        """Raise LeaseTaken if another submission trains the trial or has completed it."""
        others = [run for run in self.runs if run.key == key and run.submission != lease]
        if done := next((run for run in others if run.complete), None):
            raise TrialComplete(f"trial {key} is complete: run {done.run_id} holds its result")
        for run in others:
            if run.status is None and (state := self._leases.check_trial(key, run.submission)):
                self._close(run.submission, delete=state == "silent")

    def _opened(self, lease: str) -> list[MemoryRun]:
        return [run for run in self.runs if run.submission == lease and run.status is None]

    def _close(self, lease: str, *, delete: bool = False) -> None:
        """Close what was written under a lease."""
        for submission in self.submissions:
            if submission.lease == lease and submission.status is None:
                submission.status = "interrupted"
        for run in self._opened(lease) if delete else ():
            self.discard_trial(run.run_id)

    def _latest(self, name: str) -> MemorySubmission:
        for submission in reversed(self.submissions):
            if submission.sweep.name == name:
                return submission
        raise unknown_sweep("memory", name, dict.fromkeys(one.sweep.name for one in self.submissions))

    def _open(self, key: str) -> MemoryRun:
        if key not in self._running:
            raise TrackingError(f"trial {key} is not running: start_trial comes before what it measures")
        return self._running[key]

    def _ended(self, name: str) -> dict[str, MemoryRun]:
        """Key -> its run, in the order of the trials: a complete one of any sweep, else the latest of this one."""
        mine = [run.sweep == name and run.status is not None and not run.aside for run in self.runs]
        ended = (run for run, counts in zip(self.runs, mine, strict=True) if counts or run.complete)
        chosen = latest_complete(ended)
        return {key: chosen[key] for key in self._latest(name).trials if key in chosen}

    def _run(self, run_id: str) -> MemoryRun:
        if run_id not in self._by_id:
            raise TrackingError(f"memory: no run {run_id!r}")
        return self._by_id[run_id]
