"""Norm of the input gradient by path length, after Veit et al. (2016), Figure 6(b)."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from resablate.figures.curves import Curve, column, median_curves, positive
from resablate.figures.drawing import Quantity, add_legend, draw_curves, series_handles, whole_numbers
from resablate.figures.picture import Picture
from resablate.result import TrialResult

QUANTITIES = {
    "norm": Quantity("gradient norm,\nall paths of that length", log=True),
    "sampled_norm": Quantity("gradient norm,\none path", log=True),
}


def data(results: Sequence[TrialResult]) -> tuple[Curve, ...] | None:
    """The positive norms by panel and series; None where there is none."""
    columns = {name: positive(column("path_gradient", name)) for name in QUANTITIES}
    return median_curves(results, columns) or None


def draw(curves: Sequence[Curve]) -> Figure:
    """The exact sum over all paths of each length, and below it a single sampled path."""
    canvas = draw_curves(curves, QUANTITIES, x_label="path length (branches)")
    for axes in canvas.axes.values():
        whole_numbers(axes)
    add_legend(canvas.figure, series_handles(curve.series for curve in curves))
    return canvas.figure


PICTURE = Picture(
    title="Gradient by path length",
    caption=(
        "Norm of the loss's gradient at the input, split by the number of branches on its way, on a "
        "logarithmic axis: the exact sum over all paths of a length, and the mean of single sampled "
        "paths. Zero norms are not drawn: a network without shortcuts has one path only. After Veit et "
        "al. (2016), Figure 6(b)."
    ),
    data=data,
    draw=draw,
)
