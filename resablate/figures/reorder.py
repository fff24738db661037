"""Test error with blocks in another order, after Veit et al. (2016), Figure 5(b)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from resablate.figures.curves import QUARTILES, Curve, Points, quartile_curves
from resablate.figures.drawing import Quantity, add_legend, draw_curves, series_handles
from resablate.figures.picture import Picture
from resablate.result import TrialResult


def data(results: Sequence[TrialResult]) -> tuple[Curve, ...] | None:
    """Medians and quartiles over the orders by panel and series; None where no block changed its place."""
    parts = {part: _points(f"error_{part}") for part in QUARTILES}
    curves = quartile_curves(results, {"error": parts})
    return tuple(curve for curve in curves if len(curve.x) > 1) or None


def draw(curves: Sequence[Curve]) -> Figure:
    """Error over Kendall's tau, the untouched order at the left."""
    canvas = draw_curves(curves, {"error": Quantity("test error (%)")}, x_label="Kendall's tau of the order of blocks")
    for axes in canvas.axes.values():
        axes.set_ylim(bottom=0)
        axes.invert_xaxis()
    add_legend(canvas.figure, series_handles(curve.series for curve in curves))
    return canvas.figure


def _points(name: str) -> Callable[[TrialResult], Points]:
    def points(result: TrialResult) -> Points:
        measured = result.analyses.get("reorder")
        if measured is None:
            return ()
        return ((tau, 100 * error) for tau, error in zip(measured.table["tau"], measured.table[name], strict=True))

    return points


PICTURE = Picture(
    title="Blocks in another order",
    caption=(
        "Test error of the trained network with random pairs of blocks of the same stage swapped, against Kendall's "
        "rank correlation with the trained order: 1 is the order as it was. Lines are medians over the orders of a "
        "correlation, bands the middle half of them, both as medians over seeds. Networks whose blocks cannot change "
        "places are left out. After Veit et al. (2016), Figure 5(b)."
    ),
    data=data,
    draw=draw,
)
