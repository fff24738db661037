"""Test error with blocks in another order, after Veit et al. (2016), Figure 5(b)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from resablate.figures.curves import Points
from resablate.figures.drawing import draw_curves
from resablate.figures.layout import Quantity, add_legend
from resablate.figures.picture import Picture
from resablate.figures.sampled import Sampled, draw_quartiles, sampled_curves, sampled_handles
from resablate.figures.variants import arrange_shared
from resablate.result import TrialResult


def data(results: Sequence[TrialResult]) -> Sampled | None:
    """Medians and quartiles over the orders by panel and series; None where no block changed its place."""
    found = sampled_curves(arrange_shared(results), {"error": _points})
    moved = {(curve.panel, curve.series) for curve in found.medians if len(curve.x) > 1}
    medians, quartiles = (
        tuple(curve for curve in curves if (curve.panel, curve.series) in moved)
        for curves in (found.medians, found.quartiles)
    )
    return Sampled(medians, quartiles) if medians else None


def draw(sampled: Sampled) -> Figure:
    """Error over Kendall's tau, the untouched order at the left."""
    label = "Kendall's tau of the order of blocks"
    canvas = draw_curves(sampled.medians, {"error": Quantity("test error (%)")}, x_label=label)
    draw_quartiles(canvas, sampled)
    for axes in canvas.axes.values():
        axes.set_ylim(bottom=0)
        axes.invert_xaxis()
    add_legend(canvas.figure, sampled_handles(sampled, "orders"))
    return canvas.figure


def _points(part: str) -> Callable[[TrialResult], Points]:
    def points(result: TrialResult) -> Points:
        measured = result.analyses.get("reorder")
        if measured is None:
            return ()
        errors = measured.table[f"error_{part}"]
        return ((tau, 100 * error) for tau, error in zip(measured.table["tau"], errors, strict=True))

    return points


PICTURE = Picture(
    title="Blocks in another order",
    caption=(
        "Test error of the trained network with random pairs of blocks of the same stage swapped, against Kendall's "
        "rank correlation with the trained order: 1 is the order as it was. A training's number is the median over its "
        "orders of that correlation: thin lines are trainings, thick lines means over those that have such orders (of "
        "n in all), bands 95 % intervals of the mean over all seeds, dotted lines the mean quartiles over the orders. "
        "Networks whose blocks cannot change places are left out. After Veit et al. (2016), Figure 5(b)."
    ),
    data=data,
    draw=draw,
)
