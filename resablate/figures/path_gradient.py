"""Norm of the input gradient by path length, after Veit et al. (2016), Figure 6(b)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from resablate.figures.curves import Curve, Reading, column, mean_curves, positive
from resablate.figures.drawing import curve_handles, draw_curves, draw_reference, key_of_behind, whole_numbers
from resablate.figures.layout import Quantity, add_legend
from resablate.figures.picture import Picture
from resablate.figures.variants import arrange
from resablate.result import TrialResult

QUANTITIES = {
    "norm": Quantity("gradient norm,\nall paths of that length", log=True),
    "sampled_norm": Quantity("gradient norm,\none path, sampled", log=True),
    "rms_norm": Quantity("gradient norm,\none path, rms of all", log=True),
}


@dataclass(frozen=True)
class Norms:
    """Positive norms by path length."""

    trained: tuple[Curve, ...]
    initial: tuple[Curve, ...]
    """The same networks before their first step, where that was measured."""


def data(results: Sequence[TrialResult]) -> Norms | None:
    """The norms by panel and series; None where there is none."""
    members = arrange(results)
    trained, initial = (
        mean_curves(
            members,
            {name: Reading(positive(column("path_gradient", name, epoch=epoch)), "log") for name in QUANTITIES},
        )
        for epoch in (None, 0)
    )
    return Norms(trained, initial) if trained else None


def draw(norms: Norms) -> Figure:
    """The exact sum over all paths of each length, and below it a single path, by sampling and by random signs."""
    canvas = draw_curves(norms.trained, QUANTITIES, x_label="path length (branches)")
    draw_reference(canvas, norms.initial)
    for axes in canvas.axes.values():
        whole_numbers(axes)
    keys = [key_of_behind("before training")] if norms.initial else []
    add_legend(canvas.figure, [*curve_handles(norms.trained), *keys])
    return canvas.figure


PICTURE = Picture(
    title="Gradient by path length",
    caption=(
        "Norm of the loss's gradient at the input, split by the number of branches on its way, on a "
        "logarithmic axis: the exact sum over all paths of a length, the mean of single sampled "
        "paths, and the root mean square over all single paths, estimated by random signs. "
        "Thick lines are geometric means over n trainings, thin lines the trainings, bands 95 % intervals "
        "of the mean over all seeds; dashed: before training. Zero norms are not drawn: a network without "
        "shortcuts has one path only. Of many panels, only the first quantity "
        "is drawn. After Veit et al. (2016), Figure 6(b)."
    ),
    data=data,
    draw=draw,
)
