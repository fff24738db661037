"""What the pictures of norm preservation share: which blocks change dimensions, and how they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from resablate.figures.drawing import CHANGE_COLOR
from resablate.measurement import AnalysisResult
from resablate.result import TrialResult

ANALYSIS = "norm_preservation"
MOST_FOLLOWED = 4
"""Of the blocks that change dimensions: a network for ImageNet has so many."""


@dataclass(frozen=True, order=True)
class Change:
    """Height of the images before and behind a block that changes dimensions: equal where it only widens.

    It tells which block of one network corresponds to which of another: a bottleneck network widens in its first block,
    where a Procrustes ResNet has no change.
    """

    before: float
    behind: float

    def __str__(self) -> str:
        """For people: `goes from 32 to 16 pixels`."""
        if self.before == self.behind:
            return f"widens at {self.before:g} pixels"
        return f"goes from {self.before:g} to {self.behind:g} pixels"


def changing_blocks(analysis: AnalysisResult) -> dict[int, Change]:
    """The blocks that change dimensions, and what they do to an image."""
    table = analysis.table
    heights = zip(table["in_height"], table["out_height"], strict=True)
    rows = enumerate(zip(table["changes_dimension"], heights, strict=True))
    return {block: Change(*change) for block, (changes, change) in rows if changes}


def measured_by_epoch(result: TrialResult) -> dict[int, AnalysisResult]:
    """Epoch -> what was measured then, in order; the end counts as the last epoch of the history."""
    found = {epoch: early[ANALYSIS] for epoch, early in result.analyses_by_epoch.items() if ANALYSIS in early}
    if final := result.analyses.get(ANALYSIS):
        found[len(result.history)] = final
    return dict(sorted(found.items()))


def common_changes(results: Sequence[TrialResult]) -> list[Change]:
    """The changes of dimensions in all results, from the largest images on."""
    found = {
        change
        for result in results
        for analysis in measured_by_epoch(result).values()
        for change in changing_blocks(analysis).values()
    }
    return sorted(found, reverse=True)[:MOST_FOLLOWED]


def shade(axes: Axes, blocks: Mapping[int, Change]) -> None:
    """Gray columns at the blocks that change dimensions."""
    for block in blocks:
        axes.axvspan(block - 0.4, block + 0.4, color=CHANGE_COLOR, zorder=0)


def shade_key() -> Patch:
    """The legend entry of what `shade` drew."""
    return Patch(color=CHANGE_COLOR, label="changes dimensions")
