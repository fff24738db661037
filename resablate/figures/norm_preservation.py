"""Gradient norm before a block over that behind it, after Zaeemzadeh et al. (arXiv 1805.07477)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from resablate.figures.curves import Curve, Points, column, median_curves, positive
from resablate.figures.drawing import (
    CHANGE_COLOR,
    FAINT,
    Quantity,
    add_legend,
    draw_curves,
    series_handles,
    whole_numbers,
)
from resablate.figures.picture import Picture
from resablate.figures.variants import Panel, arrange
from resablate.measurement import AnalysisResult
from resablate.result import TrialResult

ANALYSIS = "norm_preservation"
MOST_FOLLOWED = 4
"""Of the blocks that change dimensions: a network for ImageNet has so many."""

Change = tuple[float, float]
"""Height of the images before and behind a block that changes dimensions: equal where it only widens. It tells which
block of one network corresponds to which of another: a bottleneck network widens in its first block, where a Procrustes
ResNet has no change."""


@dataclass(frozen=True)
class Ratios:
    """Gradient norm before a block over that behind it."""

    curves: tuple[Curve, ...]
    """`ratio` by block at the end; by epoch the blocks that change dimensions, each under the name of its change."""
    changing: dict[Panel, tuple[int, ...]]
    """The blocks that change dimensions."""


def data(results: Sequence[TrialResult]) -> Ratios | None:
    """The ratios by panel and series, those over epochs where several were measured; None where there is none."""
    quantities: dict[str, Callable[[TrialResult], Points]] = {"ratio": positive(column(ANALYSIS, "ratio"))}
    quantities |= {_followed(change): positive(partial(_over_epochs, change=change)) for change in _changes(results)}
    curves = median_curves(results, quantities)
    curves = tuple(curve for curve in curves if curve.quantity == "ratio" or len(curve.x) > 1)
    changing = {
        member.panel: tuple(_changing(member.result.analyses[ANALYSIS]))
        for member in arrange(results)
        if ANALYSIS in member.result.analyses
    }
    return Ratios(curves, changing) if curves else None


def draw(ratios: Ratios) -> Figure:
    """By block at the end of training, and by epoch for the blocks that change dimensions."""
    quantities = {"ratio": Quantity("gradient norm,\nbefore / behind block", log=True)}
    followed = dict.fromkeys(curve.quantity for curve in ratios.curves if curve.quantity != "ratio")
    quantities |= {name: Quantity(f"the same, block that\n{name}", log=True) for name in followed}
    canvas = draw_curves(ratios.curves, quantities, x_label="epoch")
    for (panel, quantity), axes in canvas.axes.items():
        axes.axhline(1, color=FAINT, linewidth=1.0, zorder=0)
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0.5), max(high, 2))
        whole_numbers(axes)
        if quantity == "ratio":
            axes.set_xlabel("block")
            for block in ratios.changing[panel]:
                axes.axvspan(block - 0.4, block + 0.4, color=CHANGE_COLOR, zorder=0)
    key = Patch(color=CHANGE_COLOR, label="changes dimensions")
    add_legend(canvas.figure, [*series_handles(curve.series for curve in ratios.curves), key])
    return canvas.figure


def _changes(results: Sequence[TrialResult]) -> list[Change]:
    """The changes of dimensions in all results, from the largest images on."""
    found = {
        change
        for result in results
        for measured in (*result.analyses_by_epoch.values(), result.analyses)
        if ANALYSIS in measured
        for change in _changing(measured[ANALYSIS]).values()
    }
    return sorted(found, reverse=True)[:MOST_FOLLOWED]


def _over_epochs(result: TrialResult, *, change: Change) -> Points:
    measured = {epoch: early[ANALYSIS] for epoch, early in result.analyses_by_epoch.items() if ANALYSIS in early}
    if ANALYSIS in result.analyses:
        measured[len(result.history)] = result.analyses[ANALYSIS]
    for epoch, analysis in sorted(measured.items()):
        block = next((block for block, other in _changing(analysis).items() if other == change), None)
        if block is not None:
            yield epoch, analysis.table["ratio"][block]


def _changing(analysis: AnalysisResult) -> dict[int, Change]:
    """The blocks that change dimensions, and what they do to an image."""
    table = analysis.table
    heights = zip(table["in_height"], table["out_height"], strict=True)
    rows = enumerate(zip(table["changes_dimension"], heights, strict=True))
    return {block: change for block, (changes, change) in rows if changes}


def _followed(change: Change) -> str:
    before, behind = change
    return f"widens at {before:g} pixels" if before == behind else f"goes from {before:g} to {behind:g} pixels"


PICTURE = Picture(
    title="Norm of the gradient through each block",
    caption=(
        "Norm of the loss's gradient at a block's input over that at its output, on a logarithmic axis, after "
        "training; 1 means that the block keeps it. Gray columns are the blocks that change dimensions; block 0 "
        "is next to the input. Where several epochs were measured, those blocks are followed over training, 0 "
        "being the network before its first step, each beside those of the other networks that do the same to an "
        "image. After Zaeemzadeh et al. (arXiv 1805.07477)."
    ),
    data=data,
    draw=draw,
)
