"""A sweep's report as a run of its own, and what its experiment says of it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from resablate.redaction import redact
from resablate.storage.locations import tracking_uri
from resablate.tracking.mlflow_experiments import find_experiment
from resablate.tracking.mlflow_pages import charts_path, filed_views, short_key, view_path
from resablate.tracking.mlflow_reader import MlflowReader
from resablate.tracking.mlflow_runs import log_values
from resablate.tracking.mlflow_store import KIND, REPORT_KIND, SCHEMA, SCHEMA_VERSION, SWEEP, MlflowStore
from resablate.tracking.mlflow_values import cut_text

if TYPE_CHECKING:
    from mlflow.entities import Experiment

NOTE = "mlflow.note.content"
"""A system tag of MLflow's: Markdown that its pages show with an experiment.

Source: https://mlflow.org/docs/latest/ml/tracking/tracking-api/#system-tags
"""
_FILED = ("*.html", "*.md", "figures/*", "tables/*")
"""Of a report's folder; the results themselves are those of the trials' runs."""


def write_report_run(store: MlflowStore, name: str, folder: Path, *, note: str) -> None:
    """File a report in the place of the one before; arguments as `Tracker.file_report`'s."""
    client = store.client()
    with store.errors(f"filing the report of sweep {name!r}"):
        experiment_id = find_experiment(store, name)
        ours = f"tags.`{KIND}` = '{REPORT_KIND}' AND tags.`{SCHEMA}` = '{SCHEMA_VERSION}'"
        before = list(store.runs(ours, experiment_ids=[experiment_id]))  # and what a killed process left of one
        tags = {SCHEMA: SCHEMA_VERSION, SWEEP: name, KIND: REPORT_KIND}
        run = client.create_run(experiment_id, tags=tags, run_name=f"report {datetime.now():%Y-%m-%d %H:%M:%S}")
        for file in sorted(path for pattern in _FILED for path in folder.glob(pattern)):
            place = file.parent.relative_to(folder).as_posix()
            client.log_artifact(run.info.run_id, str(file), None if place == "." else place)
        log_values(store, run.info.run_id, tags={NOTE: note})
        client.set_terminated(run.info.run_id)
        for old in before:
            client.delete_run(old.info.run_id)
        client.set_experiment_tag(experiment_id, NOTE, cut_text(note))


def begin_note(store: MlflowStore, experiment_id: str, question: str) -> None:
    """Have the experiment say what is asked, as long as no report says more."""
    client = store.client()
    if question and NOTE not in client.get_experiment(experiment_id).tags:
        client.set_experiment_tag(experiment_id, NOTE, cut_text(question))


def sweep_links(store: MlflowStore, name: str) -> dict[str, str]:
    """Title -> where it is, as `Tracker.links` says it."""
    if not store.exists():
        return {}
    with store.errors(f"looking for sweep {name!r}"):
        found = store.client().get_experiment_by_name(name)
    if found is None:
        return {}
    [holding] = MlflowReader(store).experiments_of(name)
    paths = sweep_paths(found, holding)
    if store.database is None:
        server = store.uri.rstrip("/")
        return {title: f"{server}{path}" for title, path in paths.values()}
    return {title: f"resablate ui {name} {key}{_option(store)}" for key, (title, _) in paths.items()}


def how_to_look(store: MlflowStore) -> str:
    """How to look at the records, in one line."""
    if store.database is None:
        return f"open {redact(store.uri)}"
    return f"{store.database} (to look at them: resablate ui{_option(store)})"


def _option(store: MlflowStore) -> str:
    """What names the database where it is not the one that is looked for by itself."""
    return "" if store.uri == tracking_uri() else f" --tracking-uri {shlex.quote(store.uri)}"


def sweep_paths(experiment: Experiment, holding: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Short key -> title and path of each page on a sweep: its views, and the charts of its trials.

    Args:
        experiment: of the sweep.
        holding: ids of the experiments that hold the runs of its trials.
    """
    views = filed_views(experiment.tags)
    paths = {
        short_key(key): (title, view_path(experiment.experiment_id, experiment.tags, key))
        for key, title in views.items()
    }
    return {**paths, "trials": ("the trials' charts", charts_path(*holding))}
