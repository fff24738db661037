"""Share of the gradient that comes from the paths of each length, after Veit et al. (2016), Figure 6(c)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from resablate.figures.curves import Curve, Reading, column, mean_curves
from resablate.figures.drawing import (
    FAINT,
    curve_handles,
    draw_curves,
    draw_reference,
    key_of_behind,
    reach,
    whole_numbers,
)
from resablate.figures.layout import Quantity, add_legend
from resablate.figures.picture import Picture
from resablate.figures.variants import Member, Panel, arrange
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
    members = arrange(results)
    gradient, initial = (_curves(members, epoch) for epoch in (None, 0))
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
        reach(axes, paths)
        axes.set_ylim(bottom=0)
        whole_numbers(axes)
    keys = [Line2D([], [], color=FAINT, linestyle=":", linewidth=1.8, label="share of all paths")]
    if shares.initial:
        keys.append(key_of_behind("before training"))
    add_legend(canvas.figure, [*curve_handles(shares.gradient), *keys])
    return canvas.figure


def _curves(members: Sequence[Member], epoch: int | None) -> tuple[Curve, ...]:
    columns = {name: Reading(column("path_gradient", name, scale=100, epoch=epoch), "percent") for name in QUANTITIES}
    return tuple(curve for curve in mean_curves(members, columns) if sum(share > 0 for share in curve.mean) > 1)


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
        "mean that short paths carry the gradient. Thick lines are means over n trainings, thin lines the "
        "trainings, bands 95 % intervals of the mean over all seeds; dashed: before training. Networks of one "
        "path are left out. Of many panels, only the first quantity is drawn. After Veit et al. (2016), Figure 6(c)."
    ),
    data=data,
    draw=draw,
)
