"""Writing into one run of MLflow's."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from resablate.measurement import EpochMetrics
from resablate.tracking.metrics import MetricPoint, epoch_points
from resablate.tracking.mlflow_store import MlflowStore
from resablate.tracking.mlflow_values import as_metrics, as_texts

_POINTS_AT_ONCE = 900
"""A call takes 1000 points, params and tags together."""


@dataclass
class OpenRun:
    """The run of a trial that is under way."""

    run_id: str
    start: int
    """In milliseconds since 1970."""
    epochs: set[int] = field(default_factory=set[int])
    """Those it holds already."""
    seconds: dict[int, float] = field(default_factory=dict[int, float])
    """Epoch -> what it took."""

    def new_points(self, metrics: EpochMetrics) -> list[MetricPoint]:
        """The points of an epoch that it does not hold, at the time by which the trial itself had come so far."""
        self.seconds[metrics.epoch] = metrics.wall_seconds
        if metrics.epoch in self.epochs:
            return []
        at = sum(seconds for epoch, seconds in self.seconds.items() if epoch <= metrics.epoch)
        return [point._replace(seconds=at) for point in epoch_points(metrics)]


def write_files(
    store: MlflowStore,
    run_id: str,
    *,
    records: Mapping[str, bytes] = {},
    weights: Mapping[str, Path] = {},
    figures: Mapping[str, bytes] = {},
) -> None:
    """Store files with a run.

    Args:
        store: where the run is.
        run_id: the run.
        records: name -> content.
        weights: name -> a file, which is copied.
        figures: name -> PNG.
    """
    if not (records or weights or figures):
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for name, content in records.items():
            (folder / name).write_bytes(content)
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
    start: int | None = None,
    params: Mapping[str, object] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """One call for everything; MLflow's client divides what is more than a server takes at once.

    Args:
        store: where the run is.
        run_id: the run.
        points: numbers.
        start: of the run, in milliseconds since 1970, which the times of the points count from; now where None.
        params: name -> value.
        tags: name -> value, in this order.
    """
    from mlflow.entities import Param, RunTag

    if not (points or params or tags):
        return
    store.client().log_batch(
        run_id,
        metrics=as_metrics(points, start=start),
        params=[Param(name, value) for name, value in as_texts(params or {}).items()],
        tags=[RunTag(name, value) for name, value in as_texts(tags or {}).items()],
    )


def log_tags_last(
    store: MlflowStore, run_id: str, points: Sequence[MetricPoint], *, start: int, tags: Mapping[str, str]
) -> None:
    """The points, then the tags in their order, so that what they say is there; arguments as those of `log_values`."""
    # MLflow's client sends tags with the first thousand points.
    log_values(store, run_id, points[_POINTS_AT_ONCE:], start=start)
    log_values(store, run_id, points[:_POINTS_AT_ONCE], start=start, tags=tags)
