"""Results as the flat, named numbers that a chart is drawn from."""

import math
from collections.abc import Iterator
from typing import NamedTuple

from resablate.measurement import AnalysisResult, EpochMetrics
from resablate.result import TrialResult


class Point(NamedTuple):
    """One number of a chart; `step` is what it is plotted against, 0 for a number on its own."""

    name: str
    value: float
    step: int = 0


def epoch_points(metrics: EpochMetrics) -> list[Point]:
    """One epoch. The part before the slash groups the charts."""
    numbers = {
        "train/loss": metrics.train_loss,
        "train/error": metrics.train_error,
        "val/loss": metrics.val_loss,
        "val/error": metrics.val_error,
        "learning_rate": metrics.learning_rate,
        "epoch_seconds": metrics.wall_seconds,
        "epoch": metrics.epoch,
    }
    return [Point(name, _drawable(value), metrics.epoch) for name, value in numbers.items()]


def final_points(result: TrialResult) -> list[Point]:
    """What a trial gives at its end: the headline numbers, then every analysis.

    Raises:
        ValueError: if an analysis gives a summary number and a curve the same name, or the values of a
            curve's axis are not whole numbers.
    """
    if result.status == "failed":
        return []  # nothing was measured
    numbers: dict[str, float] = {
        "test_error": result.test_error,
        "test_loss": result.test_loss,
        "parameter_count": result.parameter_count,
        "wall_seconds": result.wall_seconds,
    }
    if result.history:
        numbers["val_error"] = result.history[-1].val_error
    points = [Point(name, _drawable(value)) for name, value in numbers.items()]
    for epoch, analyses in result.analyses_by_epoch.items():
        for analysis, measured in analyses.items():
            points.extend(_analysis_points(analysis, measured, epoch=epoch))
    last = len(result.history)
    for analysis, measured in result.analyses.items():
        followed = any(analysis in analyses for analyses in result.analyses_by_epoch.values())
        points.extend(_analysis_points(analysis, measured, summary_step=last if followed else 0))
    return points


def new_points(result: TrialResult, *, before: TrialResult) -> list[Point]:
    """What `result` gives that `before`, the same trial's, did not."""
    known = {(point.name, str(point.value), point.step) for point in final_points(before)}
    return [point for point in final_points(result) if (point.name, str(point.value), point.step) not in known]


def _analysis_points(
    analysis: str, measured: AnalysisResult, *, epoch: int | None = None, summary_step: int = 0
) -> Iterator[Point]:
    """The numbers of one analysis.

    What was measured after an epoch of training gives a summary that is a curve over epochs, ending with the trained
    network's, and tables under a name of their own.
    """
    if both := sorted(set(measured.summary) & set(measured.axes)):
        raise ValueError(f"analysis {analysis!r}: {both} name both a summary number and a curve; rename one of each")
    for name, value in measured.summary.items():
        yield Point(f"{analysis}/{name}", _drawable(value), summary_step if epoch is None else epoch)
    group = analysis if epoch is None else f"{analysis}/after_epoch_{epoch}"
    for column, axis in measured.axes.items():
        for value, place in zip(measured.table[column], measured.table[axis], strict=True):
            if not float(place).is_integer():
                raise ValueError(f"analysis {analysis!r}: axis {axis!r} must hold whole numbers, got {place}")
            yield Point(f"{group}/{column}", _drawable(value), int(place))


def _drawable(value: float) -> float:
    # MLflow stores an infinity as 1.8e308, which would flatten every chart it is drawn in; NaN leaves a gap.
    return float("nan") if math.isinf(value) else float(value)
