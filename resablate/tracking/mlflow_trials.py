"""Every trial's run in short: what tells which trials are complete, without what they measured."""

from __future__ import annotations

import logging
import math
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import NamedTuple, get_args

from resablate.result import COMPLETE, RESULT_FILE, Status
from resablate.spec import KEY_LENGTH
from resablate.tracking.digest_tags import recorded
from resablate.tracking.measured_tags import is_measured_tag, read_measured
from resablate.tracking.mlflow_experiments import lies_where_it_should
from resablate.tracking.mlflow_sqlite import TrialRow, read_trial_rows
from resablate.tracking.mlflow_store import CELL, EPOCH, KEY, KIND, REASON, SCHEMA, SCHEMA_VERSION, STATUS, MlflowStore

log = logging.getLogger(__name__)

RUNNING = "running"
_KEY = re.compile(rf"[0-9a-f]{{{KEY_LENGTH}}}")
_STATUSES = frozenset({RUNNING, *get_args(Status)})
_TRIALS = f"tags.`{KIND}` = 'trial' AND tags.`{SCHEMA}` = '{SCHEMA_VERSION}'"
"""In MLflow's search."""
_NAMES = {
    "kind": KIND,
    "schema": SCHEMA,
    "version": SCHEMA_VERSION,
    "key": KEY,
    "status": STATUS,
    "reason": REASON,
    "epoch": EPOCH,
}


class TrialRun(NamedTuple):
    """The run of one trial."""

    run_id: str
    experiment_id: str
    run_status: str
    """MLflow's."""
    artifact_uri: str
    key: str
    status: str
    """`running` or a trial's status."""
    reason: str
    measured: frozenset[str]
    """Ids of the questions that were answered."""
    unmeasured: frozenset[str]
    """Ids of the questions that got no answer."""
    epoch: int
    """Epochs that are filed."""
    record: Mapping[str, str]
    """File of the result -> its SHA-256."""

    @property
    def complete(self) -> bool:
        """Whether the trial is never run again: it has ended, and says what its result is."""
        return self.status in COMPLETE and RESULT_FILE in self.record


def trial_runs(store: MlflowStore, *, experiment_id: str | None = None) -> Iterator[TrialRun]:
    """The runs of all trials, the latest started first.

    A run of another version, one whose files lie where no results lie, or one whose tags somebody has changed to what
    this version does not write, is left out.

    Args:
        store: where they are.
        experiment_id: of a sweep, whose runs that are not complete are wanted alone; all of all sweeps where None.
    """
    for run in _sound_runs(store, _rows(store, experiment_id)):
        if experiment_id is None or (run.experiment_id == experiment_id and not run.complete):
            yield run


def key_runs(store: MlflowStore, key: str) -> Iterator[TrialRun]:
    """The runs of one training, of all sweeps, the latest started first."""
    return _sound_runs(store, _searched(store, f"{_TRIALS} AND tags.`{KEY}` = '{key}'"))


def cell_runs(store: MlflowStore, cell: str) -> Iterator[TrialRun]:
    """The runs of the trainings of one cell, of all sweeps, the latest started first."""
    return _sound_runs(store, _searched(store, f"{_TRIALS} AND tags.`{CELL}` = '{cell}'"))


def _sound_runs(store: MlflowStore, rows: Iterable[TrialRow]) -> Iterator[TrialRun]:
    """Those whose files lie where results lie, and whose tags are such as this version writes."""
    places: dict[str, bool] = {}
    for row in rows:
        folder = row.artifact_uri.removesuffix(f"/{row.run_id}/artifacts")
        if folder not in places:
            places[folder] = lies_where_it_should(store, folder)
        if row.status not in _STATUSES or not _KEY.fullmatch(row.key) or not places[folder]:
            continue
        measured, unmeasured = read_measured(row.measured)
        epoch = int(row.epoch) if math.isfinite(row.epoch) else 0
        yield TrialRun(*row[:7], measured, unmeasured, epoch, row.record)


def latest_complete(runs: Iterable[TrialRun]) -> dict[str, TrialRun]:
    """Key -> its run: a complete one before another, then the latest.

    Args:
        runs: the latest started first.
    """
    chosen: dict[str, TrialRun] = {}
    for run in runs:
        if run.key not in chosen or (run.complete and not chosen[run.key].complete):
            chosen[run.key] = run
    return chosen


def _rows(store: MlflowStore, experiment_id: str | None) -> Iterable[TrialRow]:
    store.client()  # makes the file, or brings it to the present schema
    if store.database is not None:
        try:
            return read_trial_rows(store.database, _NAMES)
        except sqlite3.Error as error:
            _warn_once(f"the tables of MLflow's database cannot be read directly ({error}); a search takes its place")
    wanted = _TRIALS
    if experiment_id is not None:
        wanted += "".join(f" AND tags.`{STATUS}` != '{status}'" for status in COMPLETE)
    return _searched(store, wanted, experiment_ids=[experiment_id] if experiment_id is not None else None)


def _searched(store: MlflowStore, wanted: str, *, experiment_ids: list[str] | None = None) -> Iterator[TrialRow]:
    """The same by MLflow's search."""
    for run in store.runs(wanted, experiment_ids=experiment_ids):
        info, tags = run.info, run.data.tags
        if KEY not in tags or STATUS not in tags:
            continue
        place = (info.run_id, info.experiment_id, info.status, str(info.artifact_uri))
        measured = " ".join(value for name, value in tags.items() if is_measured_tag(name))
        epoch = float(run.data.metrics.get(EPOCH, 0))
        yield TrialRow(*place, tags[KEY], tags[STATUS], tags.get(REASON, ""), measured, epoch, recorded(tags))


@cache
def _warn_once(text: str) -> None:
    log.warning("%s", text)
