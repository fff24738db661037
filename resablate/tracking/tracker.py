"""`Tracker`: files what is trained and what is measured of it, and gives it back."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from resablate.measurement import EpochMetrics
from resablate.result import TrialResult
from resablate.spec import TrainSpec
from resablate.sweep import SweepSpec
from resablate.tracking.leases import Lease
from resablate.tracking.record_keeping import RecordKeeping

SweepStatus = Literal["finished", "failed", "interrupted"]


class SweepRecord(NamedTuple):
    """The latest submission of a sweep, with what is known of its trials."""

    sweep: SweepSpec
    results: list[TrialResult]
    """Of the trials that ended, in the order of the submission; also of those that were complete before it."""
    missing: list[TrainSpec]
    """Trials that have not ended."""
    command: str
    """What the person typed."""
    run_ids: dict[str, str]
    """Key of each result -> the run that holds it."""


class TrialState(NamedTuple):
    """The state of one trial."""

    status: str
    """`running`, `interrupted` (to be continued), or as it ended."""
    run_id: str
    epoch: int
    """Epochs that are filed."""
    reason: str
    """Why it is not `finished`, in one line."""
    measured: frozenset[str]
    """Ids of the questions that were answered."""
    unmeasured: frozenset[str]
    """Ids of the questions that were put and got no answer."""


class Tracker(ABC):
    """Files trainings under their key, so that a complete one is never run again, whoever asks.

    One process writes in a sweep; several sweeps may write to one store. Every method raises `TrackingError`
    where the store cannot be reached or refuses what it is given. Those that write to a submission raise `LeaseLost`
    where this process may not run the sweep any more, before they write anything.
    """

    keeps_figures: ClassVar[bool] = True
    """Whether `figures` are kept; where not, none need to be drawn."""

    @abstractmethod
    def claim_sweep(self, name: str) -> str:
        """Takes the lease of a sweep; before anything of it is touched.

        Whoever takes it calls `keep_alive` every BEAT_SECONDS and `release_sweep` at the end, whatever happened.

        Returns:
            What another process of the same sweep hands to `adopt_claim`.

        Raises:
            LeaseTaken: if another process holds it.
        """

    @abstractmethod
    def adopt_claim(self, claim: str) -> None:
        """Goes on with a lease that another process of this sweep has taken, which renews it.

        Raises:
            LeaseLost: if that one does not hold it any more.
        """

    @abstractmethod
    def keep_alive(self) -> None:
        """Renews the lease; to be called every BEAT_SECONDS.

        Raises:
            LeaseLost: if it is not held any more.
        """

    @abstractmethod
    def release_sweep(self) -> None:
        """Gives the lease back if it is held, and closes what is left open, as interrupted."""

    @abstractmethod
    def leases(self, *, watch_seconds: float = 0.0) -> list[Lease]:
        """All leases of all sweeps, with what is known of their holders: for `status` and for whoever cleans up.

        Args:
            watch_seconds: how long a holder on another machine is listened to at most; with more than SILENT_SECONDS
                every state is either `held`, `silent` or `gone`. This tracker's earlier calls count.
        """

    @abstractmethod
    def start_sweep(self, sweep: SweepSpec, *, trials: Sequence[TrainSpec], command: str) -> None:
        """Records one submission of a sweep, whose lease is taken first where this tracker does not hold it.

        Args:
            sweep: the sweep as it is written.
            trials: what it consists of, also the trials that are complete already; may be empty where a
                search proposes them one by one.
            command: what the person typed.

        Raises:
            LeaseTaken: if another process runs the sweep.
            TrackingError: if records of another version are filed under this name.
        """

    @abstractmethod
    def note_trial(self, spec: TrainSpec) -> None:
        """Adds a trial that the search proposed to this submission's list, if it is not there.

        `start_trial` does this too, so it is for a proposed trial that is complete and not run again. The list may
        be written some seconds later, with other trials, and is written in full by `end_sweep`.
        """

    @abstractmethod
    def start_trial(self, spec: TrainSpec) -> None:
        """Leases a trial and opens its record: the one of this sweep that was interrupted or failed, else a new one.

        Raises:
            LeaseTaken: if another sweep trains it; TrialComplete if one has completed it. Then nothing is opened.
        """

    @abstractmethod
    def log_epoch(self, spec_key: str, *rows: EpochMetrics) -> None:
        """Files epochs of a trial in one request; those that the record holds from before are left as they are."""

    @abstractmethod
    def finish_trial(self, result: TrialResult, *, weights: Mapping[str, Path], figures: Mapping[str, bytes]) -> None:
        """Files the outcome and closes the record; epochs of the history that it lacks are added.

        Args:
            result: everything measured.
            weights: name, by `resablate.result.weights_file` -> a safetensors file, which is copied.
            figures: name -> PNG.

        Raises:
            ValueError: if an analysis gives a summary number and a curve the same name, or the values of a
                curve's axis are not whole numbers.
        """

    @abstractmethod
    def amend_trial(
        self,
        run_id: str,
        result: TrialResult,
        *,
        weights: Mapping[str, Path] = {},
        figures: Mapping[str, bytes],
    ) -> None:
        """Adds measurements to a trial that has ended; its record stays closed.

        They are merged with what is stored at that moment, so that of two processes that amend one trial neither
        erases what the other measured.

        Args:
            run_id: of the trial.
            result: of the same trial; its measurements and failed measurements are added.
            weights: name, by `resablate.result.weights_file` -> a safetensors file, which is copied.
            figures: name -> PNG.

        Raises:
            TrackingError: if there is no such run, it holds no result, or that of another trial.
            ValueError: as `finish_trial` does.
        """

    @abstractmethod
    def check_results(self, runs: Mapping[str, str]) -> dict[str, str]:
        """Key -> why the result of a trial is none: it is missing, damaged, or another trial's.

        Args:
            runs: key -> run id of trials that are said to be complete.
        """

    @abstractmethod
    def discard_trial(self, run_id: str) -> None:
        """Takes the record of a trial whose result is damaged out of the way, so that it is run again."""

    @abstractmethod
    def update_cells(self, sweep: str, *, cell: str | None = None) -> None:
        """Brings the means over the seeds of a sweep's cells up to date, with intervals and curves.

        They are filed beside the trials and count as trials nowhere. A cell of one training has none.

        Args:
            sweep: the name of a sweep that was started.
            cell: `TrainSpec.cell` of the one in which a trial ended, which may be put off for some seconds while
                others of it are to come; all where None.

        Raises:
            UnknownSweep: if there is no such sweep.
        """

    @abstractmethod
    def file_report(self, sweep: str, folder: Path, *, note: str) -> None:
        """Files the pages, figures and tables of a report in the place of an earlier one.

        Args:
            sweep: its name.
            folder: as `write_report` wrote it.
            note: what the records say of the sweep from now on, in Markdown.
        """

    @abstractmethod
    def links(self, sweep: str) -> dict[str, str]:
        """Title -> address of each page that shows a sweep, or the command that opens it; empty if there is none."""

    @abstractmethod
    def end_sweep(self, status: SweepStatus) -> None:
        """Closes the record of the submission, and gives its lease back."""

    @abstractmethod
    def complete_keys(self) -> dict[str, str]:
        """Key -> run id of every trial that is complete, whichever sweep it belongs to."""

    @abstractmethod
    def states(self, name: str) -> dict[str, TrialState]:
        """Key -> its state: of what the sweep called `name` began, and of what is complete anywhere.

        One query, which reads no result. A trial that is in neither has not begun.
        """

    @abstractmethod
    def submitted(self, name: str) -> tuple[SweepSpec, list[TrainSpec]]:
        """What the latest submission of the sweep called `name` asked for, in its order.

        Raises:
            UnknownSweep: if there is no such sweep; the message names those there are.
            TrackingError: if records of another version are filed under this name.
        """

    @abstractmethod
    def reachable(self) -> bool:
        """Whether the records can be written now; after a failure, whether to try again makes sense."""

    @abstractmethod
    def load_sweep(self, name: str) -> SweepRecord:
        """The latest submission of the sweep called `name` and its results so far, in its trials' order.

        A trial that was complete before, in whichever sweep, counts as its result. A result that is damaged is passed
        over with a warning, as if the trial had not ended.

        Raises:
            UnknownSweep: if there is no such sweep; the message names those there are.
            TrackingError: if records of another version are filed under this name, or one cannot be read.
        """

    @abstractmethod
    def iter_results(self, name: str) -> Iterator[tuple[str, TrialResult]]:
        """Run id and result of what `load_sweep` gives, in the same order, a few in memory at a time.

        Raises:
            UnknownSweep: if there is no such sweep; the message names those there are.
            TrackingError: if records of another version are filed under this name, or one cannot be read.
        """

    @abstractmethod
    def load_trial(self, run: str) -> tuple[str, TrialResult]:
        """The run id and the result of one trial.

        Args:
            run: a run id, or the key of a complete trial.

        Raises:
            DamagedResult: if what it holds is not what was filed.
            TrackingError: if there is no such run, or it holds no result.
        """

    @abstractmethod
    def load_weights_file(self, run_id: str, folder: Path, *, epoch: int | None = None) -> Path:
        """A copy, in `folder`, of weights that a run stored.

        Args:
            run_id: of the trial.
            folder: where the copy goes.
            epoch: after which; the end where None.

        Raises:
            TrackingError: if it stored none of this epoch; names the epochs it has.
        """

    @abstractmethod
    def keeping(self) -> RecordKeeping:
        """What a person does with the records: lists, sets aside, forgets."""

    @abstractmethod
    def ui_hint(self) -> str:
        """How to look at the records, in one line."""
