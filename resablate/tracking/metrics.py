"""Results as the flat, named numbers that a chart is drawn from."""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from resablate.measurement import EpochMetrics, Measurement
from resablate.question import Question
from resablate.result import TrialResult

_REFUSED = re.compile(r"[^\w.\- ]")
"""What MLflow takes in names on every system, without the slash, which groups the charts.

Source: the error message of MLflow 3.17 for other names.
"""
STANDARD_ERROR = "_standard_error"
"""Ends the names of numbers that say how sure another number is: columns of tables, and no charts of their own."""
SYSTEM = "system"
"""The group of metrics that MLflow shows on a page of their own, as those of the machine.

Source: https://mlflow.org/docs/latest/ml/tracking/system-metrics/
"""
_LONGEST_GROUP = 150
"""MLflow takes names of 250 characters; the rest is for the epoch and the number."""


class MetricPoint(NamedTuple):
    """One number of a chart; `step` is what it is plotted against, 0 for a number on its own."""

    name: str
    value: float
    step: int = 0
    seconds: float = 0.0
    """When, counted from the beginning of its trial by what the trial itself took."""


def epoch_points(metrics: EpochMetrics) -> list[MetricPoint]:
    """One epoch. The part before the slash groups the charts."""
    numbers: dict[str, float | None] = {
        "train/loss": metrics.train_loss,
        "train/error": metrics.train_error,
        "val/loss": metrics.val_loss,
        "val/error": metrics.val_error,
        "learning_rate": metrics.learning_rate,
        "epoch_seconds": metrics.wall_seconds,
        "epoch": metrics.epoch,
    }
    return [MetricPoint(name, _drawable(value), metrics.epoch) for name, value in numbers.items() if value is not None]


def final_points(result: TrialResult) -> list[MetricPoint]:
    """What is charted of a trial's end: the headline numbers, then every measurement, without standard errors.

    Raises:
        ValueError: as `measured_points` does.
    """
    return [point for point in measured_points(result) if not point.name.endswith(STANDARD_ERROR)]


def measured_points(result: TrialResult) -> list[MetricPoint]:
    """What a trial gives at its end: the headline numbers, then every measurement.

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
        "pack_size": result.pack_size,
    }
    if result.history and (error := result.history[-1].val_error) is not None:
        numbers["val_error"] = error
    numbers |= {f"{SYSTEM}/{name}": value for name, value in result.use.items()}
    points = [MetricPoint(name, _drawable(value)) for name, value in numbers.items()]
    during_training = {m.question.analysis for m in result.measurements if m.question.epoch is not None}
    for measurement in result.measurements:
        followed = measurement.question.analysis in during_training
        points.extend(_measurement_points(measurement, end=len(result.history) if followed else 0))
    return points


def new_points(result: TrialResult, *, before: TrialResult) -> list[MetricPoint]:
    """What `result` gives that `before`, the same trial's, did not."""
    known = {(point.name, str(point.value), point.step) for point in final_points(before)}
    return [point for point in final_points(result) if (point.name, str(point.value), point.step) not in known]


def metric_group(question: Question) -> str:
    """What the names of a question's metrics begin with: `lesion examples 2000`.

    Where MLflow does not take the name as it is, it is changed and ends with the question's id.
    """
    name = question.name
    accepted = _REFUSED.sub("_", name)[:_LONGEST_GROUP]
    return name if accepted == name else f"{accepted} {question.id}"


def _measurement_points(measurement: Measurement, *, end: int) -> Iterator[MetricPoint]:
    """The numbers of one measurement.

    What was measured after an epoch of training gives a summary that is a curve over epochs, ending with the trained
    network's, and tables under a name of their own.

    Args:
        measurement: the numbers.
        end: the step of the summary of a measurement at the end.
    """
    epoch, measured, group = measurement.question.epoch, measurement.result, metric_group(measurement.question)
    place = f"analysis {measurement.question.analysis.name!r}"
    if both := sorted(set(measured.summary) & set(measured.axes)):
        raise ValueError(f"{place}: {both} name both a summary number and a curve; rename one of each")
    for name, value in measured.summary.items():
        yield MetricPoint(f"{group}/{name}", _drawable(value), end if epoch is None else epoch)
    if epoch is not None:
        group = f"{group}/after_epoch_{epoch}"
    for column, axis in measured.axes.items():
        for value, step in zip(measured.table[column], measured.table[axis], strict=True):
            if not float(step).is_integer():
                raise ValueError(f"{place}: axis {axis!r} must hold whole numbers, got {step}")
            yield MetricPoint(f"{group}/{column}", _drawable(value), int(step))


def _drawable(value: float) -> float:
    # MLflow stores an infinity as 1.8e308, which would flatten every chart it is drawn in; NaN leaves a gap.
    return float("nan") if math.isinf(value) else float(value)
