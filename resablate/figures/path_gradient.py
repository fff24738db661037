"""Norm of the input gradient by path length, after Veit et al. (2016), Figure 6(b)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from resablate.figures.curves import Curve, column, median_curves, positive
from resablate.figures.drawing import (
    Quantity,
    add_legend,
    draw_curves,
    draw_reference,
    key_of_behind,
    series_handles,
    whole_numbers,
)
from resablate.figures.picture import Picture
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
    trained, initial = (
        median_curves(results, {name: positive(column("path_gradient", name, epoch=epoch)) for name in QUANTITIES})
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
    add_legend(canvas.figure, [*series_handles(curve.series for curve in norms.trained), *keys])
    return canvas.figure


PICTURE = Picture(
    title="Gradient by path length",
    caption=(
        "Norm of the loss's gradient at the input, split by the number of branches on its way, on a "
        "logarithmic axis: the exact sum over all paths of a length, the mean of single sampled "
        "paths, and the root mean square over all single paths, estimated by random signs. Dashed: "
        "before training. Zero norms are not drawn: a network without shortcuts has one path only. "
        "After Veit et al. (2016), Figure 6(b)."
    ),
    data=data,
    draw=draw,
)
