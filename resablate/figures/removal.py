"""Test error with each block removed: what the pictures after Veit et al. (2016), Figures 3 and 8, share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from resablate.figures.curves import Curve, Points, Reading, mean_curves
from resablate.figures.drawing import INK, color_of, curve_handles, draw_curves, reach, whole_numbers
from resablate.figures.layout import Quantity, add_legend
from resablate.figures.variants import Member, Panel, Series
from resablate.result import TrialResult

_CHANGING: dict[str, Any] = {
    "linestyle": "",
    "marker": "o",
    "markersize": 8,
    "markerfacecolor": "none",
    "markeredgewidth": 1.0,
}
_WHOLE: dict[str, Any] = {"linestyle": (0, (4, 3)), "linewidth": 1.0, "alpha": 0.8}


@dataclass(frozen=True)
class Removals:
    """Errors in % by block removed."""

    errors: tuple[Curve, ...]
    baselines: tuple[Curve, ...]
    """The same networks with no block removed: curves of one point, at 0."""
    changing: dict[tuple[Panel, Series], tuple[float, ...]]
    """Where the blocks are that change dimensions."""
    relative: bool
    """Whether blocks are placed from 0, next to the input, to 1, next to the classifier, rather than numbered."""


def removals(members: Sequence[Member]) -> Removals | None:
    """The lesion analyses of these results; None where there is none.

    Blocks are numbered where all networks have equally many, and else placed between 0 and 1.
    """
    measured = [member for member in members if "lesion" in member.result.analyses]
    counts = {len(member.result.analyses["lesion"].table["block"]) for member in measured}
    relative = len(counts) > 1
    curves = mean_curves(
        measured,
        {
            "error": Reading(partial(_errors, relative=relative), "percent"),
            "baseline": Reading(_baseline, "percent"),
        },
    )
    errors = tuple(curve for curve in curves if curve.quantity == "error")
    if not errors:
        return None
    changing: dict[tuple[Panel, Series], tuple[float, ...]] = {}
    for member in measured:
        changes = member.result.analyses["lesion"].table["changes_dimension"]
        places = _places(len(changes), relative)
        changing[member.panel, member.series] = tuple(x for x, found in zip(places, changes, strict=True) if found)
    return Removals(errors, tuple(curve for curve in curves if curve.quantity == "baseline"), changing, relative)


def draw_removals(found: Removals) -> Figure:
    """Solid: one block removed. Dashed: the whole network. Rings: blocks that change dimensions."""
    label = "place of the block removed (0 to 1)" if found.relative else "block removed"
    canvas = draw_curves(found.errors, {"error": Quantity("test error (%)")}, x_label=label)
    for curve in found.baselines:
        reach(canvas.axes[curve.panel, "error"], curve.mean)
        canvas.axes[curve.panel, "error"].axhline(curve.mean[0], color=color_of(curve.series), **_WHOLE)
    for curve in found.errors:
        at = found.changing[curve.panel, curve.series]
        heights = dict(zip(curve.x, curve.mean, strict=True))
        shown = [x for x in at if x in heights]
        axes = canvas.axes[curve.panel, "error"]
        axes.plot(shown, [heights[x] for x in shown], color=color_of(curve.series), **_CHANGING)
    for axes in canvas.axes.values():
        axes.set_ylim(bottom=0)
        if not found.relative:
            whole_numbers(axes)
    keys: list[Artist] = [Line2D([], [], color=INK, label="no block removed", **_WHOLE)]
    if any(found.changing.values()):
        keys.append(Line2D([], [], color=INK, label="changes dimensions", **_CHANGING))
    add_legend(canvas.figure, [*curve_handles(found.errors), *keys])
    return canvas.figure


def _places(count: int, relative: bool) -> list[float]:
    return [block / max(1, count - 1) if relative else float(block) for block in range(count)]


def _errors(result: TrialResult, *, relative: bool) -> Points:
    table = result.analyses["lesion"].table
    return zip(_places(len(table["error"]), relative), (100 * error for error in table["error"]), strict=True)


def _baseline(result: TrialResult) -> Points:
    return [(0, 100 * result.analyses["lesion"].summary["baseline_error"])]
