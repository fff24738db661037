"""The views of a sweep, kept with its experiment."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from importlib.metadata import version
from urllib.request import urlopen

from resablate.sweep import SweepSpec
from resablate.tracking.mlflow_pages import READS_VIEWS, view_tags
from resablate.tracking.mlflow_store import PROBE_SECONDS, MlflowStore
from resablate.tracking.views import sweep_views


def write_views(
    store: MlflowStore, experiment_id: str, sweep: SweepSpec, *, run_id: str, kind: str, shared_params: Collection[str]
) -> None:
    """Keep the views of a sweep with its experiment, if the server's pages read views.

    Args:
        store: where they are.
        experiment_id: of the sweep.
        sweep: the sweep.
        run_id: one of its runs, which has the metrics that the others have.
        kind: as `shared_params`, what `sweep_views` takes.
        shared_params: likewise.
    """
    if not reads_views(store):
        return
    client = store.client()
    metrics = client.get_run(run_id).data.metrics
    views = sweep_views(sweep, metrics, kind=kind, shared_params=shared_params)
    there: Mapping[str, str] = client.get_experiment(experiment_id).tags
    for name, value in view_tags(views, milliseconds=int(time.time() * 1000)).items():
        if _without_times(there.get(name, "")) != _without_times(value):
            client.set_experiment_tag(experiment_id, name, value)


def reads_views(store: MlflowStore) -> bool:
    """Whether the pages of the server, or of the MLflow that is installed here for a file, read views."""
    parts = _server_version(store).split(".")[:2]
    return all(part.isdecimal() for part in parts) and tuple(map(int, parts)) >= READS_VIEWS


def _server_version(store: MlflowStore) -> str:
    if store.database is None:
        try:
            with urlopen(store.uri.rstrip("/") + "/version", timeout=PROBE_SECONDS) as answer:
                return answer.read(100).decode()
        except (OSError, ValueError):  # one that wants a password, such as that of `make cluster`
            pass
    return version("mlflow")


def _without_times(envelope: str) -> str:
    """The state that it ends with."""
    return envelope.rpartition('"state"')[2]
