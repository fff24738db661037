"""A sweep's experiment."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from resablate.errors import TrackingError
from resablate.redaction import redact
from resablate.tracking.mlflow_moved import ARTIFACTS
from resablate.tracking.mlflow_store import KIND, SCHEMA, SCHEMA_VERSION, MlflowStore

ARTIFACTS_VARIABLE = "RESABLATE_ARTIFACTS"
"""The folder in which a server without a proxy keeps files, if it is one that this machine reaches."""
_OURS = f"tags.`{KIND}` != ''"
"""In MLflow's search: the run has the tag."""


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


def refuse_other_versions(store: MlflowStore, name: str) -> None:
    """Raise TrackingError if the experiment called `name` holds records of another version, such as 0.1."""
    found = store.client().get_experiment_by_name(name)
    if found is None or found.lifecycle_stage == "deleted":
        return
    place = [found.experiment_id]
    # Records of two versions come to be in one experiment only by turns, so the first and the last run tell, without
    # reading what lies between: a search cannot ask for a tag that is missing before MLflow 3.11.
    for order in ("ASC", "DESC"):
        run = next(store.runs(_OURS, experiment_ids=place, order=f"attributes.start_time {order}", page=1), None)
        if run is not None and SCHEMA not in run.data.tags:
            break
    else:
        return
    there = store.runs(_OURS, experiment_ids=place)
    count = sum(run.data.tags.get(SCHEMA) != SCHEMA_VERSION for run in there)
    raise TrackingError(
        f"{redact(store.uri)}: experiment {name!r} holds {count} run{'s' if count > 1 else ''} of resablate 0.1, which"
        " this version does not read; give the sweep another name, set MLFLOW_TRACKING_URI to another database, or"
        f" delete the experiment with `mlflow experiments delete --experiment-id {place[0]}` and `mlflow gc"
        f" --experiment-ids {place[0]}`"
    )


def refuse_other_records(store: MlflowStore, name: str) -> None:
    """Raise TrackingError if an experiment holds records of another version, or keeps its files elsewhere."""
    refuse_other_versions(store, name)
    found = store.client().get_experiment_by_name(name)
    if found is None or found.lifecycle_stage == "deleted" or lies_where_it_should(store, found.artifact_location):
        return
    where = f"the folder of the database, {store.database.parent}," if store.database else "the server"
    raise TrackingError(
        f"{redact(store.uri)}: experiment {name!r} keeps its files in {redact(found.artifact_location)}, and results"
        f" are read from {where} alone; was that folder moved, or the experiment made by another program? Move it"
        f" back, give the sweep another name, or set ${ARTIFACTS_VARIABLE} to the folder that is meant"
    )


def lies_where_it_should(store: MlflowStore, location: str) -> bool:
    """Whether files at `location` are read.

    Whoever writes records chooses the location, so on the reader's disk it may be in the folder of the database alone,
    or in what `$RESABLATE_ARTIFACTS` names.
    """
    parts = urlsplit(location)
    if parts.scheme not in ("", "file"):
        return True
    allowed = [Path(given)] if (given := os.environ.get(ARTIFACTS_VARIABLE)) else []
    allowed += [store.database.parent] if store.database else []
    path = Path(url2pathname(parts.path)).resolve()
    return parts.netloc in ("", "localhost") and any(path.is_relative_to(folder.resolve()) for folder in allowed)


def _artifact_location(store: MlflowStore, name: str) -> str | None:
    """Beside the database, wherever this process runs; a server decides for itself."""
    database = store.database
    return None if database is None else (database.parent / ARTIFACTS / name).as_uri()
