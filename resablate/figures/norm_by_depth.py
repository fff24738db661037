"""How nearly blocks keep the norm, by the number of blocks, after Zaeemzadeh et al. (arXiv 1805.07477), Theorem 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from resablate.figures.curves import LEVEL, Curve, Points, Reading, mean_curves, positive
from resablate.figures.drawing import INK, color_of, curve_handles, draw_curves
from resablate.figures.layout import Quantity, add_legend
from resablate.figures.norm_blocks import ANALYSIS
from resablate.figures.picture import Picture
from resablate.figures.variants import Panel, Series, arrange
from resablate.result import TrialResult
from resablate.statistics import Sample, slope

NUMBER = "same_dimension_mean_median_log_ratio"
FEWEST_DEPTHS = 3
"""A line through two points tells nothing of its slope's noise."""
_BOUND: dict[str, Any] = {"linestyle": ":", "linewidth": 1.3}


@dataclass(frozen=True)
class Fit:
    """ln of the norm change against ln(ln(2L)/L), a line by least squares."""

    panel: Panel
    series: Series
    slope: float
    low: float
    """The ends of the slope's 95 % interval, by the scatter of the depths' means about the line."""
    high: float
    line: tuple[tuple[float, float], ...]
    """Its ends."""


@dataclass(frozen=True)
class SizesByDepth:
    """Mean norm change of the blocks that keep dimensions against ln(2L)/L of L blocks."""

    curves: tuple[Curve, ...]
    fits: tuple[Fit, ...]


def data(results: Sequence[TrialResult]) -> SizesByDepth | None:
    """The sizes by panel and series; None where no network was measured at two depths."""
    members = arrange(results, pooled=("depth",), panel_fields=("dataset", "ordering"))
    curves = mean_curves(members, {"size": Reading(positive(_point), "log")})
    curves = tuple(curve for curve in curves if len(curve.x) > 1)
    fits = tuple(fit for curve in curves if (fit := _fit(curve)))
    return SizesByDepth(curves, fits) if curves else None


def bound(blocks: int) -> float:
    """ln(2L)/L of L blocks, of which the published bound is a multiple."""
    return math.log(2 * blocks) / blocks


def draw(sizes: SizesByDepth) -> Figure:
    """Points and their means; the fitted line dashed, and dotted a multiple of ln(2L)/L."""
    canvas = draw_curves(
        sizes.curves,
        {"size": Quantity("mean norm change of blocks\nthat keep dimensions", log=True)},
        x_label="ln(2L)/L of L blocks",
    )
    fits = {(fit.panel, fit.series): fit for fit in sizes.fits}
    keys: list[Artist] = []
    for curve in sizes.curves:
        axes, color = canvas.axes[curve.panel, "size"], color_of(curve.series)
        axes.set_xscale("log")
        _draw_bound(axes, curve, color)
        if fit := fits.get((curve.panel, curve.series)):
            axes.plot(*zip(*fit.line, strict=True), color=color, linestyle=(0, (5, 2)), linewidth=1.0)
            where = f", {curve.panel.label}" if curve.panel.label else ""
            text = f"slope {fit.slope:.2g} [{fit.low:.2g}, {fit.high:.2g}]: {curve.series.label}{where}"
            keys.append(Line2D([], [], color=color, linestyle=(0, (5, 2)), linewidth=1.0, label=text))
    keys.append(Line2D([], [], color=INK, label="a multiple of ln(2L)/L (slope 1)", **_BOUND))
    add_legend(canvas.figure, [*curve_handles(sizes.curves), *keys])
    return canvas.figure


def _point(result: TrialResult) -> Points:
    measured = result.analyses.get(ANALYSIS)
    if measured is None or NUMBER not in measured.summary:
        return []
    return [(bound(len(measured.table["block"])), measured.summary[NUMBER])]


def _fit(curve: Curve) -> Fit | None:
    """The line through the logarithms of the depths' means; None with fewer than three depths."""
    if len(curve.x) < FEWEST_DEPTHS:
        return None
    values: dict[float, list[float]] = {x: [] for x in curve.x}
    for one in curve.replicates:
        values[one.x[0]].append(math.log(one.y[0]))
    places: NDArray[np.float64] = np.log(np.array(curve.x))
    found = slope(places, [Sample.of_numbers(numbers) for numbers in values.values()])
    interval = found.interval(LEVEL)
    heights = np.log(np.array(curve.mean))
    line = np.exp(heights.mean() + float(found.value) * (places - places.mean()))
    ends = ((curve.x[0], float(line[0])), (curve.x[-1], float(line[-1])))
    return Fit(curve.panel, curve.series, float(found.value), float(interval.low), float(interval.high), ends)


def _draw_bound(axes: Axes, curve: Curve, color: str) -> None:
    """The multiple of ln(2L)/L through the middle of the means."""
    factor = math.exp(sum(math.log(y / x) for x, y in zip(curve.x, curve.mean, strict=True)) / len(curve.x))
    axes.plot(curve.x, [factor * x for x in curve.x], color=color, **_BOUND)


PICTURE = Picture(
    title="Norm preservation by depth",
    caption=(
        "Mean over the blocks that keep dimensions of the norm change, the median over examples of the size of the "
        "logarithm of the ratio of gradient norms before and behind a block, against ln(2L)/L for networks of L "
        "blocks, on logarithmic axes: deeper networks are at the left. Points are trainings (n in all), lines through "
        "markers geometric means of a depth's trainings, bands 95 % intervals of these. Dashed: the line fitted to the "
        "means of three depths or more, with its slope and the slope's 95 % interval. Dotted: a multiple of ln(2L)/L, "
        "which is the published bound up to a constant; its slope is 1. After Zaeemzadeh et al. (arXiv 1805.07477), "
        "Theorem 1."
    ),
    data=data,
    draw=draw,
)
