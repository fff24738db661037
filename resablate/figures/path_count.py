"""Which paths are left after blocks are deleted, after Veit et al. (2016), Figure 7."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from resablate.figures.drawing import FAINT, MARKERS, PALETTE, whole_numbers
from resablate.figures.layout import Quantity, add_legend, panel_grid
from resablate.figures.picture import Picture
from resablate.figures.variants import Panel, arrange
from resablate.result import TrialResult

LEFT = "left_after_"


@dataclass(frozen=True)
class Counts:
    """Shares in % by path length 0, 1, ... of a network of so many blocks."""

    share: tuple[float, ...]
    """Of that length among all paths."""
    left: dict[int, tuple[float, ...]]
    """Blocks deleted -> part of the paths of that length that is left."""


def data(results: Sequence[TrialResult]) -> dict[Panel, Counts] | None:
    """The counts, once for each number of blocks, of networks that have more than one path.

    None where there is no such network, or where no block can be deleted.
    """
    found: dict[int, tuple[Panel, Counts]] = {}
    for member in arrange(results):
        measured = member.result.analyses.get("path_count")
        if measured is None or sum(share > 0 for share in measured.table["share"]) < 2:  # noqa: PLR2004
            continue
        left = {
            int(name.removeprefix(LEFT)): _percent(values)
            for name, values in measured.table.items()
            if name.startswith(LEFT)
        }
        blocks = len(measured.table["length"]) - 1
        panel = member.panel._replace(label=f"{blocks} blocks")
        if left:
            found.setdefault(blocks, (panel, Counts(_percent(measured.table["share"]), left)))
    return dict(found.values()) or None


def draw(counts: dict[Panel, Counts]) -> Figure:
    """A curve for each number of deleted blocks, above where the paths are."""
    canvas = panel_grid(counts, {"left": Quantity("paths left (%)")})
    for panel, count in counts.items():
        axes = canvas.axes[panel, "left"]
        largest = max(count.share)
        lengths = range(len(count.share))
        axes.fill_between(
            lengths, [100 * share / largest for share in count.share], color=FAINT, alpha=0.2, linewidth=0
        )
        for deleted, left in count.left.items():
            axes.plot(lengths, left, **_style(counts, deleted))
        axes.set_xlabel("path length (branches)")
        axes.set_ylim(0, 102)
        whole_numbers(axes)
    numbers = sorted({deleted for count in counts.values() for deleted in count.left})
    keys = [Line2D([], [], label=f"{deleted} deleted", **_style(counts, deleted)) for deleted in numbers]
    add_legend(canvas.figure, [*keys, Line2D([], [], color=FAINT, alpha=0.4, linewidth=6, label="where the paths are")])
    return canvas.figure


def _style(counts: dict[Panel, Counts], deleted: int) -> dict[str, Any]:
    place = sorted({number for count in counts.values() for number in count.left}).index(deleted)
    return {
        "color": PALETTE[place % len(PALETTE)],
        "marker": MARKERS[place % len(MARKERS)],
        "markersize": 3.5,
        "linewidth": 1.6,
    }


def _percent(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(100 * value for value in values)


PICTURE = Picture(
    title="Paths left after deletions",
    caption=(
        "Share of the paths of each length that is left after some blocks are deleted, whichever they are, "
        "and where the paths are (gray, scaled to its highest point). Deletions take the long paths and "
        "leave the short ones. Counted, not measured: the numbers are exact. Networks of one path "
        "are left out. After Veit et al. (2016), Figure 7."
    ),
    data=data,
    draw=draw,
)
