"""Test error with several blocks removed at once, after Veit et al. (2016), Figure 5(a)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from resablate.figures.curves import Points, column
from resablate.figures.drawing import draw_curves, whole_numbers
from resablate.figures.layout import Quantity, add_legend
from resablate.figures.picture import Picture
from resablate.figures.sampled import Sampled, draw_quartiles, sampled_curves, sampled_handles
from resablate.figures.variants import arrange_shared
from resablate.result import TrialResult

QUANTITIES = {
    "error": Quantity("test error (%),\nany block removed"),
    "same_dimension_error": Quantity("test error (%), only blocks\nthat keep dimensions removed"),
}


def data(results: Sequence[TrialResult]) -> Sampled | None:
    """Medians and quartiles over the sets by panel and series; None where there is none."""
    found = sampled_curves(arrange_shared(results), {name: _read(name) for name in QUANTITIES})
    return found if found.medians else None


def draw(sampled: Sampled) -> Figure:
    """Sets of any blocks, and sets of those that keep dimensions."""
    canvas = draw_curves(sampled.medians, QUANTITIES, x_label="blocks removed")
    draw_quartiles(canvas, sampled)
    for axes in canvas.axes.values():
        axes.set_ylim(bottom=0)
        whole_numbers(axes)
    add_legend(canvas.figure, sampled_handles(sampled, "sets"))
    return canvas.figure


def _read(name: str) -> Callable[[str], Callable[[TrialResult], Points]]:
    return lambda part: column("multi_lesion", f"{name}_{part}", scale=100)


PICTURE = Picture(
    title="Several blocks removed",
    caption=(
        "Test error of the trained network with random sets of blocks removed, against the size of the set; nothing "
        "is trained again. Once with every block eligible, once with those alone that keep dimensions. A training's "
        "number is the median over its sets: thin lines are trainings, thick lines means over n trainings, bands 95 % "
        "intervals of the mean over all seeds, dotted lines the mean quartiles over the sets. Of many panels, only the "
        "first quantity is drawn. After Veit et al. (2016), Figure 5(a)."
    ),
    data=data,
    draw=draw,
)
