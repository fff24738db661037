"""The MLflow tracker: one parent run for each submission, one child run for each trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import final

from resablate.errors import TrackingError
from resablate.measurement import EpochMetrics
from resablate.result import COMPLETE, RESULT_FILE, TrialResult
from resablate.spec import TrainSpec
from resablate.sweep import SweepSpec
from resablate.tracking.digest_tags import record_tags, weights_tags
from resablate.tracking.leases import Lease
from resablate.tracking.measured_tags import measured_tags
from resablate.tracking.metrics import final_points
from resablate.tracking.mlflow_amending import add_answers
from resablate.tracking.mlflow_cells import MlflowCells
from resablate.tracking.mlflow_current import CurrentSubmission
from resablate.tracking.mlflow_experiments import find_experiment
from resablate.tracking.mlflow_keeping import MlflowKeeping
from resablate.tracking.mlflow_leases import MlflowLeases
from resablate.tracking.mlflow_leftovers import RUN_STATUS, close_trials, reopenable_runs
from resablate.tracking.mlflow_reader import MlflowReader
from resablate.tracking.mlflow_reports import begin_note, how_to_look, sweep_links, write_report_run
from resablate.tracking.mlflow_runs import OpenRun, log_tags_last, log_values, write_files
from resablate.tracking.mlflow_store import COMMAND, REASON, STATUS, MlflowStore
from resablate.tracking.mlflow_submissions import ORDER, next_order, write_sweep
from resablate.tracking.mlflow_trials import trial_runs
from resablate.tracking.mlflow_values import as_texts, version_tags
from resablate.tracking.tracker import SweepRecord, SweepStatus, Tracker, TrialState
from resablate.tracking.trial_lists import TrialList
from resablate.versions import versions


@final
class MlflowTracker(Tracker):
    """Files everything in MLflow, by explicit run ids: MLflow's notion of an active run plays no part.

    Args:
        uri: as `location.tracking_uri` gives it.

    Raises:
        TrackingError: if nothing of the kind can be at `uri`, or the server does not answer.
    """

    def __init__(self, uri: str) -> None:
        self._store = MlflowStore(uri)
        self._reader = MlflowReader(self._store)
        self._cells = MlflowCells(self._store, self._reader)
        self._leases = MlflowLeases(self._store)
        self._current: CurrentSubmission | None = None

    def claim_sweep(self, name: str) -> str:
        """Takes the lease of a sweep, as a parent run that is no submission yet."""
        with self._store.errors(f"starting sweep {name!r}"):
            return self._leases.claim(name)

    def adopt_claim(self, claim: str) -> None:
        """Goes on with a lease that another process of this sweep has claimed."""
        with self._store.errors("starting a sweep"):
            self._leases.adopt(claim)

    def keep_alive(self) -> None:
        """Renews the lease."""
        with self._store.errors("renewing a lease"):
            self._leases.renew()

    def release_sweep(self) -> None:
        """Gives the lease back, and closes what is left open."""
        with self._store.errors("closing a sweep"):
            self._leases.release()

    def leases(self, *, watch_seconds: float = 0.0) -> list[Lease]:
        """All leases, with what is known of their holders."""
        with self._store.errors("looking for leases"):
            return self._leases.leases(watch_seconds=watch_seconds)

    def start_sweep(self, sweep: SweepSpec, *, trials: Sequence[TrainSpec], command: str) -> None:
        """Records one submission of a sweep as a parent run."""
        with self._store.errors(f"starting sweep {sweep.name!r}"):
            run_id = self._leases.submission_of(sweep.name) or self._leases.claim(sweep.name)
            self._leases.check()
            experiment_id = find_experiment(self._store, sweep.name)
            close_trials(self._store, experiment_id)
            mine = list(trial_runs(self._store, experiment_id=experiment_id))
            self._current = CurrentSubmission(
                store=self._store,
                sweep=sweep,
                experiment_id=experiment_id,
                run_id=run_id,
                trials=TrialList(trials),
                reopenable=reopenable_runs(self._store, mine),
            )
            tags = {COMMAND: command, ORDER: next_order(self._store, experiment_id), **version_tags(versions())}
            log_values(self._store, run_id, tags=as_texts(tags))
            self._cells.follow(sweep, experiment_id, self._current.trials)
            self._current.write_list()
            write_sweep(self._store, run_id, sweep)
            begin_note(self._store, experiment_id, sweep.question)

    def note_trial(self, spec: TrainSpec) -> None:
        """Adds a trial to this submission's list, which is written every few seconds."""
        current = self._submission()
        with self._store.errors(f"noting trial {spec.key}"):
            self._leases.check()
            current.note(spec)

    def start_trial(self, spec: TrainSpec) -> None:
        """Opens the trial's run: this sweep's that is not complete, else a new child of the parent run."""
        current = self._submission()
        with self._store.errors(f"starting trial {spec.key}"):
            self._leases.check()
            current.start_trial(spec, self._leases)

    def log_epoch(self, spec_key: str, *rows: EpochMetrics) -> None:
        """Files epochs in one request, each once."""
        run, epochs = self._open(spec_key), {metrics.epoch: metrics for metrics in rows}
        with self._store.errors(f"logging epochs of trial {spec_key}"):
            self._leases.check()
            points = [point for metrics in epochs.values() for point in run.new_points(metrics)]
            log_values(self._store, run.run_id, points, start=run.start)
        run.epochs.update(epochs)

    def finish_trial(self, result: TrialResult, *, weights: Mapping[str, Path], figures: Mapping[str, bytes]) -> None:
        """Files the outcome and closes the run."""
        current, run = self._submission(), self._open(result.key)
        points = [point for metrics in result.history for point in run.new_points(metrics)]
        points += [point._replace(seconds=result.wall_seconds) for point in final_points(result)]
        record = {RESULT_FILE: result.to_json().encode()}
        tags = measured_tags(result) | version_tags(result.versions) | weights_tags(weights) | record_tags(record)
        tags |= {REASON: result.reason, STATUS: result.status}
        with self._store.errors(f"finishing trial {result.key}"):
            self._leases.check()
            write_files(self._store, run.run_id, records=record, weights=weights, figures=figures)
            log_tags_last(self._store, run.run_id, points, start=run.start, tags=tags)
            self._store.client().set_terminated(run.run_id, RUN_STATUS[result.status])
        del current.open[result.key]
        if result.status in COMPLETE:
            del current.reopenable[result.key]

    def amend_trial(
        self,
        run_id: str,
        result: TrialResult,
        *,
        weights: Mapping[str, Path] = {},
        figures: Mapping[str, bytes],
    ) -> None:
        """Adds measurements to a trial that has ended."""
        with self._store.errors(f"amending trial {result.key}"):
            run = self._store.client().get_run(run_id)
            self._reader.check_ended(run)
            add_answers(self._store, run, result, weights=weights, figures=figures)

    def check_results(self, runs: Mapping[str, str]) -> dict[str, str]:
        """Key -> why the result of a complete trial is none, of those in `runs` that hold none."""
        return self._reader.check_results(runs)

    def discard_trial(self, run_id: str) -> None:
        """Deletes the run of a trial whose result is damaged; MLflow can bring it back."""
        with self._store.errors(f"deleting run {run_id}"):
            self._store.client().delete_run(run_id)

    def update_cells(self, sweep: str, *, cell: str | None = None) -> None:
        """Brings the means over the seeds of a sweep's cells up to date."""
        with self._store.errors(f"filing the means of sweep {sweep!r}"):
            self._leases.check()
        self._cells.update(sweep, cell=cell)

    def file_report(self, sweep: str, folder: Path, *, note: str) -> None:
        """Files a report as a run in the place of the one before."""
        write_report_run(self._store, sweep, folder, note=note)

    def links(self, sweep: str) -> dict[str, str]:
        """Title -> address of each page that shows a sweep, or the command that opens it."""
        return sweep_links(self._store, sweep)

    def end_sweep(self, status: SweepStatus) -> None:
        """Closes the parent run, and those of trials that were under way; they are reopened when the sweep goes on."""
        current = self._submission()
        with self._store.errors(f"ending sweep {current.sweep.name!r}"):
            self._leases.check()
            current.write_list()
            current.count_trials()
            for run in current.open.values():
                self._store.client().set_terminated(run.run_id, RUN_STATUS["interrupted"])
            current.open.clear()
            self._store.client().set_terminated(current.run_id, RUN_STATUS[status])
            self._leases.submission = ""

    def complete_keys(self) -> dict[str, str]:
        """Key -> run id of every trial that is complete, whichever sweep it belongs to."""
        return self._reader.complete_keys()

    def states(self, name: str) -> dict[str, TrialState]:
        """Key -> its state, of the trials of a sweep and of those that are complete elsewhere."""
        return self._reader.states(name)

    def submitted(self, name: str) -> tuple[SweepSpec, list[TrainSpec]]:
        """What the latest submission of the sweep called `name` asked for."""
        return self._reader.submitted(name)

    def reachable(self) -> bool:
        """Whether the server answers; a file is always there."""
        return self._store.reachable()

    def load_sweep(self, name: str) -> SweepRecord:
        """The latest submission of the sweep called `name` and its results so far."""
        return self._reader.load_sweep(name)

    def iter_results(self, name: str) -> Iterator[tuple[str, TrialResult]]:
        """Run id and result of what `load_sweep` gives."""
        return self._reader.iter_results(name)

    def load_trial(self, run: str) -> tuple[str, TrialResult]:
        """The run id and the result of the trial with this run id or key."""
        return self._reader.load_trial(run)

    def load_weights_file(self, run_id: str, folder: Path, *, epoch: int | None = None) -> Path:
        """A copy of weights that a run stored."""
        return self._reader.load_weights_file(run_id, folder, epoch=epoch)

    def keeping(self) -> MlflowKeeping:
        """What a person does with the records."""
        return MlflowKeeping(self._store)

    def ui_hint(self) -> str:
        """How to look at the records, in one line."""
        return how_to_look(self._store)

    def _submission(self) -> CurrentSubmission:
        if self._current is None:
            raise TrackingError("no sweep was started: start_sweep comes before its trials")
        return self._current

    def _open(self, key: str) -> OpenRun:
        try:
            return self._submission().open[key]
        except KeyError:
            raise TrackingError(f"trial {key} is not running: start_trial comes before what it measures") from None
