"""Every trial's run in short: what tells which trials are complete, without what they measured."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

from resablate.result import COMPLETE
from resablate.tracking.mlflow_store import EPOCH, KEY, KIND, REASON, STATUS, MlflowStore

# A search makes objects of every param and metric of every run, 80 for a trial: seconds for a thousand runs. From a
# file, the few that are needed are read as they lie there. tests/tracking holds that both ways give the same.
_QUERY = """
SELECT runs.run_uuid, CAST(runs.experiment_id AS TEXT), runs.status, runs.artifact_uri,
       key.value, status.value, COALESCE(reason.value, ''), CAST(COALESCE(epoch.value, 0) AS INTEGER)
FROM tags AS key
JOIN runs ON runs.run_uuid = key.run_uuid AND runs.lifecycle_stage = 'active'
JOIN experiments USING (experiment_id)
JOIN tags AS status ON status.run_uuid = key.run_uuid AND status.key = :status
LEFT JOIN tags AS reason ON reason.run_uuid = key.run_uuid AND reason.key = :reason
LEFT JOIN latest_metrics AS epoch ON epoch.run_uuid = key.run_uuid AND epoch.key = :epoch
WHERE key.key = :key AND experiments.lifecycle_stage = 'active'
ORDER BY runs.start_time DESC
"""


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
    epoch: int
    """Epochs that are filed."""

    @property
    def complete(self) -> bool:
        """Whether the trial is never run again."""
        return self.status in COMPLETE


def trial_runs(store: MlflowStore, *, experiment_id: str | None = None) -> Iterator[TrialRun]:
    """The runs of all trials, the latest started first.

    Args:
        store: where they are.
        experiment_id: of a sweep, whose runs that are not complete are wanted alone; all of all sweeps where None.
    """
    store.client()  # makes the file, or brings it to the present schema
    if store.database is None:
        wanted = f"tags.`{KIND}` = 'trial'"
        if experiment_id is not None:
            wanted += "".join(f" AND tags.`{STATUS}` != '{status}'" for status in COMPLETE)
        for run in store.runs(wanted, experiment_ids=[experiment_id] if experiment_id is not None else None):
            info, tags = run.info, run.data.tags
            epoch = int(run.data.metrics.get(EPOCH, 0))
            place = (info.run_id, info.experiment_id, info.status, str(info.artifact_uri))
            yield TrialRun(*place, tags[KEY], tags[STATUS], tags.get(REASON, ""), epoch)
        return
    names = {"key": KEY, "status": STATUS, "reason": REASON, "epoch": EPOCH}
    with closing(sqlite3.connect(store.database)) as connection:
        for row in connection.execute(_QUERY, names):
            run = TrialRun(*row)
            if experiment_id is None or (run.experiment_id == experiment_id and not run.complete):
                yield run
