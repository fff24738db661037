"""How many paths of each length there are, after Veit et al. (2016), Figure 6(a)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from resablate.figures.drawing import BEHIND, PALETTE, whole_numbers
from resablate.figures.layout import Quantity, add_legend, panel_grid
from resablate.figures.picture import Picture
from resablate.figures.variants import Panel
from resablate.result import TrialResult

_PANEL = Panel("", "", 0, "")


@dataclass(frozen=True)
class Lengths:
    """The paths of a network of so many blocks."""

    share: tuple[float, ...]
    """Of the lengths 0, 1, ... among all paths, in %."""
    shortest: float
    """The shortest and the longest length of the smallest interval of lengths that holds 95 % of the paths."""
    longest: float


def data(results: Sequence[TrialResult]) -> dict[int, Lengths] | None:
    """Blocks -> the lengths of paths, for networks that have more than one path; None where there is none."""
    found: dict[int, Lengths] = {}
    for result in results:
        measured = result.analyses.get("path_count")
        if measured is None or sum(share > 0 for share in measured.table["share"]) < 2:  # noqa: PLR2004
            continue
        share = tuple(100 * part for part in measured.table["share"])
        ends = measured.summary["shortest"], measured.summary["longest"]
        found.setdefault(len(share) - 1, Lengths(share, *ends))
    return dict(sorted(found.items())) or None


def draw(lengths: dict[int, Lengths]) -> Figure:
    """A curve for each number of blocks."""
    canvas = panel_grid([_PANEL], {"share": Quantity("share of all paths (%)")})
    axes = canvas.axes[_PANEL, "share"]
    keys: list[Line2D] = []
    for place, (blocks, found) in enumerate(lengths.items()):
        color = PALETTE[place % len(PALETTE)]
        label = f"{blocks} blocks, 95 % from {found.shortest:g} to {found.longest:g}"
        keys += axes.plot(range(len(found.share)), found.share, "o-", color=color, markersize=3, label=label)
        for end in (found.shortest, found.longest):
            axes.axvline(end, color=color, **BEHIND)
    axes.set_xlabel("path length (branches)")
    axes.set_ylim(bottom=0)
    whole_numbers(axes)
    add_legend(canvas.figure, keys)
    return canvas.figure


PICTURE = Picture(
    title="How long the paths are",
    caption=(
        "Share of the paths through the network that pass so many branches, for each number of blocks; dashed lines "
        "enclose the smallest interval of lengths that holds 95 % of all paths. Counted, not measured: the numbers are "
        "exact. Networks of one path are left out. After Veit et al. (2016), Figure 6(a)."
    ),
    data=data,
    draw=draw,
)
