"""Test error with several blocks removed at once, after Veit et al. (2016), Figure 5(a)."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from resablate.figures.curves import QUARTILES, Curve, column, quartile_curves
from resablate.figures.drawing import Quantity, add_legend, draw_curves, series_handles, whole_numbers
from resablate.figures.picture import Picture
from resablate.result import TrialResult

QUANTITIES = {
    "error": Quantity("test error (%),\nany block removed"),
    "same_dimension_error": Quantity("test error (%), only blocks\nthat keep dimensions removed"),
}


def data(results: Sequence[TrialResult]) -> tuple[Curve, ...] | None:
    """Medians and quartiles over the sets by panel and series; None where there is none."""
    parts = {
        name: {part: column("multi_lesion", f"{name}_{part}", scale=100) for part in QUARTILES} for name in QUANTITIES
    }
    return quartile_curves(results, parts) or None


def draw(curves: Sequence[Curve]) -> Figure:
    """Sets of any blocks, and sets of those that keep dimensions."""
    canvas = draw_curves(curves, QUANTITIES, x_label="blocks removed")
    for axes in canvas.axes.values():
        axes.set_ylim(bottom=0)
        whole_numbers(axes)
    add_legend(canvas.figure, series_handles(curve.series for curve in curves))
    return canvas.figure


PICTURE = Picture(
    title="Several blocks removed",
    caption=(
        "Test error of the trained network with random sets of blocks removed, against the size of the set; nothing "
        "is trained again. Lines are medians over the sets, bands the middle half of them, both as medians over "
        "seeds; once with every block eligible, once with those alone that keep dimensions. After Veit et al. (2016), "
        "Figure 5(a)."
    ),
    data=data,
    draw=draw,
)
