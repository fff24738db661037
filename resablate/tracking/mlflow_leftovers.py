"""What a process that was killed left in a sweep's experiment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from resablate.result import COMPLETE, RESULT_FILE
from resablate.tracking.digest_tags import recorded
from resablate.tracking.mlflow_store import KEY, KIND, PARENT, STATUS, MlflowStore
from resablate.tracking.mlflow_trials import RUNNING, TrialRun

if TYPE_CHECKING:
    from mlflow.entities import Run

RUN_STATUS = {
    "finished": "FINISHED",
    "diverged": "FINISHED",
    "pruned": "FINISHED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}
"""How a trial or a submission ended -> MLflow's word."""


def close_trials(store: MlflowStore, experiment_id: str, *, parent: str = "") -> None:
    """End the runs of trials that nobody is at work on: as their tags say, else as interrupted.

    Args:
        store: where they are.
        experiment_id: of the sweep.
        parent: run id of the submission whose runs they are; all of the experiment where empty.
    """
    for run in _opened(store, experiment_id, parent):
        status = RUN_STATUS.get(run.data.tags.get(STATUS, ""), RUN_STATUS["interrupted"])
        store.client().set_terminated(run.info.run_id, status)


def delete_trials(store: MlflowStore, experiment_id: str, *, parent: str) -> None:
    """Delete the runs of trials that have not ended, so that nothing more can be written there.

    MLflow can bring them back. Arguments as those of `close_trials`.
    """
    for run in _opened(store, experiment_id, parent):
        if run.data.tags.get(STATUS) == RUNNING:
            store.client().delete_run(run.info.run_id)


def _opened(store: MlflowStore, experiment_id: str, parent: str) -> list[Run]:
    wanted = f"attributes.status = 'RUNNING' AND tags.`{KIND}` = 'trial'"
    wanted += f" AND tags.`{PARENT}` = '{parent}'" if parent else ""
    return list(store.runs(wanted, experiment_ids=[experiment_id]))


def reopenable_runs(store: MlflowStore, runs: Sequence[TrialRun]) -> dict[str, str]:
    """Key -> the run in which a trial that is not complete goes on.

    Others of the same trial, which a process left that was killed between two steps, are deleted, and so are those that
    were interrupted of a trial that is complete; MLflow can bring them back.

    Args:
        store: where they are.
        runs: of one experiment, not complete and not at work, the latest started first.
    """
    chosen: dict[str, str] = {}
    for run in runs:
        if run.status != RUNNING:
            chosen.setdefault(run.key, run.run_id)
        elif run.key in chosen or _is_complete(store, run):
            store.client().delete_run(run.run_id)
        else:
            chosen[run.key] = run.run_id
    return chosen


def _is_complete(store: MlflowStore, run: TrialRun) -> bool:
    """Whether another run of the experiment holds the trial's result."""
    same = f"tags.`{KEY}` = '{run.key}' AND tags.`{KIND}` = 'trial'"
    found = store.runs(same, experiment_ids=[run.experiment_id])
    ended = (other.data.tags for other in found if other.data.tags.get(STATUS) in COMPLETE)
    return any(RESULT_FILE in recorded(tags) for tags in ended)
