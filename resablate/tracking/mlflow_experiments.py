"""A sweep's experiment."""

from __future__ import annotations

from resablate.redaction import redact
from resablate.errors import TrackingError
from resablate.tracking.mlflow_store import MlflowStore


def find_experiment(store: MlflowStore, name: str) -> str:
    """The id of the experiment called `name`, made where there is none.

    Raises:
        TrackingError: if it was deleted.
    """
    from mlflow.exceptions import MlflowException

    client = store.client()
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name, artifact_location=_artifact_location(store, name))
        except MlflowException:
            # Another sweep of this name may have been submitted at the same moment.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        # Restoring it would bring back the runs that somebody threw away, as complete trials.
        raise TrackingError(
            f"{redact(store.uri)}: experiment {name!r} was deleted; bring it back with `mlflow "
            f"experiments restore --experiment-id {found.experiment_id}`, remove it for good with "
            f"`mlflow gc --experiment-ids {found.experiment_id}`, or give the sweep another name"
        )
    return found.experiment_id


def _artifact_location(store: MlflowStore, name: str) -> str | None:
    """Beside the database, wherever this process runs; a server decides for itself."""
    database = store.database
    return None if database is None else (database.parent / "mlartifacts" / name).as_uri()
