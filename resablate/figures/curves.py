"""Curves over replicates: every training, their mean and its interval, for each panel, series and quantity."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resablate.figures.variants import Member, Panel, Series
from resablate.measurement import AnalysisResult
from resablate.result import TrialResult
from resablate.statistics import Sample, error_interval, mean

Points = Iterable[tuple[float, float]]
"""(x, y) pairs of one trial; those that are not finite are left out."""
Averaging = Literal["plain", "percent", "log"]
"""How trainings are averaged: arithmetic mean; arithmetic mean of numbers from 0 to 100, whose interval is found on log
odds; geometric mean of positive numbers, whose interval is found on logarithms."""
LEVEL = 0.05
"""Intervals miss the mean over all seeds with this probability."""
PERCENT = 100.0


class Reading(NamedTuple):
    """What is read of one trial, and how trials are averaged."""

    points: Callable[[TrialResult], Points]
    averaging: Averaging = "plain"


class Replicate(NamedTuple):
    """The points of one training, at rising x."""

    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Curve:
    """One quantity of one series in one panel: at each x the mean of the trainings and its interval."""

    panel: Panel
    series: Series
    quantity: str
    x: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    """NaN where one training tells nothing of the noise, or all give the same number."""
    high: tuple[float, ...]
    replicates: tuple[Replicate, ...]

    @property
    def trials(self) -> int:
        """How many trainings have a point."""
        return len(self.replicates)


def mean_curves(members: Sequence[Member], quantities: Mapping[str, Reading]) -> tuple[Curve, ...]:
    """The curves of every panel, series and quantity that has at least one finite point.

    Args:
        members: results and where they are drawn; a result without the quantity yields no points.
        quantities: name -> what is read of a trial.
    """
    groups: dict[tuple[Panel, Series], list[TrialResult]] = {}
    for member in members:
        groups.setdefault((member.panel, member.series), []).append(member.result)
    curves: list[Curve] = []
    for (panel, series), results in groups.items():
        for quantity, reading in quantities.items():
            replicates = [one for result in results if (one := _replicate(reading.points(result))).x]
            if replicates:
                curves.append(_curve(panel, series, quantity, replicates, reading.averaging))
    return tuple(curves)


def column(
    analysis: str, name: str, *, scale: float = 1.0, epoch: int | None = None
) -> Callable[[TrialResult], Points]:
    """Reads one column of an analysis's table against the column it is plotted against.

    Args:
        analysis: a row of ANALYSES.
        name: of the column.
        scale: what its values are multiplied by.
        epoch: after which it ran; the end where None.
    """

    def points(result: TrialResult) -> Points:
        done = result.analyses if epoch is None else result.analyses_by_epoch.get(epoch, {})
        measured: AnalysisResult | None = done.get(analysis)
        if measured is None or name not in measured.table:
            return ()
        return ((x, scale * y) for x, y in zip(measured.table[measured.axes[name]], measured.table[name], strict=True))

    return points


def positive(points: Callable[[TrialResult], Points]) -> Callable[[TrialResult], Points]:
    """The same points without those a logarithmic axis cannot show."""
    return lambda result: ((x, y) for x, y in points(result) if y > 0)


def interval_of(numbers: NDArray[np.float64], averaging: Averaging) -> NDArray[np.float64]:
    """(places, seeds) -> (3, places): mean, lower and upper end of its interval, NaN where nothing is known of it."""
    if averaging == "log":
        return np.exp(interval_of(np.log(numbers), "plain"))
    middle = numbers.mean(axis=-1)
    found = mean(Sample.of_numbers(numbers)).interval(LEVEL)
    ends = np.stack([found.low, found.high])
    if averaging == "percent":
        ends = np.clip(ends, 0, PERCENT)
        inside = (middle > 0) & (middle < PERCENT)
        if inside.any():
            of_odds = error_interval(Sample.of_numbers(numbers[inside] / PERCENT), level=LEVEL)
            ends[:, inside] = PERCENT * np.stack([of_odds.low, of_odds.high])
    unknown = ~np.isfinite(found.high)
    ends[:, unknown] = math.nan
    return np.concatenate([middle[None], ends])


def _replicate(points: Points) -> Replicate:
    finite = sorted((x, y) for x, y in points if math.isfinite(y))
    return Replicate(tuple(x for x, _ in finite), tuple(y for _, y in finite))


def _curve(panel: Panel, series: Series, quantity: str, replicates: Sequence[Replicate], averaging: Averaging) -> Curve:
    values: dict[float, list[float]] = {}
    for replicate in replicates:
        for x, y in zip(*replicate, strict=True):
            values.setdefault(x, []).append(y)
    places = sorted(values)
    ends = np.empty((3, len(places)))
    counts = np.array([len(values[x]) for x in places])
    for count in set(counts.tolist()):  # places of equally many trainings are computed together
        rows = np.flatnonzero(counts == count)
        numbers = np.array([values[places[row]] for row in rows], dtype=np.float64)
        ends[:, rows] = interval_of(numbers, averaging)
    middle, low, high = (tuple(end) for end in ends.tolist())
    return Curve(panel, series, quantity, tuple(places), middle, low, high, tuple(replicates))
