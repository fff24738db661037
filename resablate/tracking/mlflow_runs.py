"""Writing into one run of MLflow's."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from resablate.result import RESULT_FILE, TrialResult
from resablate.tracking.metrics import MetricPoint
from resablate.tracking.mlflow_store import MlflowStore
from resablate.tracking.mlflow_values import as_metrics, as_texts

_POINTS_AT_ONCE = 900
"""A call takes 1000 points, params and tags together."""


def write_files(
    store: MlflowStore,
    run_id: str,
    *,
    result: TrialResult | None = None,
    weights: Mapping[str, Path] = {},
    figures: Mapping[str, bytes] = {},
) -> None:
    """Store files with a run; a file of the same name is replaced.

    Args:
        store: where the run is.
        run_id: the run.
        result: stored as RESULT_FILE.
        weights: name -> a file, which is copied.
        figures: name -> PNG.
    """
    if not (result or weights or figures):
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if result is not None:
            (folder / RESULT_FILE).write_text(result.to_json(), encoding="utf-8")
        for name, file in weights.items():
            shutil.copyfile(file, folder / name)
        for figure, image in figures.items():
            (folder / "figures").mkdir(exist_ok=True)
            (folder / "figures" / f"{figure}.png").write_bytes(image)
        store.client().log_artifacts(run_id, str(folder))


def log_values(
    store: MlflowStore,
    run_id: str,
    points: Sequence[MetricPoint] = (),
    *,
    params: Mapping[str, object] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """One call for everything; MLflow's client divides what is more than a server takes at once."""
    from mlflow.entities import Param, RunTag

    if not (points or params or tags):
        return
    store.client().log_batch(
        run_id,
        metrics=as_metrics(points),
        params=[Param(name, value) for name, value in as_texts(params or {}).items()],
        tags=[RunTag(name, value) for name, value in as_texts(tags or {}).items()],
    )


def log_tags_last(store: MlflowStore, run_id: str, points: Sequence[MetricPoint], *, tags: Mapping[str, str]) -> None:
    """The points, then the tags in their order, so that what they say is there."""
    # MLflow's client sends tags with the first thousand points.
    log_values(store, run_id, points[_POINTS_AT_ONCE:])
    log_values(store, run_id, points[:_POINTS_AT_ONCE], tags=tags)
