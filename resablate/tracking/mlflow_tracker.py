"""The MLflow tracker: one parent run for each submission, one child run for each trial."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import final

from resablate.errors import TrackingError
from resablate.measurement import EpochMetrics
from resablate.result import COMPLETE, RESULT_FILE, TrialResult
from resablate.spec import TrainSpec
from resablate.sweep import SweepSpec
from resablate.tracking.digest_tags import record_tags, weights_tags
from resablate.tracking.measured_tags import measured_tags
from resablate.tracking.metrics import MetricPoint, final_points
from resablate.tracking.mlflow_amending import add_answers
from resablate.tracking.mlflow_cells import MlflowCells
from resablate.tracking.mlflow_experiments import find_experiment, refuse_other_records
from resablate.tracking.mlflow_keeping import MlflowKeeping
from resablate.tracking.mlflow_leftovers import RUN_STATUS, close_trials, reopenable_runs
from resablate.tracking.mlflow_opening import new_run, opened_again
from resablate.tracking.mlflow_reader import MlflowReader
from resablate.tracking.mlflow_reports import begin_note, how_to_look, sweep_links, write_report_run
from resablate.tracking.mlflow_runs import OpenRun, log_tags_last, log_values, write_files
from resablate.tracking.mlflow_store import (
    CELL,
    COMMAND,
    KEY,
    KIND,
    REASON,
    SCHEMA,
    SCHEMA_VERSION,
    STATUS,
    SWEEP,
    MlflowStore,
)
from resablate.tracking.mlflow_submissions import write_sweep, write_trials
from resablate.tracking.mlflow_trials import RUNNING, trial_runs
from resablate.tracking.mlflow_values import as_texts, version_tags
from resablate.tracking.ownership import ALIVE, OWNER, abandoned_runs, abort_if_concurrent, this_process
from resablate.tracking.tracker import SweepRecord, SweepStatus, Tracker, TrialState
from resablate.tracking.trial_lists import TRIALS_FILE, TrialList
from resablate.versions import versions

PARENT = "mlflow.parentRunId"
"""A system tag of MLflow's: its UI shows a run below its parent."""
_NOTE_SECONDS = 5.0
"""Between two writings of the list of trials for trials that are noted alone."""


