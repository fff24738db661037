"""What MLflow holds, as results."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, final

from resablate.errors import DamagedResult, TrackingError
from resablate.redaction import redact
from resablate.result import COMPLETE, TrialResult, weights_file
from resablate.spec import KEY_LENGTH, TRIAL_NAME, TrainSpec
from resablate.sweep import SweepSpec
from resablate.tracking.amending import no_weights
from resablate.tracking.digest_tags import recorded, stored_weights
from resablate.tracking.mlflow_records import RunFiles, read_record
from resablate.tracking.mlflow_store import (
    ADVICE,
    COMMAND,
    KEY,
    KIND,
    SCHEMA,
    SCHEMA_VERSION,
    STATUS,
    SWEEP,
    MlflowStore,
)
from resablate.tracking.mlflow_submissions import latest_submission, listed_trials, submissions
from resablate.tracking.mlflow_trials import RUNNING, TrialRun, latest_complete, trial_runs
from resablate.tracking.tracker import SweepRecord, TrialState

if TYPE_CHECKING:
    from mlflow.entities import Run

log = logging.getLogger(__name__)

DOWNLOADS_AT_ONCE = 8


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
            run, sweep = latest_submission(self._store, name)
            return sweep, self._trials(run)

    def sweeps(self) -> dict[str, str]:
        """Name -> id of the experiment of every sweep, the latest first."""
        if not self._store.exists():
            return {}
        with self._store.errors("looking for sweeps"):
            runs = list(submissions(self._store))
        found: dict[str, str] = {}
        for run in runs:
            found.setdefault(run.data.tags[SWEEP], run.info.experiment_id)
        return found

    def experiments_of(self, *names: str) -> list[list[str]]:
        """Of each sweep, ids of the experiments that hold its trials' runs: its own, and those whose runs it reuses.

        Raises:
            TrackingError: if there is no store, no such sweep, or a record cannot be read.
        """
        with self._store.errors("looking for the trials of every sweep"):
            complete = latest_complete(found for found in trial_runs(self._store) if found.complete)
        return [self._holding(name, complete) for name in names]

    def _holding(self, name: str, complete: Mapping[str, TrialRun]) -> list[str]:
        with self._store.errors(f"reading sweep {name!r}"):
            run, _ = latest_submission(self._store, name)
            ended = (complete[spec.key] for spec in self._trials(run) if spec.key in complete)
            return list(dict.fromkeys([run.info.experiment_id, *(found.experiment_id for found in ended)]))

    def load_sweep(self, name: str) -> SweepRecord:
        """The latest submission of the sweep called `name` and its results so far.

        Raises:
            TrackingError: if there is no store, no such sweep, or a record cannot be read.
        """
        with self._store.errors(f"reading sweep {name!r}"):
            found = self._find(name)
            results = {result.key: (run_id, result) for run_id, result in self._results(list(found.ended.values()))}
            return SweepRecord(
                sweep=found.sweep,
                results=[result for _, result in results.values()],
                missing=[trial for trial in found.trials if trial.key not in results],
                command=found.command,
                run_ids={key: run_id for key, (run_id, _) in results.items()},
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
        if not TRIAL_NAME.fullmatch(run):
            raise TrackingError(f"{run!r}: neither the key of a trial nor a run id; `resablate runs SWEEP` lists them")
        run_id = self.complete_keys().get(run, run) if len(run) == KEY_LENGTH else run
        with self._store.errors(f"looking for run {run!r}"):
            found = self._store.client().get_run(run_id)
        self.check_ended(found)
        tags = found.data.tags
        return run_id, read_record(RunFiles.of(self._store, found), key=tags.get(KEY, ""), record=recorded(tags))

    def check_ended(self, run: Run) -> None:
        """Raise TrackingError if a run is no trial's, or has not ended."""
        tags, place = run.data.tags, redact(self._store.uri)
        if tags.get(KIND) != "trial" or tags.get(SCHEMA) != SCHEMA_VERSION:
            raise TrackingError(f"{place}: run {run.info.run_id!r} is not a trial of this version of resablate")
        if tags.get(STATUS) == RUNNING:
            raise TrackingError(f"{place}: run {run.info.run_id!r} holds no result: it has not ended")

    def check_results(self, runs: Mapping[str, str]) -> dict[str, str]:
        """Key -> why the result of a trial is none, of those in `runs` (key -> run id) that hold none."""
        if not runs:
            return {}
        wanted = set(runs.values())
        with self._store.errors("looking at results"):
            found = {run.key: run for run in trial_runs(self._store) if run.run_id in wanted}
            problems = {key: "its run is not there" for key in runs.keys() - found.keys()}
            with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
                for key, problem in zip(found, pool.map(self._problem_of, found.values()), strict=True):
                    if problem:
                        problems[key] = problem
        return problems

    def _problem_of(self, run: TrialRun) -> str:
        try:
            self._read(run)
        except DamagedResult as error:
            return str(error)
        return ""

    def load_weights_file(self, run_id: str, folder: Path, *, epoch: int | None = None) -> Path:
        """A copy, in `folder`, of weights that a run stored.

        Raises:
            TrackingError: if it stored none of this epoch.
        """
        name, place = weights_file(epoch), redact(self._store.uri)
        with self._store.errors(f"looking for the weights of run {run_id}"):
            run = self._store.client().get_run(run_id)
        stored = stored_weights(run.data.tags)
        if name not in stored:
            raise TrackingError(f"{place}: {no_weights(run_id, stored, epoch=epoch)}")
        expected, file = stored[name]
        try:
            content = RunFiles.of(self._store, run).read_whole(file, expected)
        except DamagedResult as error:
            raise TrackingError(f"{place}: {error}") from None
        (folder / name).write_bytes(content)
        return folder / name

    def _find(self, name: str) -> _Submission:
        """The latest submission, and for each trial that ended a complete run of any sweep, else the latest of this."""
        run, sweep = latest_submission(self._store, name)
        trials = self._trials(run)
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

    def _trials(self, submission: Run) -> list[TrainSpec]:
        """The trials of a submission; where their list is damaged, those whose results are there."""
        try:
            return listed_trials(self._store, submission)
        except DamagedResult as error:
            log.warning("%s; the trials that have ended are taken from their results", error)
        own = submission.info.experiment_id
        runs = [run for run in trial_runs(self._store) if run.experiment_id == own and run.status != RUNNING]
        return list({result.key: result.spec for _, result in self._results(runs[::-1])}.values())

    def _results(self, runs: Sequence[TrialRun]) -> Iterator[tuple[str, TrialResult]]:
        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
            # In batches: a pool that is handed all of them reads ahead of whoever takes the results.
            for start in range(0, len(runs), DOWNLOADS_AT_ONCE):
                batch = runs[start : start + DOWNLOADS_AT_ONCE]
                results = zip(batch, pool.map(self._result_of, batch), strict=True)
                yield from ((run.run_id, result) for run, result in results if result)

    def _read(self, run: TrialRun) -> TrialResult:
        return read_record(RunFiles(self._store, run.run_id, run.artifact_uri), key=run.key, record=run.record)

    def _result_of(self, run: TrialRun) -> TrialResult | None:
        """Its result; None, with a warning, where it is damaged: then it is as if the trial had not ended."""
        try:
            return self._read(run)
        except DamagedResult as error:
            log.warning("%s; it does not count", error)
            return None


def _state(run: TrialRun) -> TrialState:
    stopped = run.status == RUNNING and run.run_status != "RUNNING"
    status = "interrupted" if stopped or (run.status in COMPLETE and not run.complete) else run.status
    return TrialState(status, run.run_id, run.epoch, run.reason, run.measured, run.unmeasured)
