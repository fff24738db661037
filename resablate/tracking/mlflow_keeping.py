"""What a person does with records in MLflow."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import final

from resablate.tracking.mlflow_away import files_away
from resablate.tracking.mlflow_reader import MlflowReader
from resablate.tracking.mlflow_sqlite import read_tag
from resablate.tracking.mlflow_store import KIND, STATUS, MlflowStore
from resablate.tracking.mlflow_submissions import latest_submission
from resablate.tracking.mlflow_trials import trial_runs
from resablate.tracking.mlflow_values import version_tags
from resablate.tracking.record_keeping import SUPERSEDED, RecordKeeping


@final
class MlflowKeeping(RecordKeeping):
    """Of one store."""

    def __init__(self, store: MlflowStore) -> None:
        self._store = store

    def sweeps(self) -> list[str]:
        """The names of all sweeps, the latest submitted first."""
        return list(MlflowReader(self._store).sweeps())

    def made_with(self, run_ids: Iterable[str]) -> dict[str, str]:
        """Run id -> `source` of the versions that a result was made with."""
        wanted = set(run_ids)
        if not wanted or not self._store.exists():
            return {}
        (tag,) = version_tags({"source": ""})
        with self._store.errors("looking for the versions of results"):
            found = self._tagged(tag)
        return {run_id: source for run_id, source in found.items() if run_id in wanted and source}

    def files_away(self, run_ids: Iterable[str]) -> str:
        """Where the files of complete trials ought to lie, if none of them is there."""
        wanted = set(run_ids)
        if not wanted:
            return ""
        with self._store.errors("looking for files"):
            found = [(run.run_id, run.artifact_uri) for run in trial_runs(self._store) if run.run_id in wanted]
        return files_away(self._store, found)

    def _tagged(self, tag: str) -> dict[str, str]:
        if self._store.database is not None:
            try:
                return read_tag(self._store.database, tag)
            except sqlite3.Error:
                pass  # another schema: MLflow's own search knows it
        runs = self._store.runs(f"tags.`{KIND}` = 'trial' AND tags.`{tag}` != ''")
        return {run.info.run_id: run.data.tags[tag] for run in runs}

    def supersede(self, run_id: str) -> None:
        """Marks the run of a trial that is to be trained again, by a status that counts nowhere."""
        with self._store.errors(f"setting run {run_id} aside"):
            self._store.client().set_tag(run_id, STATUS, SUPERSEDED)

    def forget_sweep(self, name: str) -> int:
        """Deletes every run in the experiment of the sweep called `name`; `mlflow gc` removes their files."""
        with self._store.errors(f"forgetting sweep {name!r}"):
            experiment = latest_submission(self._store, name).run.info.experiment_id
            runs = list(self._store.runs("", experiment_ids=[experiment]))
            # The submissions last: what is left after an interruption is found by its name.
            for run in sorted(runs, key=lambda run: run.data.tags.get(KIND) == "sweep"):
                self._store.client().delete_run(run.info.run_id)
        return sum(run.data.tags.get(KIND) == "trial" for run in runs)
