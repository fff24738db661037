"""What MLflow holds, as results."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar, final

from pydantic import ValidationError

from resablate.errors import SpecError, TrackingError, UnknownSweep, nearest
from resablate.redaction import redact
from resablate.result import RESULT_FILE, TrialResult, weights_file
from resablate.spec import KEY_LENGTH, TrainSpec
from resablate.sweep import SweepSpec, parse_sweep
from resablate.tracking.amending import no_weights
from resablate.tracking.mlflow_experiments import refuse_other_versions
from resablate.tracking.mlflow_store import ADVICE, COMMAND, KIND, SCHEMA, SCHEMA_VERSION, STATUS, SWEEP, MlflowStore
from resablate.tracking.mlflow_trials import RUNNING, TrialRun, latest_complete, trial_runs
from resablate.tracking.tracker import SweepRecord, TrialState
from resablate.tracking.trial_lists import RECENT_FILE, TRIALS_FILE, read_trial_list

if TYPE_CHECKING:
    from mlflow.entities import Run

T = TypeVar("T")

SWEEP_FILE = "sweep.json"
DOWNLOADS_AT_ONCE = 8
_PAUSES = (0.1, 0.5)
"""Seconds before a file that cannot be read is read again."""
_SUBMISSIONS = f"tags.`{KIND}` = 'sweep' AND tags.`{SCHEMA}` = '{SCHEMA_VERSION}'"


class _Submission(NamedTuple):
    sweep: SweepSpec
    trials: list[TrainSpec]
    command: str
    ended: dict[str, TrialRun]
    """Key -> the run with the result, in the order of the trials."""


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
            complete = latest_complete(run for run in trial_runs(self._store) if run.complete)
        return {key: run.run_id for key, run in complete.items()}

    def states(self, name: str) -> dict[str, TrialState]:
        """Key -> its state, of the trials of a sweep and of those that are complete elsewhere."""
        if not self._store.exists():
            return {}
        with self._store.errors(f"looking for the trials of sweep {name!r}"):
            experiment = self._store.client().get_experiment_by_name(name)
            own = experiment.experiment_id if experiment else None
            runs = (run for run in trial_runs(self._store) if run.complete or run.experiment_id == own)
            return {key: _state(run) for key, run in latest_complete(runs).items()}

    def submitted(self, name: str) -> tuple[SweepSpec, list[TrainSpec]]:
        """What the latest submission of the sweep called `name` asked for.

        Raises:
            TrackingError: if there is no store, no such sweep, or a record cannot be read.
        """
        with self._store.errors(f"reading sweep {name!r}"):
            return self._asked(self._latest_submission(name))

    def sweeps(self) -> dict[str, str]:
        """Name -> id of the experiment of every sweep, the latest first."""
        if not self._store.exists():
            return {}
        with self._store.errors("looking for sweeps"):
            runs = list(self._store.runs(_SUBMISSIONS))
        found: dict[str, str] = {}
        for run in runs:
            if SWEEP in run.data.tags:
                found.setdefault(run.data.tags[SWEEP], run.info.experiment_id)
        return found

    def load_sweep(self, name: str) -> SweepRecord:
        """The latest submission of the sweep called `name` and its results so far.

        Raises:
            TrackingError: if there is no store, no such sweep, or a record cannot be read.
        """
        with self._store.errors(f"reading sweep {name!r}"):
            found = self._find(name)
            return SweepRecord(
                sweep=found.sweep,
                results=[result for _, result in self._results(list(found.ended.values()))],
                missing=[trial for trial in found.trials if trial.key not in found.ended],
                command=found.command,
                run_ids={key: run.run_id for key, run in found.ended.items()},
            )

    def iter_results(self, name: str) -> Iterator[tuple[str, TrialResult]]:
        """Run id and result of what `load_sweep` gives.

        Raises:
            TrackingError: if there is no store, no such sweep, or a record cannot be read.
        """
        with self._store.errors(f"reading sweep {name!r}"):
            runs = list(self._find(name).ended.values())
        yield from self._results(runs)

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
        tags = found.data.tags
        if tags.get(KIND) != "trial" or tags.get(SCHEMA) != SCHEMA_VERSION:
            raise TrackingError(f"{place}: run {run!r} is not a trial of this version of resablate")
        if tags.get(STATUS) == RUNNING:
            raise TrackingError(f"{place}: run {run!r} holds no result: it has not ended")
        return run_id, self._result(run_id, str(found.info.artifact_uri))

    def load_weights_file(self, run_id: str, folder: Path, *, epoch: int | None = None) -> Path:
        """A copy, in `folder`, of weights that a run stored.

        Raises:
            TrackingError: if it stored none of this epoch.
        """
        client, name = self._store.client(), weights_file(epoch)
        with self._store.errors(f"looking for the weights of run {run_id}"):
            stored = [file.path for file in client.list_artifacts(run_id)]
            run = client.get_run(run_id)
        if name not in stored:
            raise TrackingError(f"{redact(self._store.uri)}: {no_weights(run_id, stored, epoch=epoch)}")
        [content] = self._store.read_files(run_id, str(run.info.artifact_uri), [name])
        (folder / name).write_bytes(content)
        return folder / name

    def _latest_submission(self, name: str) -> Run:
        place = redact(self._store.uri)
        if not self._store.exists():
            raise UnknownSweep(f"{place}: no sweep {name!r}, there is no database there yet. {ADVICE}")
        refuse_other_versions(self._store, name)
        latest = next((run for run in self._store.runs(_SUBMISSIONS) if run.data.tags.get(SWEEP) == name), None)
        if latest is None:
            known = list(self.sweeps())
            there = ", ".join(known) or "none"
            raise UnknownSweep(f"{place}: no sweep called {name!r}{nearest(name, known)} (there: {there})")
        return latest

    def _asked(self, submission: Run) -> tuple[SweepSpec, list[TrainSpec]]:
        run_id, place = submission.info.run_id, str(submission.info.artifact_uri)
        stored = {file.path for file in self._store.client().list_artifacts(run_id)}
        files = [SWEEP_FILE, TRIALS_FILE, *({RECENT_FILE} & stored)]

        def read() -> tuple[SweepSpec, list[TrainSpec]]:
            sweep, trials, *recent = self._store.read_files(run_id, place, files)
            # Not pydantic's own reading: it leaves the lists of JSON where an axis had tuples.
            return parse_sweep(json.loads(sweep)), read_trial_list(trials, recent[0] if recent else None)

        try:
            return _patiently(read)
        except (SpecError, ValueError) as error:
            raise TrackingError(self._unreadable(run_id, " or ".join(files), error)) from error

    def _find(self, name: str) -> _Submission:
        """The latest submission, and for each trial that ended a complete run of any sweep, else the latest of this."""
        run = self._latest_submission(name)
        sweep, trials = self._asked(run)
        own = run.info.experiment_id
        runs = (
            trial
            for trial in trial_runs(self._store)
            if trial.complete or (trial.experiment_id == own and trial.status != RUNNING)
        )
        by_key = latest_complete(runs)
        keys = dict.fromkeys(trial.key for trial in trials)
        ended = {key: by_key[key] for key in keys if key in by_key}
        return _Submission(sweep, trials, run.data.tags.get(COMMAND, ""), ended)

    def _results(self, runs: Sequence[TrialRun]) -> Iterator[tuple[str, TrialResult]]:
        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
            # In batches: a pool that is handed all of them reads ahead of whoever takes the results.
            for start in range(0, len(runs), DOWNLOADS_AT_ONCE):
                batch = runs[start : start + DOWNLOADS_AT_ONCE]
                results = pool.map(self._result_of, batch)
                yield from zip((run.run_id for run in batch), results, strict=True)

    def _result_of(self, run: TrialRun) -> TrialResult:
        return self._result(run.run_id, run.artifact_uri)

    def _result(self, run_id: str, artifact_uri: str) -> TrialResult:
        def read() -> TrialResult:
            [text] = self._store.read_files(run_id, artifact_uri, [RESULT_FILE])
            return TrialResult.from_json(text)

        try:
            return _patiently(read)
        except ValidationError as error:
            raise TrackingError(self._unreadable(run_id, RESULT_FILE, error)) from error

    def _unreadable(self, run_id: str, file: str, error: Exception) -> str:
        summary = str(error).strip().partition("\n")[0]
        return (
            f"{redact(self._store.uri)}: {file} of run {run_id} is not what this version of "
            f"resablate writes ({summary}); delete the run to have it made again"
        )


def _patiently(read: Callable[[], T]) -> T:
    """What `read` gives, tried again where it cannot make sense of a file.

    MLflow copies a file to its place byte by byte, so whoever reads meanwhile sees a part of it.
    """
    for pause in _PAUSES:
        with suppress(SpecError, ValueError):
            return read()
        time.sleep(pause)
    return read()


def _state(run: TrialRun) -> TrialState:
    stopped = run.status == RUNNING and run.run_status != "RUNNING"
    status = "interrupted" if stopped else run.status
    return TrialState(status, run.run_id, run.epoch, run.reason, run.measured, run.unmeasured)
