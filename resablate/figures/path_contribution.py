"""Share of the gradient that comes from the paths of each length, after Veit et al. (2016), Figure 6(c)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from resablate.figures.curves import Curve, column, median_curves
from resablate.figures.drawing import (
    FAINT,
    Quantity,
    add_legend,
    draw_curves,
    draw_reference,
    key_of_behind,
    series_handles,
    whole_numbers,
)
from resablate.figures.picture import Picture
from resablate.figures.variants import Panel
from resablate.result import TrialResult

QUANTITIES = {
    "contribution": Quantity("share of the gradient (%),\nsampled paths"),
    "rms_contribution": Quantity("share of the gradient (%),\nrms of all paths"),
    "sum_contribution": Quantity("share of the gradient (%),\nsums of all paths"),
}


@dataclass(frozen=True)
class Contributions:
    """Shares in % by path length."""

    gradient: tuple[Curve, ...]
    initial: tuple[Curve, ...]
    """The same networks before their first step, where that was measured."""
    paths: dict[Panel, tuple[float, ...]]
    """Share of the lengths 0, 1, ... among all paths of a residual network: the binomial distribution."""


def data(results: Sequence[TrialResult]) -> Contributions | None:
    """The shares by panel and series; None where no network has paths of several lengths."""
    gradient, initial = (_curves(results, epoch) for epoch in (None, 0))
    if not gradient:
        return None
    return Contributions(gradient, initial, {curve.panel: _binomial(int(curve.x[-1])) for curve in gradient})


def draw(shares: Contributions) -> Figure:
    """Where the gradient comes from, beside where the paths are."""
    canvas = draw_curves(shares.gradient, QUANTITIES, x_label="path length (branches)")
    draw_reference(canvas, shares.initial)
    for (panel, _), axes in canvas.axes.items():
        paths = shares.paths[panel]
        axes.plot(range(len(paths)), paths, color=FAINT, linestyle=":", linewidth=1.8)
        axes.set_ylim(bottom=0)
        whole_numbers(axes)
    keys = [Line2D([], [], color=FAINT, linestyle=":", linewidth=1.8, label="share of all paths")]
    if shares.initial:
        keys.append(key_of_behind("before training"))
    add_legend(canvas.figure, [*series_handles(curve.series for curve in shares.gradient), *keys])
    return canvas.figure


def _curves(results: Sequence[TrialResult], epoch: int | None) -> tuple[Curve, ...]:
    columns = {name: column("path_gradient", name, scale=100, epoch=epoch) for name in QUANTITIES}
    return tuple(curve for curve in median_curves(results, columns) if sum(share > 0 for share in curve.median) > 1)


def _binomial(blocks: int) -> tuple[float, ...]:
    shares = [100 * 0.5**blocks]
    for length in range(blocks):
        shares.append(shares[-1] * (blocks - length) / (length + 1))
    return tuple(shares)


PICTURE = Picture(
    title="Which path lengths the gradient comes from",
    caption=(
        "Share of each path length in the gradient: number of paths times norm of one path, sampled or in "
        "the root mean square over all, and norm of the sum over all paths of that length, in which paths "
        "cancel; beside the share of that length among all paths (dotted, gray). Curves left of that one "
        "mean that short paths carry the gradient. Dashed: before training. Networks of one path are left "
        "out. After Veit et al. (2016), Figure 6(c)."
    ),
    data=data,
    draw=draw,
)
