"""Share of the gradient that comes from the paths of each length, after Veit et al. (2016), Figure 6(c)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from resablate.figures.curves import Curve, column, median_curves
from resablate.figures.drawing import FAINT, Quantity, add_legend, draw_curves, series_handles, whole_numbers
from resablate.figures.picture import Picture
from resablate.figures.variants import Panel
from resablate.result import TrialResult


@dataclass(frozen=True)
class Contributions:
    """Shares in % by path length."""

    gradient: tuple[Curve, ...]
    paths: dict[Panel, tuple[float, ...]]
    """Share of the lengths 0, 1, ... among all paths of a residual network: the binomial distribution."""


def data(results: Sequence[TrialResult]) -> Contributions | None:
    """The shares by panel and series; None where no network has paths of several lengths."""
    curves = median_curves(results, {"contribution": column("path_gradient", "contribution", scale=100)})
    curves = tuple(curve for curve in curves if sum(share > 0 for share in curve.median) > 1)
    return Contributions(curves, {curve.panel: _binomial(int(curve.x[-1])) for curve in curves}) if curves else None


def draw(shares: Contributions) -> Figure:
    """Where the gradient comes from, beside where the paths are."""
    canvas = draw_curves(
        shares.gradient,
        {"contribution": Quantity("share of the gradient (%)")},
        x_label="path length (branches)",
    )
    for panel, paths in shares.paths.items():
        canvas.axes[panel, "contribution"].plot(range(len(paths)), paths, color=FAINT, linestyle=":", linewidth=1.8)
    for axes in canvas.axes.values():
        axes.set_ylim(bottom=0)
        whole_numbers(axes)
    key = Line2D([], [], color=FAINT, linestyle=":", linewidth=1.8, label="share of all paths")
    add_legend(canvas.figure, [*series_handles(curve.series for curve in shares.gradient), key])
    return canvas.figure


def _binomial(blocks: int) -> tuple[float, ...]:
    shares = [100 * 0.5**blocks]
    for length in range(blocks):
        shares.append(shares[-1] * (blocks - length) / (length + 1))
    return tuple(shares)


PICTURE = Picture(
    title="Which path lengths the gradient comes from",
    caption=(
        "Share of each path length in the gradient, as number of paths times norm of one path, beside the "
        "share of that length among all paths (dotted). Curves left of the dotted one mean that short "
        "paths carry the gradient. Networks of one path are left out. After Veit et al. (2016), Figure "
        "6(c)."
    ),
    data=data,
    draw=draw,
)
