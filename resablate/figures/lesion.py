"""Test error with each block removed, after Veit et al. (2016), Figure 3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from resablate.figures.curves import Curve, Points, column, median_curves
from resablate.figures.drawing import (
    CHANGE_COLOR,
    INK,
    Quantity,
    add_legend,
    color_of,
    draw_curves,
    series_handles,
    whole_numbers,
)
from resablate.figures.picture import Picture
from resablate.figures.variants import Panel, arrange
from resablate.result import TrialResult


@dataclass(frozen=True)
class Lesions:
    """Errors in % by block removed."""

    errors: tuple[Curve, ...]
    baselines: tuple[Curve, ...]
    """The same networks with no block removed: curves of one point, at block 0."""
    changing: dict[Panel, tuple[float, ...]]
    """The blocks that change dimensions."""


def data(results: Sequence[TrialResult]) -> Lesions | None:
    """The lesion analyses by panel and series; None where there is none."""
    curves = median_curves(results, {"error": column("lesion", "error", scale=100), "baseline": _baseline})
    errors = tuple(curve for curve in curves if curve.quantity == "error")
    if not errors:
        return None
    changing: dict[Panel, tuple[float, ...]] = {}
    for panel, _, result in arrange(results):
        if "lesion" in result.analyses:
            table = result.analyses["lesion"].table
            blocks = zip(table["block"], table["changes_dimension"], strict=True)
            changing[panel] = tuple(block for block, changes in blocks if changes)
    return Lesions(errors, tuple(curve for curve in curves if curve.quantity == "baseline"), changing)


def draw(lesions: Lesions) -> Figure:
    """Solid: one block removed. Dashed: the whole network."""
    canvas = draw_curves(
        lesions.errors,
        {"error": Quantity("test error (%)")},
        x_label="block removed",
    )
    for curve in lesions.baselines:
        axes = canvas.axes[curve.panel, "error"]
        color = color_of(curve.series)
        axes.axhline(curve.median[0], color=color, linestyle=(0, (4, 3)), linewidth=1.0, alpha=0.8)
    for panel, blocks in lesions.changing.items():
        for block in blocks if (panel, "error") in canvas.axes else ():
            canvas.axes[panel, "error"].axvspan(block - 0.4, block + 0.4, color=CHANGE_COLOR, zorder=0)
    for axes in canvas.axes.values():
        axes.set_ylim(bottom=0)
        whole_numbers(axes)
    keys: list[Artist] = [Line2D([], [], color=INK, linestyle=(0, (4, 3)), linewidth=1.0, label="no block removed")]
    if any(lesions.changing.values()):
        keys.append(Patch(color=CHANGE_COLOR, label="changes dimensions"))
    add_legend(canvas.figure, [*series_handles(curve.series for curve in lesions.errors), *keys])
    return canvas.figure


def _baseline(result: TrialResult) -> Points:
    measured = result.analyses.get("lesion")
    return [(0, 100 * measured.summary["baseline_error"])] if measured else []


PICTURE = Picture(
    title="One block removed",
    caption=(
        "Test error of the trained network with one block's branch removed, against the block; nothing is "
        "trained again. Lines are medians over seeds, bands their range, dashed lines the whole network, "
        "gray columns the blocks that change dimensions; block 0 is next to the input. After Veit et al. "
        "(2016), Figure 3."
    ),
    data=data,
    draw=draw,
)
