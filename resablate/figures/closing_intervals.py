"""How the intervals of claims closed while seeds came in rounds."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from resablate.figures.drawing import PALETTE, whole_numbers
from resablate.figures.layout import COLUMNS, ONE_PANEL_WIDTH, PANEL_WIDTH, add_legend
from resablate.figures.picture import Closing, Picture

HEIGHT = 2.3
"""Inches of a panel."""
SHOWN = 24
"""Claims of one picture: those that were decided first."""
TITLE_WIDTH = 44
"""Letters of a line above a panel."""
_OPEN, _BAND = "#8a8a8a", "#d9d9d9"
_ROOM = 0.12
"""Above and below the intervals that set the scale, as a part of their span."""


def rounds_data(closings: Sequence[Closing]) -> tuple[Closing, ...] | None:
    """The claims of which something was seen, those that were decided first in front; None where there is none."""
    seen = [closing for closing in closings if any(map(math.isfinite, closing.lows))]
    last = max((len(closing.seeds) for closing in seen), default=0)
    order = sorted(seen, key=lambda closing: last if closing.decided is None else closing.decided)
    return tuple(order[:SHOWN]) or None


def draw(closings: Sequence[Closing]) -> Figure:
    """A panel for each claim."""
    columns = min(COLUMNS, len(closings))
    rows = math.ceil(len(closings) / columns)
    width = ONE_PANEL_WIDTH if columns == 1 else PANEL_WIDTH * columns
    figure = Figure(figsize=(width, HEIGHT * rows), layout="constrained")
    for place, closing in enumerate(closings, start=1):
        axes = figure.add_subplot(rows, columns, place)
        _draw_panel(axes, closing)
        if place > len(closings) - columns:
            axes.set_xlabel("seeds of each cell")
    add_legend(figure, _handles(closings))
    return figure


def _draw_panel(axes: Axes, closing: Closing) -> None:
    if closing.margin:
        band = (closing.reference - closing.margin, closing.reference + closing.margin)
        axes.axhspan(*band, color=_BAND, linewidth=0, zorder=0)
    axes.axhline(closing.reference, color="#555555", linewidth=0.8, linestyle="--", zorder=1)
    looks = zip(closing.seeds, closing.values, closing.lows, closing.highs, strict=True)
    for place, (seeds, value, low, high) in enumerate(looks):
        decides = place == closing.decided
        color = PALETTE[0] if decides else _OPEN
        if math.isfinite(low) and math.isfinite(high):
            # Cut off where it ends: a cap of another shape reaches over the line that the interval stays off.
            look: dict[str, Any] = {"linewidth": 2.4 if decides else 1.4, "solid_capstyle": "butt"}
            axes.plot([seeds, seeds], [low, high], color=color, zorder=2, **look)
        axes.plot([seeds], [value], color=color, marker="o", markersize=6 if decides else 4, linestyle="", zorder=3)
    axes.set_xlim(1.3, closing.most + 0.7)
    axes.set_ylim(*_limits(closing))
    whole_numbers(axes)
    axes.set_ylabel(closing.axis)
    axes.set_title(_title(closing), fontsize=7.5, loc="left")


def _title(closing: Closing) -> str:
    compared = textwrap.shorten(closing.compared, 2 * TITLE_WIDTH, placeholder=" ...")
    if closing.decided is None:
        head = f"{closing.claim}: {closing.verdict} after {closing.seeds[-1]} seeds"
    else:
        head = (
            f"{closing.claim}: {closing.verdict} in round {closing.decided + 1}, {closing.seeds[closing.decided]} seeds"
        )
    return "\n".join([head, *textwrap.wrap(compared, TITLE_WIDTH)])


def _limits(closing: Closing) -> tuple[float, float]:
    """The ends of the axis: all of the narrower intervals, and of wider ones what fits.

    Two seeds give an interval of many times its width with five, beside which nothing else could be seen.
    """
    known = [(low, high) for low, high in zip(closing.lows, closing.highs, strict=True) if math.isfinite(high - low)]
    widths = sorted(high - low for low, high in known)
    kept = [(low, high) for low, high in known if high - low <= 4 * widths[len(widths) // 2]]
    ends = [end for pair in kept for end in pair]
    ends += [*closing.values, closing.reference - closing.margin, closing.reference + closing.margin]
    room = _ROOM * (max(ends) - min(ends) or 1.0)
    return min(ends) - room, max(ends) + room


def _handles(closings: Sequence[Closing]) -> list[Artist]:
    handles: list[Artist] = [
        Line2D([], [], color=PALETTE[0], marker="o", linewidth=2.4, label="the look that decided"),
        Line2D([], [], color=_OPEN, marker="o", markersize=4, linewidth=1.4, label="other looks"),
    ]
    if any(closing.margin for closing in closings):
        handles.append(Patch(color=_BAND, label="within the margin"))
    return handles


PICTURE = Picture(
    title="How the intervals closed",
    caption=(
        "Each claim's number with its interval at every look, against the seeds of each cell by then. An interval "
        "is at the part of the level that the look may spend, so one that is wide has little to spend. A claim is "
        "decided at the first look where its interval lies on one side of the dashed line, or within the grey margin; "
        "then its cells get no more trainings. Of a claim about several comparisons the one that it hangs on is drawn. "
        "Intervals of more than four times the usual width are cut."
    ),
    data=lambda results: None,
    draw=draw,
    rounds_data=rounds_data,
)
