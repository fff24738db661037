"""The run of a trial, made or opened again: with its params, where it comes from, and the data that it is of."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from resablate.spec import TrainSpec
from resablate.tracking.digest_tags import is_digest_tag
from resablate.tracking.measured_tags import is_measured_tag
from resablate.tracking.mlflow_runs import OpenRun, log_values
from resablate.tracking.mlflow_store import REASON, MlflowStore
from resablate.tracking.mlflow_values import cut_text
from resablate.versions import code_version

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

_LONGEST_NAME, _LONGEST_DIGEST = 500, 36
"""Of a data set, in MLflow. Source: mlflow/store/tracking/dbmodels/models.py, 3.17."""


def new_run(store: MlflowStore, experiment_id: str, spec: TrainSpec, *, name: str, tags: Mapping[str, str]) -> OpenRun:
    """A run for a trial.

    Args:
        store: where it is made.
        experiment_id: of the sweep.
        spec: what is trained.
        name: for people.
        tags: of the run, besides those of its source.
    """
    client = store.client()
    run = client.create_run(experiment_id, tags={**source_tags(), **tags}, run_name=cut_text(name))
    log_values(store, run.info.run_id, params=spec.params())
    client.log_inputs(run.info.run_id, datasets=[_data_of(spec)])
    return OpenRun(run.info.run_id, run.info.start_time)


def opened_again(store: MlflowStore, run_id: str, spec: TrainSpec, *, tags: Mapping[str, str]) -> OpenRun:
    """The run of a trial that goes on, without what it said of its end; arguments as those of `new_run`."""
    client = store.client()
    run = client.get_run(run_id)
    client.update_run(run_id, status="RUNNING")
    logged = client.get_metric_history(run_id, "learning_rate")
    params = {name: value for name, value in spec.params().items() if name not in run.data.params}
    cleared = {name: "" for name in run.data.tags if name == REASON or is_measured_tag(name) or is_digest_tag(name)}
    log_values(store, run_id, params=params, tags={**tags, **cleared})
    if not (run.inputs and run.inputs.dataset_inputs):  # it was made, and nothing more came to pass
        client.log_inputs(run_id, datasets=[_data_of(spec)])
    return OpenRun(run_id, run.info.start_time, {metric.step for metric in logged})


def source_tags() -> dict[str, str]:
    """MLflow's own tags of who ran what.

    Source: https://mlflow.org/docs/latest/ml/tracking/tracking-api/#system-tags
    """
    source = {"name": "resablate", "type": "LOCAL", "git.commit": code_version()}
    found = {f"mlflow.source.{name}": value for name, value in source.items()}
    try:
        return {**found, "mlflow.user": getpass.getuser()}
    except (OSError, KeyError):  # a container's number without a name
        return found


def _data_of(spec: TrainSpec) -> DatasetInput:
    """The data set of a trial: its name with its arguments, the fingerprint of its content, and how it is split."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    arguments = {name: value for name, value in spec.dataset.params("dataset").items() if name != "dataset"}
    split = ", ".join(f"{name.partition('.')[2]} {value}" for name, value in arguments.items())
    dataset = Dataset(
        name=str(spec.dataset)[:_LONGEST_NAME],
        digest=(spec.fingerprint or "unknown")[:_LONGEST_DIGEST],
        source_type="resablate",
        source=json.dumps({"dataset": spec.dataset.name}),
        profile=json.dumps(arguments),
    )
    tags = [InputTag("mlflow.data.context", "train, val, test"), InputTag("split", cut_text(split or "as published"))]
    return DatasetInput(dataset, tags)
