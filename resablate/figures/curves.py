"""Curves over replicates: the median and the range, one curve for each panel, series and quantity."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from resablate.figures.variants import Member, Panel, Series, arrange
from resablate.measurement import AnalysisResult
from resablate.result import TrialResult

Points = Iterable[tuple[float, float]]
"""(x, y) pairs of one trial; those that are not finite are left out."""
QUARTILES = ("median", "lower_quartile", "upper_quartile")


@dataclass(frozen=True)
class Curve:
    """One quantity of one series in one panel: at each x the median, lowest and highest of the replicates."""

    panel: Panel
    series: Series
    quantity: str
    x: tuple[float, ...]
    median: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    trials: int


def median_curves(
    results: Sequence[TrialResult],
    quantities: Mapping[str, Callable[[TrialResult], Points]],
    *,
    pooled: Collection[str] = (),
) -> tuple[Curve, ...]:
    """The curves of every panel, series and quantity that has at least one finite point.

    Args:
        results: what to compare; a result without the quantity yields no points.
        quantities: name -> the points of one trial.
        pooled: flat parameters that do not separate series.
    """
    groups: dict[tuple[Panel, Series], list[Member]] = {}
    for member in arrange(results, pooled=pooled):
        groups.setdefault((member.panel, member.series), []).append(member)
    curves = [
        _curve(panel, series, quantity, [points(member.result) for member in members])
        for (panel, series), members in groups.items()
        for quantity, points in quantities.items()
    ]
    return tuple(curve for curve in curves if curve.x)


def quartile_curves(
    results: Sequence[TrialResult], quantities: Mapping[str, Mapping[str, Callable[[TrialResult], Points]]]
) -> tuple[Curve, ...]:
    """Curves whose range is the middle half of what each trial drew; medians over the trials of all three.

    Args:
        results: what to compare.
        quantities: name -> each of QUARTILES -> the points of one trial.
    """
    every = {f"{name} {part}": parts[part] for name, parts in quantities.items() for part in QUARTILES}
    curves = {(curve.panel, curve.series, curve.quantity): curve for curve in median_curves(results, every)}
    groups = list(dict.fromkeys((panel, series) for panel, series, _ in curves))
    drawn: list[Curve] = []
    for name in quantities:
        for group in groups:
            middle, low, high = (curves.get((*group, f"{name} {part}")) for part in QUARTILES)
            if middle and low and high:
                drawn.append(replace(middle, quantity=name, low=low.median, high=high.median))
    return tuple(drawn)


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


def _curve(panel: Panel, series: Series, quantity: str, trials: Sequence[Points]) -> Curve:
    values: dict[float, list[float]] = {}
    count = 0
    for points in trials:
        finite = [(x, y) for x, y in points if math.isfinite(y)]
        count += bool(finite)
        for x, y in finite:
            values.setdefault(x, []).append(y)
    x = tuple(sorted(values))
    return Curve(
        panel=panel,
        series=series,
        quantity=quantity,
        x=x,
        median=tuple(median(values[at]) for at in x),
        low=tuple(min(values[at]) for at in x),
        high=tuple(max(values[at]) for at in x),
        trials=count,
    )