@dataclass
class _Submission:
    sweep: SweepSpec
    experiment_id: str
    run_id: str
    trials: TrialList
    reopenable: dict[str, str]
    """Key -> run id of trials of this sweep that did not come to their end."""
    asked: set[str] = field(default_factory=set[str])
    """Keys that a new run was asked for."""
    open: dict[str, OpenRun] = field(default_factory=dict[str, OpenRun])
    listed: int = 0
    """How often a file of the list of trials was written."""
    listed_at: float = 0.0
    """When the list of trials was written, by the monotonic clock."""
    counted: int = -1
    """How many trials the metric says there are; -1 before it is there."""


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
        self._current: _Submission | None = None

    def start_sweep(self, sweep: SweepSpec, *, trials: Sequence[TrainSpec], command: str) -> None:
        """Records one submission of a sweep as a parent run."""
        client = self._store.client()
        with self._store.errors(f"starting sweep {sweep.name!r}"):
            experiment_id = find_experiment(self._store, sweep.name)
            refuse_other_records(self._store, sweep.name)
            for run_id in abandoned_runs(self._store, experiment_id, sweep=sweep.name):  # their process was killed
                client.set_terminated(run_id, RUN_STATUS["interrupted"])
            close_trials(self._store, experiment_id)
            mine = list(trial_runs(self._store, experiment_id=experiment_id))
            tags = {SCHEMA: SCHEMA_VERSION, SWEEP: sweep.name, COMMAND: command, OWNER: this_process().tag}
            run = client.create_run(
                experiment_id,
                tags=as_texts(tags | version_tags(versions())),
                run_name=f"{sweep.name} {datetime.now():%Y-%m-%d %H:%M:%S}",
            )
            abort_if_concurrent(self._store, run, sweep=sweep.name)
            self._current = _Submission(
                sweep=sweep,
                experiment_id=experiment_id,
                run_id=run.info.run_id,
                trials=TrialList(trials),
                reopenable=reopenable_runs(self._store, mine),
            )
            self._cells.follow(sweep, experiment_id, self._current.trials)
            self._write_trials()
            write_sweep(self._store, run.info.run_id, sweep)
            begin_note(self._store, experiment_id, sweep.question)

    def keep_alive(self) -> None:
        """Tells that this process is at work on the submission."""
        current = self._submission()
        with self._store.errors(f"keeping sweep {current.sweep.name!r}"):
            self._store.client().set_tag(current.run_id, ALIVE, str(time.time()))

    def note_trial(self, spec: TrainSpec) -> None:
        """Adds a trial to this submission's list, which is written every few seconds."""
        current = self._submission()
        current.trials.add(spec)
        if current.trials.unwritten and time.monotonic() - current.listed_at > _NOTE_SECONDS:
            with self._store.errors(f"noting trial {spec.key}"):
                self._write_trials()

    def start_trial(self, spec: TrainSpec) -> None:
        """Opens the trial's run: this sweep's that is not complete, else a new child of the parent run."""
        current = self._submission()
        current.trials.add(spec)
        tags = {
            PARENT: current.run_id,
            SCHEMA: SCHEMA_VERSION,
            KIND: "trial",
            KEY: spec.key,
            CELL: spec.cell,
            STATUS: RUNNING,
            SWEEP: current.sweep.name,
        }
        with self._store.errors(f"starting trial {spec.key}"):
            if current.trials.unwritten:  # before the run, so that no run is without its trial in the list
                self._write_trials()
            if spec.key in current.asked and spec.key not in current.reopenable:
                # The server may have made the run and fallen silent before it said so.
                made = f"tags.`{KEY}` = '{spec.key}' AND tags.`{STATUS}` = '{RUNNING}'"
                made += f" AND tags.`{SCHEMA}` = '{SCHEMA_VERSION}'"
                for run in self._store.runs(made, experiment_ids=[current.experiment_id]):
                    current.reopenable[spec.key] = run.info.run_id
            current.asked.add(spec.key)
            if spec.key in current.reopenable:
                # Only a run of this sweep: another sweep may be at work on its own run of this key.
                opened = opened_again(self._store, current.reopenable[spec.key], spec, tags=tags)
            else:
                name = current.sweep.label(spec)
                opened = new_run(self._store, current.experiment_id, spec, name=name, tags=tags)
                current.reopenable[spec.key] = opened.run_id
        current.open[spec.key] = opened

    def log_epoch(self, spec_key: str, *rows: EpochMetrics) -> None:
        """Files epochs in one request, each once."""
        run, epochs = self._open(spec_key), {metrics.epoch: metrics for metrics in rows}
        with self._store.errors(f"logging epochs of trial {spec_key}"):
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
            if current.trials.unwritten:
                self._write_trials()
            self._count_trials()
            for run in current.open.values():
                self._store.client().set_terminated(run.run_id, RUN_STATUS["interrupted"])
            current.open.clear()
            self._store.client().set_terminated(current.run_id, RUN_STATUS[status])

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

    def _write_trials(self) -> None:
        current = self._submission()
        name = write_trials(self._store, current.run_id, current.trials, times=current.listed)
        current.listed += 1
        current.listed_at = time.monotonic()
        if name == TRIALS_FILE:
            self._count_trials()

    def _count_trials(self) -> None:
        current = self._submission()
        if current.counted != len(current.trials):
            current.counted = len(current.trials)
            log_values(self._store, current.run_id, [MetricPoint("trials", current.counted)])

    def _submission(self) -> _Submission:
        if self._current is None:
            raise TrackingError("no sweep was started: start_sweep comes before its trials")
        return self._current

    def _open(self, key: str) -> OpenRun:
        try:
            return self._submission().open[key]
        except KeyError:
            raise TrackingError(f"trial {key} is not running: start_trial comes before what it measures") from None
