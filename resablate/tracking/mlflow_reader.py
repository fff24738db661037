"""What MLflow holds, as results."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, final

from pydantic import ValidationError

from resablate.redaction import redact
from resablate.errors import ResablateError, TrackingError, UnknownSweep, nearest
from resablate.result import RESULT_FILE, WEIGHTS_FILE, TrialResult
from resablate.spec import KEY_LENGTH, TrainSpec
from resablate.sweep import SweepSpec, parse_sweep
from resablate.tracking.mlflow_store import ADVICE, COMMAND, KIND, STATUS, SWEEP, MlflowStore
from resablate.tracking.mlflow_trials import TrialRun, trial_runs
from resablate.tracking.tracker import SweepRecord, TrialState

if TYPE_CHECKING:
    from mlflow.entities import Run

SWEEP_FILE, TRIALS_FILE = "sweep.json", "trials.json"
DOWNLOADS_AT_ONCE = 8


@final
class MlflowReader:
    """Reads a store; never makes one."""

    def __init__(self, store: MlflowStore) -> None:
        self._store = store

    def complete_keys(self) -> dict[str, str]:
        """Key -> run id of every trial that is complete, the latest where there are several."""
        if not self._store.exists():
            return {}
        with self._store.errors("looking for complete trials"):
            latest_last = list(trial_runs(self._store))[::-1]
        return {run.key: run.run_id for run in latest_last if run.complete}

    def states(self, name: str) -> dict[str, TrialState]:
        """Key -> how it stands, of the trials of a sweep and of those that are complete elsewhere."""
        if not self._store.exists():
            return {}
        with self._store.errors(f"looking for the trials of sweep {name!r}"):
            experiment = self._store.client().get_experiment_by_name(name)
            own = experiment.experiment_id if experiment else None
            runs = [run for run in trial_runs(self._store) if run.complete or run.experiment_id == own]
        return {key: _state(run) for key, run in _chosen(runs).items()}

    def submitted(self, name: str) -> tuple[SweepSpec, list[TrainSpec]]:
        """What the latest submission of the sweep called `name` asked for.

        Raises:
            TrackingError: if there is no store, no such sweep, or a record cannot be read.
        """
        with self._store.errors(f"reading sweep {name!r}"):
            return self._asked(self._submission(name))

    def sweeps(self) -> dict[str, str]:
        """Name -> id of the experiment of every sweep, the latest first."""
        if not self._store.exists():
            return {}
        with self._store.errors("looking for sweeps"):
            runs = list(self._store.runs(f"tags.`{KIND}` = 'sweep'"))
        return {run.data.tags[SWEEP]: run.info.experiment_id for run in runs}

    def load_sweep(self, name: str) -> SweepRecord:
        """The latest submission of the sweep called `name` and its results so far.

        Raises:
            TrackingError: if there is no store, no such sweep, or a record cannot be read.
        """
        with self._store.errors(f"reading sweep {name!r}"):
            run = self._submission(name)
            sweep, trials = self._asked(run)
            keys, own = {trial.key for trial in trials}, run.info.experiment_id
            # A complete one of any sweep, else the latest of this one.
            ended = [
                trial
                for trial in trial_runs(self._store)
                if trial.complete or (trial.experiment_id == own and trial.status != "running")
            ]
            by_key = {key: run for key, run in _chosen(ended).items() if key in keys}
            with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
                return SweepRecord(
                    sweep=sweep,
                    results=list(pool.map(self._result_of, [by_key[t.key] for t in trials if t.key in by_key])),
                    missing=[trial for trial in trials if trial.key not in by_key],
                    command=run.data.tags[COMMAND],
                    run_ids={key: run.run_id for key, run in by_key.items()},
                )

    def load_trial(self, run: str) -> tuple[str, TrialResult]:
        """The run id and the result of the trial with this run id or key.

        Raises:
            TrackingError: if there is no such run, it is no trial's, or it holds no result.
        """
        place = redact(self._store.uri)
        if not self._store.exists():
            raise TrackingError(f"{place}: no run {run!r}, there is no database there yet. {ADVICE}")
        run_id = self.complete_keys().get(run, run) if len(run) == KEY_LENGTH else run
        with self._store.errors(f"looking for run {run!r}"):
            found = self._store.client().get_run(run_id)
        if found.data.tags.get(KIND) != "trial":
            raise TrackingError(f"{place}: run {run!r} is not one of resablate's trials")
        if found.data.tags.get(STATUS) == "running":
            raise TrackingError(f"{place}: run {run!r} holds no result: it has not ended")
        return run_id, self._result(run_id, str(found.info.artifact_uri))

    def load_weights_file(self, run_id: str, folder: Path) -> Path:
        """A copy, in `folder`, of the weights that a run stored.

        Raises:
            TrackingError: if it stored none.
        """
        client = self._store.client()
        with self._store.errors(f"looking for the weights of run {run_id}"):
            stored = [file.path for file in client.list_artifacts(run_id)]
            run = client.get_run(run_id)
        if WEIGHTS_FILE not in stored:
            there = ", ".join(stored) or "nothing"
            raise TrackingError(f"{redact(self._store.uri)}: run {run_id} stored no weights (it holds {there})")
        [content] = self._store.read_files(run_id, str(run.info.artifact_uri), [WEIGHTS_FILE])
        (folder / WEIGHTS_FILE).write_bytes(content)
        return folder / WEIGHTS_FILE

    def _submission(self, name: str) -> Run:
        place = redact(self._store.uri)
        if not self._store.exists():
            raise UnknownSweep(f"{place}: no sweep {name!r}, there is no database there yet. {ADVICE}")
        submissions = self._store.runs(f"tags.`{KIND}` = 'sweep'")
        latest = next((run for run in submissions if run.data.tags[SWEEP] == name), None)
        if latest is None:
            known = list(self.sweeps())
            there = ", ".join(known) or "none"
            raise UnknownSweep(f"{place}: no sweep called {name!r}{nearest(name, known)} (there: {there})")
        return latest

    def _asked(self, submission: Run) -> tuple[SweepSpec, list[TrainSpec]]:
        run_id, files = submission.info.run_id, [SWEEP_FILE, TRIALS_FILE]
        sweep, trials = self._store.read_files(run_id, str(submission.info.artifact_uri), files)
        try:
            # Not pydantic's own reading: it leaves the lists of JSON where an axis had tuples.
            return parse_sweep(json.loads(sweep)), [TrainSpec.parse(fields) for fields in json.loads(trials)]
        except (ResablateError, ValueError) as error:
            raise TrackingError(self._unreadable(run_id, TRIALS_FILE, error)) from error

    def _result(self, run_id: str, artifact_uri: str) -> TrialResult:
        [text] = self._store.read_files(run_id, artifact_uri, [RESULT_FILE])
        try:
            return TrialResult.from_json(text)
        except ValidationError as error:
            raise TrackingError(self._unreadable(run_id, RESULT_FILE, error)) from error

    def _result_of(self, run: TrialRun) -> TrialResult:
        return self._result(run.run_id, run.artifact_uri)

    def _unreadable(self, run_id: str, file: str, error: Exception) -> str:
        summary = str(error).strip().partition("\n")[0]
        return (
            f"{redact(self._store.uri)}: {file} of run {run_id} is not what this version of "
            f"resablate writes ({summary}); delete the run to have it made again"
        )


def _chosen(latest_first: Iterable[TrialRun]) -> dict[str, TrialRun]:
    """Key -> its run: a complete one before another, then the latest."""
    chosen: dict[str, TrialRun] = {}
    for run in latest_first:
        if run.key not in chosen or (run.complete and not chosen[run.key].complete):
            chosen[run.key] = run
    return chosen


def _state(run: TrialRun) -> TrialState:
    stopped = run.status == "running" and run.run_status != "RUNNING"
    return TrialState("interrupted" if stopped else run.status, run.run_id, run.epoch, run.reason)
