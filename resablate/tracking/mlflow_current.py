"""The submission that a process is writing: its list of trials, and their runs."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from resablate.errors import LeaseTaken
from resablate.spec import TrainSpec
from resablate.sweep import SweepSpec
from resablate.tracking.metrics import MetricPoint
from resablate.tracking.mlflow_leases import MlflowLeases
from resablate.tracking.mlflow_leftovers import RUN_STATUS
from resablate.tracking.mlflow_opening import new_run, opened_again
from resablate.tracking.mlflow_runs import OpenRun, log_values
from resablate.tracking.mlflow_store import (
    CELL,
    KEY,
    KIND,
    PARENT,
    SCHEMA,
    SCHEMA_VERSION,
    STATUS,
    SWEEP,
    MlflowStore,
)
from resablate.tracking.mlflow_submissions import write_trials
from resablate.tracking.mlflow_trials import RUNNING
from resablate.tracking.trial_lists import TRIALS_FILE, TrialList

_NOTE_SECONDS = 5.0
"""Between two writings of the list of trials for trials that are noted alone."""


@dataclass
class CurrentSubmission:
    """The submission that a process is writing. Trials are begun by several threads, and their list is one."""

    store: MlflowStore
    sweep: SweepSpec
    experiment_id: str
    run_id: str
    trials: TrialList
    reopenable: dict[str, str]
    """Key -> run id of trials of this sweep that did not come to their end."""
    asked: set[str] = field(default_factory=set[str])
    """Keys that a new run was asked for."""
    open: dict[str, OpenRun] = field(default_factory=dict[str, OpenRun])
    _listed: int = 0
    """How often a file of the list of trials was written."""
    _listed_at: float = 0.0
    """When the list of trials was written, by the monotonic clock."""
    _counted: int = -1
    """How many trials the metric says there are; -1 before it is there."""
    _listing: threading.Lock = field(default_factory=threading.Lock)

    def note(self, spec: TrainSpec) -> None:
        """Add a trial to the list, which is written every few seconds."""
        with self._listing:
            self.trials.add(spec)
            if self.trials.unwritten and time.monotonic() - self._listed_at > _NOTE_SECONDS:
                self._write_trials()

    def write_list(self, spec: TrainSpec | None = None) -> None:
        """Add a trial to the list, if one is given, and write it where something of it is not written."""
        with self._listing:
            if spec:
                self.trials.add(spec)
            if self.trials.unwritten:
                self._write_trials()

    def count_trials(self) -> None:
        """Log how many trials there are."""
        if self._counted != len(self.trials):
            self._counted = len(self.trials)
            log_values(self.store, self.run_id, [MetricPoint("trials", self._counted)])

    def _write_trials(self) -> None:
        name = write_trials(self.store, self.run_id, self.trials, times=self._listed)
        self._listed += 1
        self._listed_at = time.monotonic()
        if name == TRIALS_FILE:
            self.count_trials()

    def start_trial(self, spec: TrainSpec, leases: MlflowLeases) -> None:
        """Open the run of a trial and lease it: this sweep's run that is not complete, else a new one.

        Raises:
            LeaseTaken: if another sweep trains it or has completed it; then nothing of it is left.
        """
        key = spec.key
        self.write_list(spec)  # before the run, so that no run is without its trial in the list
        self._find_lost(key)
        if before := self.reopenable.get(key):
            leases.check_trial(key, before)  # what it holds stays as it is where it is not reopened
        new = before is None
        self.asked.add(key)
        opened = self._open(spec, new=new)
        self.reopenable[key] = opened.run_id
        try:
            leases.check_trial(key, opened.run_id)
        except LeaseTaken:
            self._withdraw(key, opened.run_id, new=new)
            raise
        self.open[key] = opened

    def _find_lost(self, key: str) -> None:
        """Note the run that the server may have made before it fell silent."""
        if key not in self.asked or key in self.reopenable:
            return
        made = f"tags.`{KEY}` = '{key}' AND tags.`{STATUS}` = '{RUNNING}' AND tags.`{SCHEMA}` = '{SCHEMA_VERSION}'"
        for run in self.store.runs(made, experiment_ids=[self.experiment_id]):
            self.reopenable[key] = run.info.run_id

    def _open(self, spec: TrainSpec, *, new: bool) -> OpenRun:
        # Only a run of this sweep: another sweep may be at work on its own run of this key.
        if not new:
            return opened_again(self.store, self.reopenable[spec.key], spec, tags=self._tags(spec))
        name = self.sweep.label(spec)
        return new_run(self.store, self.experiment_id, spec, name=name, tags=self._tags(spec))

    def _tags(self, spec: TrainSpec) -> dict[str, str]:
        return {
            PARENT: self.run_id,
            SCHEMA: SCHEMA_VERSION,
            KIND: "trial",
            KEY: spec.key,
            CELL: spec.cell,
            STATUS: RUNNING,
            SWEEP: self.sweep.name,
        }

    def _withdraw(self, key: str, run_id: str, *, new: bool) -> None:
        if new:
            del self.reopenable[key]
            self.asked.discard(key)
            self.store.client().delete_run(run_id)
        else:
            self.store.client().set_terminated(run_id, RUN_STATUS["interrupted"])
