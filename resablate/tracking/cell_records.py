"""The trainings of a cell as one record: means over seeds, their intervals, and curves of means."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from resablate.cell_means import Ranged, error_sample, is_test_error, mean_error, mean_number
from resablate.component import content_hash
from resablate.csv_files import Cell
from resablate.measurement import ANY, PART, POSITIVE, Bounds
from resablate.result import TrialResult
from resablate.spec import TrainSpec
from resablate.sweep import SweepSpec
from resablate.torch_missing import check_is_torch
from resablate.tracking.metrics import STANDARD_ERROR, MetricPoint, epoch_points, measured_points

FEWEST_SEEDS = 2
"""A cell of one training is that training."""
TABLE_COLUMNS = ("number", "step", "mean", "low", "high", "n")
_DIGITS = 16
_OF_EPOCHS = ("train", "val")
_OF_TRAINING = {
    **dict.fromkeys(("error", "val_error"), PART),
    **dict.fromkeys(("loss", "test_loss", "learning_rate", "parameter_count"), POSITIVE),
}
_OF_ONE_TRIAL = ("epoch", "epoch_seconds", "wall_seconds", "pack_size")


class CellRecord(NamedTuple):
    """What is filed of a cell."""

    spec: TrainSpec
    """Of one of its trainings; its seed means nothing."""
    seeds: tuple[int, ...]
    """Of the trainings that the means are over."""
    numbers: tuple[MetricPoint, ...]
    """Means of single numbers, those of the test error with their interval."""
    curves: tuple[MetricPoint, ...]
    """Means of numbers that have a step: by epoch, block or path length."""
    table: tuple[tuple[Cell, ...], ...]
    """TABLE_COLUMNS of everything, with intervals at 5 % each."""

    def test_error_text(self) -> str:
        """`1.20 % (1.05 to 1.36)`, as a table shows it."""
        numbers = {point.name: 100 * point.value for point in self.numbers if point.name.startswith("test_error")}
        mean = numbers.get("test_error", math.nan)
        if "test_error_low" not in numbers:
            return f"{mean:.2f} %" if math.isfinite(mean) else "fail"
        return f"{mean:.2f} % ({numbers['test_error_low']:.2f} to {numbers['test_error_high']:.2f})"

    def params(self) -> dict[str, object]:
        """Every field and argument but the seed."""
        return {name: value for name, value in self.spec.params().items() if name != "seed"}


def cell_name(spec: TrainSpec, sweep: SweepSpec) -> str:
    """The cell that a training of a sweep counts to.

    What replicates a search's winner and its baseline is a cell apart: with the trainings by which the winner was
    chosen, the mean would be that of what was chosen.
    """
    return replication_name(spec.cell) if spec.seed in sweep.new_seeds else spec.cell


def replication_name(cell: str) -> str:
    """The cell of the trainings that replicate this one with seeds that the search never used."""
    return f"{cell} replication"


def sweep_cells(results: Iterable[TrialResult], sweep: SweepSpec) -> dict[str, list[TrialResult]]:
    """Cell -> its results in the order of their seeds."""
    found: dict[str, list[TrialResult]] = {}
    for result in sorted(results, key=lambda result: result.spec.seed):
        found.setdefault(cell_name(result.spec, sweep), []).append(result)
    return found


def cell_record(results: Sequence[TrialResult]) -> CellRecord:
    """The record of one cell.

    Args:
        results: of its trainings that ended, at least one; means are over those that finished.
    """
    finished = [result for result in results if result.status == "finished"]
    error = mean_error(results, error_sample(results))
    ranges = _ranges(finished)
    steps: dict[str, set[int]] = {}
    for name, step in ranges:
        steps.setdefault(name, set()).add(step)
    points = {place: MetricPoint(place[0], float(found.value or 0), place[1]) for place, found in ranges.items()}
    is_number = {name: found == {0} for name, found in steps.items()}
    return CellRecord(
        spec=results[0].spec,
        seeds=tuple(result.spec.seed for result in finished),
        numbers=(
            *_error_points(error),
            MetricPoint("n", len(finished)),
            MetricPoint("diverged", sum(result.status == "diverged" for result in results)),
            *(point for point in points.values() if is_number[point.name]),
        ),
        curves=tuple(point for point in points.values() if not is_number[point.name]),
        table=(
            ("test_error", 0, *error),
            *((name, step, *found) for (name, step), found in ranges.items()),
        ),
    )


def content_of(results: Sequence[tuple[str, frozenset[str]]]) -> str:
    """A short key of what a record is made of; it changes with a training or a measurement more.

    Args:
        results: run id of each training, and the ids of the questions that it answered.
    """
    return content_hash(sorted([run_id, *sorted(measured)] for run_id, measured in results), _DIGITS)


def _error_points(error: Ranged) -> list[MetricPoint]:
    ends = {"test_error": error.value, "test_error_low": error.low, "test_error_high": error.high}
    return [
        MetricPoint(name, value if math.isfinite(value) else math.nan)
        for name, value in ends.items()
        if value is not None
    ]


def _range(name: str, numbers: Sequence[tuple[float, float]], results: Sequence[TrialResult]) -> Ranged:
    """The mean of a number and its interval; that of the test error where it is the test error."""
    if is_test_error([value for value, _ in numbers], results):
        return mean_error(results, error_sample(results))
    return mean_number(numbers, possible=_possible(name))


def _possible(name: str) -> Bounds:
    """The least and the greatest value of a number by its name: of an analysis, `lesion/mean_increase`, or an epoch."""
    group, number = name.partition("/")[0], name.rpartition("/")[2]
    if group in (number, *_OF_EPOCHS):
        return _OF_TRAINING.get(number, ANY)
    try:
        from resablate.analyses import possible_values
    except ModuleNotFoundError as missing:
        check_is_torch(missing)  # without it, what others have measured is filed
        return ANY
    return possible_values(group, number)


def _ranges(results: Sequence[TrialResult]) -> dict[tuple[str, int], Ranged]:
    """Name and step -> mean and interval over the results that have the number; the test error is told apart."""
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    sources: dict[tuple[str, int], list[TrialResult]] = {}
    for result in results:
        points = [point for metrics in result.history for point in epoch_points(metrics)]
        values = {(point.name, point.step): point.value for point in (*points, *measured_points(result))}
        for (name, step), value in values.items():
            if name not in (*_OF_ONE_TRIAL, "test_error") and not name.endswith(STANDARD_ERROR):
                error = values.get((f"{name}{STANDARD_ERROR}", step), 0.0)
                found.setdefault((name, step), []).append((value, error))
                sources.setdefault((name, step), []).append(result)
    ranges = {place: _range(place[0], numbers, sources[place]) for place, numbers in found.items()}
    return {place: one for place, one in ranges.items() if one.value is not None}
