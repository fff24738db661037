"""Records in a plain folder, without a server or a database: for machines without a way out."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from resablate.errors import TrackingError
from resablate.measurement import EpochMetrics
from resablate.result import COMPLETE, TrialResult, weights_file
from resablate.spec import TrainSpec
from resablate.storage.files import move_aside, remove
from resablate.storage.locks import file_lock
from resablate.storage.result_folders import copy_whole, read_result, write_result
from resablate.sweep import SweepSpec
from resablate.tracking.amending import amended_result, no_weights, stored_epochs
from resablate.tracking.folder_keeping import FolderKeeping
from resablate.tracking.folder_leases import RUNNING, Begun, FolderLeases, begun_trials, write_begun
from resablate.tracking.folder_results import RESULTS, EndedTrials, run_id_of
from resablate.tracking.folder_submissions import (
    SUBMISSION,
    Submission,
    move_damaged_aside,
    read_submission,
    read_trials,
    write_submission,
    write_trials,
)
from resablate.tracking.leases import Lease
from resablate.tracking.metrics import final_points, new_points
from resablate.tracking.tracker import SweepRecord, SweepStatus, Tracker, TrialState
from resablate.tracking.trial_lists import RECENT_FILE, TrialList
from resablate.tracking.unknown_sweeps import unknown_sweep


@dataclass
class _Submission:
    sweep: SweepSpec
    folder: Path
    trials: TrialList
    command: str
    running: set[str] = field(default_factory=set[str])
    listing: threading.Lock = field(default_factory=threading.Lock)
    """Trials are noted by two threads: where they begin, and where results are filed."""


@final
class FolderTracker(Tracker):
    """Files results and weights in a folder, from which `resablate sync` files them elsewhere; draws nothing.

    Args:
        folder: for the records, one folder for each sweep; made when the first sweep is started.
    """

    keeps_figures = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._leases = FolderLeases(folder)
        self._current: _Submission | None = None
        self._ended = EndedTrials(folder)

    def claim_sweep(self, name: str) -> str:
        """Takes the lease of a sweep."""
        with self._errors(f"starting sweep {name!r}"):
            return self._leases.claim(name)

    def adopt_claim(self, claim: str) -> None:
        """Goes on with a lease that another process of this sweep has claimed."""
        with self._errors("starting a sweep"):
            self._leases.adopt(claim)

    def keep_alive(self) -> None:
        """Renews the lease."""
        with self._errors("renewing a lease"):
            self._leases.renew()

    def release_sweep(self) -> None:
        """Gives the lease back, and closes what is left open."""
        current = self._current
        with self._errors("closing a sweep"):
            if self._leases.release() and current:
                write_submission(current.folder, current.sweep, command=current.command, status="interrupted")

    def leases(self, *, watch_seconds: float = 0.0) -> list[Lease]:
        """All leases, with what is known of their holders."""
        with self._errors("looking for leases"):
            return self._leases.leases(watch_seconds=watch_seconds)

    def start_sweep(self, sweep: SweepSpec, *, trials: Sequence[TrainSpec], command: str) -> None:
        """Records one submission of a sweep, in the place of the one before."""
        folder = self.folder / sweep.name
        if not self._leases.held_of(sweep.name):
            self.claim_sweep(sweep.name)
        self._leases.check()
        self._current = _Submission(sweep, folder, TrialList(trials), command)
        with self._errors(f"starting sweep {sweep.name!r}"):
            move_damaged_aside(folder)
            remove(folder / RECENT_FILE)
            write_trials(folder, self._current.trials)
            write_submission(folder, sweep, command=command, status=None)

    def note_trial(self, spec: TrainSpec) -> None:
        """Adds a trial to this submission's list, if it is not there."""
        current = self._submission()
        self._leases.check()
        with current.listing, self._errors(f"noting trial {spec.key}"):
            current.trials.add(spec)
            if current.trials.unwritten:
                write_trials(current.folder, current.trials)

    def start_trial(self, spec: TrainSpec) -> None:
        """Leases the trial and opens its record."""
        self.note_trial(spec)
        current = self._submission()
        with self._errors(f"starting trial {spec.key}"), self._leases.locked():
            self._ended.check_not_complete(spec.key)
            self._leases.check_trial(spec.key)
            write_begun(current.folder, spec.key, Begun(0, self._leases.held))
        current.running.add(spec.key)

    def log_epoch(self, spec_key: str, *rows: EpochMetrics) -> None:
        """Notes how many epochs are done; what they gave comes with the result."""
        done = max(metrics.epoch for metrics in rows)
        current = self._submission()
        self._check_running(spec_key)
        with self._errors(f"logging epoch {done} of trial {spec_key}"):
            self._leases.check()
            write_begun(current.folder, spec_key, Begun(done, self._leases.held))

    def finish_trial(self, result: TrialResult, *, weights: Mapping[str, Path], figures: Mapping[str, bytes]) -> None:
        """Files the outcome and closes the record; pictures are drawn when the record is filed elsewhere."""
        current = self._submission()
        self._check_running(result.key)
        final_points(result)
        with self._errors(f"finishing trial {result.key}"):
            self._leases.check()
            write_result(current.folder / RESULTS / result.key, result, weights=weights)
            remove(current.folder / RUNNING / result.key)
        current.running.discard(result.key)

    def amend_trial(
        self,
        run_id: str,
        result: TrialResult,
        *,
        weights: Mapping[str, Path] = {},
        figures: Mapping[str, bytes],
    ) -> None:
        """Adds measurements to a trial that has ended."""
        place = self.place_of(run_id)
        with self._errors(f"amending trial {result.key}"), file_lock(place.with_name(f".{place.name}.lock")):
            stored = read_result(place).result
            merged = amended_result(stored, result, weights=weights)
            new_points(merged, before=stored)
            write_result(place, merged, weights=weights)

    def check_results(self, runs: Mapping[str, str]) -> dict[str, str]:
        """Key -> why the result of a trial is none, of those in `runs` that hold none."""
        return self._ended.check(runs)

    def discard_trial(self, run_id: str) -> None:
        """Moves the record of a trial whose result is damaged aside."""
        with self._errors(f"moving run {run_id}"):
            move_aside(self.place_of(run_id))

    def update_cells(self, sweep: str, *, cell: str | None = None) -> None:
        """Nothing: means over seeds are made where the records are filed from here."""

    def file_report(self, sweep: str, folder: Path, *, note: str) -> None:
        """Nothing: a report lies beside such records."""

    def links(self, sweep: str) -> dict[str, str]:
        """None: there are no pages."""
        return {}

    def end_sweep(self, status: SweepStatus) -> None:
        """Closes the record of the submission."""
        current = self._submission()
        with self._errors(f"ending sweep {current.sweep.name!r}"):
            self._leases.check()
            write_submission(current.folder, current.sweep, command=current.command, status=status)
            self._leases.release()

    def complete_keys(self) -> dict[str, str]:
        """Key -> run id of every trial that is complete."""
        return {key: state.run_id for key, state in self._ended.states(None).items() if state.status in COMPLETE}

    def states(self, name: str) -> dict[str, TrialState]:
        """Key -> its state, of the trials of a sweep and of those that are complete elsewhere."""
        found, folder = self._ended.states(name), self.folder / name
        lease = self._leases.of(name)
        for key, begun in begun_trials(folder).items():
            if key not in found or found[key].status not in COMPLETE:
                status = "running" if lease and begun.lease == lease.submission else "interrupted"
                found[key] = TrialState(status, run_id_of(folder / RESULTS / key), begun.epoch, "", _NONE, _NONE)
        return found

    def submitted(self, name: str) -> tuple[SweepSpec, list[TrainSpec]]:
        """What the latest submission of the sweep called `name` asked for."""
        return self._submitted(name).sweep, self._trials(name)

    def sweeps(self) -> list[str]:
        """The names of the sweeps in the folder."""
        return sorted(path.parent.name for path in self.folder.glob(f"*/{SUBMISSION}"))

    def reachable(self) -> bool:
        """Always: what a disk does not take is tried again."""
        return True

    def load_sweep(self, name: str) -> SweepRecord:
        """The latest submission of the sweep called `name` and its results so far."""
        (sweep, command), trials = self._submitted(name), self._trials(name)
        results = {result.key: (run_id, result) for run_id, result in self._results(name, trials)}
        return SweepRecord(
            sweep=sweep,
            results=[result for _, result in results.values()],
            missing=[spec for spec in trials if spec.key not in results],
            command=command,
            run_ids={key: run_id for key, (run_id, _) in results.items()},
        )

    def iter_results(self, name: str) -> Iterator[tuple[str, TrialResult]]:
        """Run id and result of what `load_sweep` gives."""
        return self._results(name, self.submitted(name)[1])

    def load_trial(self, run: str) -> tuple[str, TrialResult]:
        """The run id and the result of one trial."""
        run_id = self.complete_keys().get(run, run)
        return run_id, read_result(self.place_of(run_id)).result

    def load_weights_file(self, run_id: str, folder: Path, *, epoch: int | None = None) -> Path:
        """A copy of weights that a run stored."""
        weights, name = read_result(self.place_of(run_id)).weights, weights_file(epoch)
        if name not in weights:
            raise TrackingError(f"{self.folder}: {no_weights(run_id, weights, epoch=epoch)}")
        file, expected = weights[name]
        with self._errors(f"reading {name} of run {run_id}"):
            copy_whole(file, folder / name, expected)
        return folder / name

    def stored_epochs(self, run_id: str) -> list[int | None]:
        """The epochs whose weights a run stored; None is the end."""
        return stored_epochs(read_result(self.place_of(run_id)).weights)

    def keeping(self) -> FolderKeeping:
        """What a person does with the records."""
        return FolderKeeping(self)

    def ui_hint(self) -> str:
        """How to look at the records."""
        return f"{self.folder}; file them where there is an MLflow with: resablate sync {self.folder}"

    def _submitted(self, name: str) -> Submission:
        if found := read_submission(self.folder / name):
            return found
        raise unknown_sweep(str(self.folder), name, self.sweeps())

    def _trials(self, name: str) -> list[TrainSpec]:
        return read_trials(self.folder / name, lambda: self._ended.specs(name))

    def _results(self, name: str, trials: Sequence[TrainSpec]) -> Iterator[tuple[str, TrialResult]]:
        ended = self._ended.states(name)
        for spec in trials:
            if spec.key in ended:
                run_id = ended[spec.key].run_id
                yield run_id, read_result(self.place_of(run_id)).result

    def place_of(self, run_id: str) -> Path:
        """The folder of a result."""
        return self._ended.place_of(run_id)

    def _submission(self) -> _Submission:
        if self._current is None:
            raise TrackingError("no sweep was started: start_sweep comes before its trials")
        return self._current

    def _check_running(self, key: str) -> None:
        if key not in self._submission().running:
            raise TrackingError(f"trial {key} is not running: start_trial comes before what it measures")

    @contextmanager
    def _errors(self, doing: str) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise TrackingError(f"{self.folder}: {doing} failed ({error.strerror or error})") from error


_NONE: frozenset[str] = frozenset()
