"""Test error against the strength of the singular-value regularizer."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure

from resablate.figures.curves import Curve, Points, median_curves
from resablate.figures.drawing import Quantity, add_legend, draw_curves, series_handles
from resablate.figures.picture import Picture
from resablate.result import TrialResult

LOG_FROM = 20.0
"""Strengths whose largest is more than this many times the smallest are drawn on a logarithmic axis."""


def data(results: Sequence[TrialResult]) -> tuple[Curve, ...] | None:
    """Errors by strength for every panel and series; None where one strength was tried."""
    if len({result.spec.sv_strength for result in results if math.isfinite(result.test_error)}) < 2:  # noqa: PLR2004
        return None
    return median_curves(results, {"test_error": _point}, pooled=("sv_strength",)) or None


def draw(curves: Sequence[Curve]) -> Figure:
    """One line for each series; zero strength stands at the left end of a logarithmic axis."""
    canvas = draw_curves(
        curves, {"test_error": Quantity("test error (%)")}, x_label="sv_strength (regularizer's strength)"
    )
    positive = sorted({x for curve in curves for x in curve.x if x > 0})
    for axes in canvas.axes.values():
        axes.set_ylim(bottom=0)
        if positive[-1] > LOG_FROM * positive[0]:
            axes.set_xscale("symlog", linthresh=positive[0])
    add_legend(canvas.figure, series_handles(curve.series for curve in curves))
    return canvas.figure


def _point(result: TrialResult) -> Points:
    return [(result.spec.sv_strength, 100 * result.test_error)]


PICTURE = Picture(
    title="Singular-value strength",
    caption=(
        "Test error against sv_strength, the strength of the regularizer that acts on the convolutions' "
        "singular values; 0 is none. Lines are medians, bands the range of the trials."
    ),
    data=data,
    draw=draw,
)
