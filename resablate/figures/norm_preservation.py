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


@dataclass(frozen=True)
class Ratios:
    """Gradient norm before a block over that behind it."""

    curves: tuple[Curve, ...]
    """`ratio` by block at the end, and `changing_1`, ... by epoch: the blocks that change dimensions, in turn."""
    changing: dict[Panel, tuple[int, ...]]
    """The blocks that change dimensions."""


def data(results: Sequence[TrialResult]) -> Ratios | None:
    """The ratios by panel and series, those over epochs where several were measured; None where there is none."""
    quantities: dict[str, Callable[[TrialResult], Points]] = {"ratio": positive(column(ANALYSIS, "ratio"))}
    quantities |= {_followed(turn): positive(partial(_over_epochs, turn=turn)) for turn in range(MOST_FOLLOWED)}
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
    quantities |= {
        _followed(turn): Quantity(f"the same, {_ordinal(turn)} block\nto change dimensions", log=True)
        for turn in range(MOST_FOLLOWED)
    }
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


def _over_epochs(result: TrialResult, *, turn: int) -> Points:
    measured = {epoch: early[ANALYSIS] for epoch, early in result.analyses_by_epoch.items() if ANALYSIS in early}
    if ANALYSIS in result.analyses:
        measured[len(result.history)] = result.analyses[ANALYSIS]
    for epoch, analysis in sorted(measured.items()):
        blocks = _changing(analysis)
        if turn < len(blocks):
            yield epoch, analysis.table["ratio"][blocks[turn]]


def _changing(analysis: AnalysisResult) -> list[int]:
    return [block for block, changes in enumerate(analysis.table["changes_dimension"]) if changes]


def _followed(turn: int) -> str:
    return f"changing_{turn + 1}"


def _ordinal(turn: int) -> str:
    return ("1st", "2nd", "3rd", "4th")[turn]


PICTURE = Picture(
    title="Norm of the gradient through each block",
    caption=(
        "Norm of the loss's gradient at a block's input over that at its output, on a logarithmic axis, after "
        "training; 1 means that the block keeps it. Gray columns are the blocks that change dimensions; block 0 "
        "is next to the input. Where several epochs were measured, those blocks are followed over training, 0 "
        "being the network before its first step. After Zaeemzadeh et al. (arXiv 1805.07477)."
    ),
    data=data,
    draw=draw,
)
