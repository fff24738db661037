"""Gradient norm before a block over that behind it, after Zaeemzadeh et al. (arXiv 1805.07477)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from resablate.figures.curves import Curve, Reading, column, mean_curves, positive
from resablate.figures.drawing import FAINT, INK, color_of, curve_handles, draw_curves, whole_numbers
from resablate.figures.layout import Canvas, Quantity, add_legend
from resablate.figures.limits import limits_of
from resablate.figures.norm_blocks import ANALYSIS, Change, changing_blocks, shade, shade_key
from resablate.figures.picture import Picture
from resablate.figures.variants import Panel, arrange
from resablate.result import TrialResult

QUANTITIES = {
    "ratio": Quantity("gradient norm,\nbefore / behind block", log=True),
    "median_log_ratio": Quantity("norm change |ln ratio|,\nmedian over examples", log=True),
}
PARTS = {"behind_entry": ("block behind its entry", "4"), "transition": ("transition convolution", "x")}
"""Part of a block -> its name and its marker."""


@dataclass(frozen=True)
class Ratios:
    """Gradient norm before a block over that behind it, after training."""

    curves: tuple[Curve, ...]
    """Each of QUANTITIES by block."""
    parts: tuple[Curve, ...]
    """The same of each of PARTS, by the block that has it; the quantity begins with the part."""
    changing: dict[Panel, dict[int, Change]]
    """The blocks that change dimensions."""


def data(results: Sequence[TrialResult]) -> Ratios | None:
    """The ratios by panel and series; None where there is none."""
    members = [member for member in arrange(results) if ANALYSIS in member.result.analyses]
    curves, parts = (
        mean_curves(members, {name: Reading(positive(column(ANALYSIS, name)), "log") for name in names})
        for names in (list(QUANTITIES), [f"{part}_{name}" for part in PARTS for name in QUANTITIES])
    )
    changing = {member.panel: changing_blocks(member.result.analyses[ANALYSIS]) for member in members}
    return Ratios(curves, parts, changing) if curves else None


def draw(ratios: Ratios) -> Figure:
    """By block, the parts of blocks beside their blocks."""
    canvas = draw_curves(ratios.curves, QUANTITIES, x_label="block")
    for quantity in QUANTITIES:
        if axes := canvas.axes.get((ratios.curves[0].panel, quantity)):
            names = [quantity, *(f"{part}_{quantity}" for part in PARTS)]
            shown = (curve for curve in (*ratios.curves, *ratios.parts) if curve.quantity in names)
            axes.set_ylim(limits_of(shown, log=True))
    for curve in ratios.parts:
        _draw_part(canvas, curve)
    for (panel, quantity), axes in canvas.axes.items():
        whole_numbers(axes)
        shade(axes, ratios.changing[panel])
        if quantity == "ratio":
            axes.axhline(1, color=FAINT, linewidth=1.0, zorder=0)
            low, high = axes.get_ylim()
            axes.set_ylim(min(low, 0.5), max(high, 2))
    drawn = {part for part in PARTS if any(curve.quantity.startswith(part) for curve in ratios.parts)}
    keys: list[Artist] = [
        Line2D([], [], color=INK, label=name, **_look(part)) for part, (name, _) in PARTS.items() if part in drawn
    ]
    if any(ratios.changing.values()):
        keys.append(shade_key())
    add_legend(canvas.figure, [*curve_handles(ratios.curves), *keys])
    return canvas.figure


def _draw_part(canvas: Canvas, curve: Curve) -> None:
    """Every training as a small point, the mean as a marker, and its interval as a line."""
    part = next(part for part in PARTS if curve.quantity.startswith(part))
    axes, color = canvas.axes.get((curve.panel, curve.quantity.removeprefix(f"{part}_"))), color_of(curve.series)
    if axes is None:
        return
    points = [pair for one in curve.replicates for pair in zip(*one, strict=True)]
    axes.plot(*zip(*points, strict=True), ".", color=color, alpha=0.4, markersize=3)
    axes.plot(curve.x, curve.mean, color=color, **_look(part))
    reached = axes.get_ylim()
    axes.vlines(curve.x, curve.low, curve.high, color=color, linewidth=0.9, alpha=0.7)
    axes.set_ylim(reached)


def _look(part: str) -> dict[str, Any]:
    return {"linestyle": "", "marker": PARTS[part][1], "markersize": 7, "markeredgewidth": 1.4}


PICTURE = Picture(
    title="Norm of the gradient through each block",
    caption=(
        "Norm of the loss's gradient at a block's input over that at its output, over all examples together, and the "
        "norm change, the median over examples of the size of the logarithm of their own ratio; both on logarithmic "
        "axes, after training. A ratio of 1, and a norm change near 0, mean that the block keeps the norm. Parts of "
        "blocks that change dimensions stand beside their block: what is behind its entry, and its transition "
        "convolution alone. Thick lines and large markers are geometric means over n trainings, thin lines and small "
        "points the trainings, bands and vertical lines 95 % intervals of the mean over all seeds. Gray columns are "
        "the blocks that change dimensions; block 0 is next to the input. Of many panels, only the ratio is drawn. "
        "After Zaeemzadeh et al. (arXiv 1805.07477)."
    ),
    data=data,
    draw=draw,
)
