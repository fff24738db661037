"""What MLflow holds, as results."""

from __future__ import annotations

import json
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, final

from pydantic import ValidationError

from resablate.errors import ResablateError, TrackingError, UnknownSweep, nearest
from resablate.result import COMPLETE, RESULT_FILE, WEIGHTS_FILE, TrialResult
from resablate.spec import KEY_LENGTH, TrialSpec
from resablate.sweep import SweepSpec, parse_sweep
from resablate.tracking.location import shown
from resablate.tracking.mlflow_store import ADVICE, COMMAND, KEY, KIND, STATUS, SWEEP, MlflowStore
from resablate.tracking.tracker import SweepRecord

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
            # MLflow's filters know no OR: of the four words a trial's status may be, these two are left out.
            runs = self._store.runs(f"tags.`{STATUS}` != 'running' AND tags.`{STATUS}` != 'failed'")
            latest_last = list(runs)[::-1]
        return {run.data.tags[KEY]: run.info.run_id for run in latest_last if run.data.tags[STATUS] in COMPLETE}

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
        place = shown(self._store.uri)
        if not self._store.exists():
            raise UnknownSweep(f"{place}: no sweep {name!r}, there is no database there yet. {ADVICE}")
        with self._store.errors(f"reading sweep {name!r}"):
            run = self._submission(name)
            sweep, trials = self._asked(run)
            by_key = self._ended_runs({trial.key for trial in trials}, name)
            with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
                return SweepRecord(
                    sweep=sweep,
                    results=list(pool.map(self._result, [by_key[t.key] for t in trials if t.key in by_key])),
                    missing=[trial for trial in trials if trial.key not in by_key],
                    command=run.data.tags[COMMAND],
                    run_ids={key: run.info.run_id for key, run in by_key.items()},
                )

    def load_trial(self, run: str) -> tuple[str, TrialResult]:
        """The run id and the result of the trial with this run id or key.

        Raises:
            TrackingError: if there is no such run, it is no trial's, or it holds no result.
        """
        place = shown(self._store.uri)
        if not self._store.exists():
            raise TrackingError(f"{place}: no run {run!r}, there is no database there yet. {ADVICE}")
        run_id = self.complete_keys().get(run, run) if len(run) == KEY_LENGTH else run
        with self._store.errors(f"looking for run {run!r}"):
            found = self._store.client().get_run(run_id)
        if found.data.tags.get(KIND) != "trial":
            raise TrackingError(f"{place}: run {run!r} is not one of resablate's trials")
        if found.data.tags.get(STATUS) == "running":
            raise TrackingError(f"{place}: run {run!r} holds no result: it has not ended")
        return run_id, self._result(found)

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
            raise TrackingError(f"{shown(self._store.uri)}: run {run_id} stored no weights (it holds {there})")
        [content] = self._store.read_files(run, [WEIGHTS_FILE])
        (folder / WEIGHTS_FILE).write_bytes(content)
        return folder / WEIGHTS_FILE

    def _submission(self, name: str) -> Run:
        submissions = self._store.runs(f"tags.`{KIND}` = 'sweep'")
        latest = next((run for run in submissions if run.data.tags[SWEEP] == name), None)
        if latest is None:
            known = list(self.sweeps())
            there = ", ".join(known) or "none"
            place = shown(self._store.uri)
            raise UnknownSweep(f"{place}: no sweep called {name!r}{nearest(name, known)} (there: {there})")
        return latest

    def _asked(self, submission: Run) -> tuple[SweepSpec, list[TrialSpec]]:
        sweep, trials = self._store.read_files(submission, [SWEEP_FILE, TRIALS_FILE])
        try:
            # Not pydantic's own reading: it leaves the lists of JSON where an axis had tuples.
            return parse_sweep(json.loads(sweep)), [TrialSpec.parse(fields) for fields in json.loads(trials)]
        except (ResablateError, ValueError) as error:
            raise TrackingError(self._unreadable(submission, TRIALS_FILE, error)) from error

    def _ended_runs(self, keys: Collection[str], sweep: str) -> dict[str, Run]:
        """Key -> its run: a complete one of any sweep, else the latest of this one."""
        chosen: dict[str, Run] = {}
        for run in self._store.runs(f"tags.`{STATUS}` != 'running'"):
            key = run.data.tags[KEY]
            if key not in keys or not (_complete(run) or run.data.tags[SWEEP] == sweep):
                continue
            if key not in chosen or (_complete(run) and not _complete(chosen[key])):
                chosen[key] = run
        return chosen

    def _result(self, run: Run) -> TrialResult:
        [text] = self._store.read_files(run, [RESULT_FILE])
        try:
            return TrialResult.from_json(text)
        except ValidationError as error:
            raise TrackingError(self._unreadable(run, RESULT_FILE, error)) from error

    def _unreadable(self, run: Run, file: str, error: Exception) -> str:
        summary = str(error).strip().partition("\n")[0]
        return (
            f"{shown(self._store.uri)}: {file} of run {run.info.run_id} is not what this version of "
            f"resablate writes ({summary}); delete the run to have it made again"
        )


def _complete(run: Run) -> bool:
    return run.data.tags[STATUS] in COMPLETE
