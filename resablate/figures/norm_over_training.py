"""Gradient norm before a block over that behind it in the course of training, after Zaeemzadeh et al. (1805.07477)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from matplotlib.figure import Figure

from resablate.figures.curves import Curve, Points, Reading, mean_curves, positive
from resablate.figures.drawing import FAINT, curve_handles, draw_curves, whole_numbers
from resablate.figures.layout import Quantity, add_legend
from resablate.figures.norm_blocks import Change, changing_blocks, common_changes, measured_by_epoch
from resablate.figures.picture import Picture
from resablate.figures.variants import arrange_shared
from resablate.result import TrialResult

SIZES = {
    "same_dimension_mean_median_log_ratio": "norm change, mean of blocks\nthat keep dimensions",
    "behind_entry_mean_median_log_ratio": "norm change, mean of blocks\nbehind their entry",
    "transition_mean_median_log_ratio": "norm change, mean of the\ntransition convolutions",
    "stem_median_log_ratio": "norm change of the stem's\nconvolution",
}
"""Number of the summary -> the name of its axis."""


def data(results: Sequence[TrialResult]) -> tuple[Curve, ...] | None:
    """Ratios of the blocks that change dimensions, and mean norm changes, by epoch; None where one epoch was measured.

    A ratio's quantity is the name of the change.
    """
    readings = {
        str(change): Reading(positive(partial(_ratios, change=change)), "log") for change in common_changes(results)
    }
    readings |= {name: Reading(positive(partial(_sizes, name=name)), "log") for name in SIZES}
    curves = tuple(curve for curve in mean_curves(arrange_shared(results), readings) if len(curve.x) > 1)
    return curves or None


def draw(curves: Sequence[Curve]) -> Figure:
    """Below each other: every kind of block that changes dimensions, then blocks and parts together."""
    ratios = dict.fromkeys(curve.quantity for curve in curves if curve.quantity not in SIZES)
    quantities = {name: Quantity(f"ratio, block that\n{name}", log=True) for name in ratios}
    quantities |= {name: Quantity(label, log=True) for name, label in SIZES.items()}
    canvas = draw_curves(curves, quantities, x_label="epoch")
    for (_, quantity), axes in canvas.axes.items():
        whole_numbers(axes)
        if quantity in ratios:
            axes.axhline(1, color=FAINT, linewidth=1.0, zorder=0)
            low, high = axes.get_ylim()
            axes.set_ylim(min(low, 0.5), max(high, 2))
    add_legend(canvas.figure, curve_handles(curves))
    return canvas.figure


def _ratios(result: TrialResult, *, change: Change) -> Points:
    for epoch, analysis in measured_by_epoch(result).items():
        block = next((block for block, other in changing_blocks(analysis).items() if other == change), None)
        if block is not None:
            yield epoch, analysis.table["ratio"][block]


def _sizes(result: TrialResult, *, name: str) -> Points:
    return (
        (epoch, analysis.summary[name])
        for epoch, analysis in measured_by_epoch(result).items()
        if name in analysis.summary
    )


PICTURE = Picture(
    title="Norm of the gradient in the course of training",
    caption=(
        "By epoch, 0 being the network before its first step: the norm of the loss's gradient at a block's input over "
        "that at its output, for the blocks that change dimensions, each beside those of the other networks that do "
        "the same to an image; and the mean norm change, the median over examples of the size of the logarithm of "
        "their own ratio, over the blocks that keep dimensions and over the parts of the others. On logarithmic axes; "
        "a ratio of 1, and a norm change near 0, mean that the norm is kept. Thick lines are geometric means over n "
        "trainings, thin lines the trainings, bands 95 % intervals of the mean over all seeds. Of many panels, only "
        "the first quantities are drawn. After Zaeemzadeh et al. (arXiv 1805.07477)."
    ),
    data=data,
    draw=draw,
)
