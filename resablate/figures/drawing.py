"""How every picture looks: colors, panels, lines, legends, files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from io import BytesIO
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter
from PIL import Image

from resablate.figures.curves import Curve
from resablate.figures.variants import Panel, Series, in_order
from resablate.shortcuts import SHORTCUTS

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#B8A400", "#7F7F7F")
"""Okabe & Ito (2008), told apart with any color vision; yellow darkened for a white ground, gray added."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))
INK = "#333333"
FAINT = "#8A8A8A"
CHANGE_COLOR = "#ECECEC"
"""Ground of the blocks that change dimensions."""
BEHIND: dict[str, Any] = {"linestyle": (0, (4, 2)), "linewidth": 1.0, "alpha": 0.6}

STYLE: dict[RcKeyType, Any] = {
    "axes.edgecolor": FAINT,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "figure.facecolor": "white",
    "font.size": 9.5,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.7,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "svg.hashsalt": "resablate",  # equal data gives equal files
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}

COLUMNS = 3
PANEL_WIDTH = 3.3
PANEL_HEIGHT = 2.5
ONE_PANEL_WIDTH = 6.0
ONE_PANEL_HEIGHT = 3.4
LEGEND_ROW = 0.2
NARROW = 10.0
"""A logarithmic axis over less than this ratio is labeled with plain numbers."""
PNG_COLORS = 256
PNG_DPI = 150
MOST_PNG_PIXELS = 6_000
"""Of height; a picture of many panels has fewer pixels to the inch."""
MARKED_POINTS = 60
"""A curve of more points carries a marker at some of them only."""


class Quantity(NamedTuple):
    """A vertical axis."""

    label: str
    log: bool = False


class Canvas(NamedTuple):
    """A figure and its axes by panel and quantity."""

    figure: Figure
    axes: Mapping[tuple[Panel, str], Axes]


def color_of(series: Series) -> str:
    """A series' color: that of its name in every picture of a report, or its own where all have one name."""
    return PALETTE[series.color % len(PALETTE)]


def color_of_shortcut(shortcut: str) -> str:
    """A shortcut's color where there are others beside it; whatever is no shortcut has the first color after those."""
    return PALETTE[SHORTCUTS.position(shortcut) % len(PALETTE)]


def panel_grid(panels: Iterable[Panel], quantities: Mapping[str, Quantity], *, height: float | None = None) -> Canvas:
    """Empty axes for every panel and quantity; axes of one quantity share their vertical scale.

    Args:
        panels: the small multiples, in any order.
        quantities: the vertical axes, one above the other.
        height: of one panel in inches; by default as fits a curve.
    """
    ordered = in_order(panels)
    single = len(ordered) == 1
    depths = {panel.depth for panel in ordered}
    crossed = len(depths) < len(ordered) and 1 < len(depths) <= COLUMNS + 1
    columns = len(quantities) if single else len(depths) if crossed else min(len(ordered), COLUMNS)
    rows = 1 if single else ceil(len(ordered) / columns) * len(quantities)
    alone = rows * columns == 1
    size = (
        ONE_PANEL_WIDTH if alone else PANEL_WIDTH * columns if columns > 1 else ONE_PANEL_WIDTH,
        (height or (ONE_PANEL_HEIGHT if alone else PANEL_HEIGHT)) * rows,
    )
    figure = Figure(figsize=size, layout="constrained")
    axes: dict[tuple[Panel, str], Axes] = {}
    for number, panel in enumerate(ordered):
        for place, (name, quantity) in enumerate(quantities.items()):
            row, column = (0, place) if single else divmod(number, columns)
            row = row if single else row * len(quantities) + place
            first = axes.get((ordered[0], name))
            cell = figure.add_subplot(rows, columns, row * columns + column + 1, sharey=first)
            cell.set_yscale("log" if quantity.log else "linear")
            if place == 0 and panel.label:
                cell.set_title(panel.label)
            if column == 0 or single:
                cell.set_ylabel(quantity.label)
            else:
                cell.tick_params(labelleft=False)
            axes[panel, name] = cell
    return Canvas(figure, axes)


def draw_curves(curves: Sequence[Curve], quantities: Mapping[str, Quantity], *, x_label: str) -> Canvas:
    """Every curve as its median with its range, where it has one, as a band."""
    shown = {name: axis for name, axis in quantities.items() if any(curve.quantity == name for curve in curves)}
    canvas = panel_grid((curve.panel for curve in curves), shown)
    for axes in canvas.axes.values():
        axes.set_xlabel(x_label)
    for curve in curves:
        axes = canvas.axes[curve.panel, curve.quantity]
        color = color_of(curve.series)
        if curve.low != curve.high:
            axes.fill_between(curve.x, curve.low, curve.high, color=color, alpha=0.15, linewidth=0)
        axes.plot(
            curve.x,
            curve.median,
            color=color,
            markevery=ceil(len(curve.x) / MARKED_POINTS),
            **_style(curve.series),
        )
    for axes in canvas.axes.values():
        low, high = axes.get_ylim()
        if axes.get_yscale() == "log" and high < NARROW * low:
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 4, 6)))
            axes.yaxis.set_minor_locator(NullLocator())
    return canvas


def draw_reference(canvas: Canvas, curves: Iterable[Curve]) -> None:
    """The medians of further curves as thin dashed lines, in the axes that there are: what to compare with."""
    for curve in curves:
        if axes := canvas.axes.get((curve.panel, curve.quantity)):
            axes.plot(curve.x, curve.median, color=color_of(curve.series), zorder=1, **BEHIND)


def key_of_behind(label: str) -> Line2D:
    """The legend entry of what `draw_reference` drew."""
    return Line2D([], [], color=INK, label=label, **BEHIND)


def series_handles(series: Iterable[Series]) -> list[Artist]:
    """One legend entry for each series, in the order of the tables."""
    ordered = sorted(set(series), key=lambda one: one.place)
    return [Line2D([], [], color=color_of(s), label=s.label, **_style(s)) for s in ordered]


def whole_numbers(axes: Axes) -> None:
    """Ticks at whole numbers only, for what is counted."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def add_legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """A legend below the panels, in as many columns as fit."""
    longest = max(len(str(handle.get_label())) for handle in handles)
    inches = 0.075 * longest + 0.6
    columns = max(1, min(len(handles), int(figure.get_figwidth() / inches)))
    figure.set_figheight(figure.get_figheight() + LEGEND_ROW * (ceil(len(handles) / columns) + 1))
    figure.legend(handles=list(handles), loc="outside lower center", ncols=columns)


def styled() -> AbstractContextManager[None]:
    """The pictures' style, for as long as it is entered."""
    return matplotlib.rc_context(STYLE)


def save(figure: Figure, file_format: str) -> bytes:
    """The figure as the content of a file: `svg` or `png`."""
    stream = BytesIO()
    metadata = {"Date": None} if file_format == "svg" else {}
    dpi = min(PNG_DPI, MOST_PNG_PIXELS / figure.get_figheight())
    with styled():
        figure.savefig(stream, format=file_format, dpi=dpi, metadata=metadata)
    # Arranging the panels takes most of the time, and the next format has the same arrangement.
    figure.set_layout_engine("none")
    return _with_palette(stream) if file_format == "png" else stream.getvalue()


def _with_palette(stream: BytesIO) -> bytes:
    """The PNG with a palette: a third of the size, and looks the same with so few colors."""
    smaller = BytesIO()
    with Image.open(stream) as image:
        image.convert("RGB").quantize(PNG_COLORS, method=Image.Quantize.FASTOCTREE).save(smaller, "PNG")
    return smaller.getvalue()


def _style(series: Series) -> dict[str, Any]:
    return {
        "linestyle": LINES[series.style % len(LINES)],
        "linewidth": 1.6,
        "marker": MARKERS[series.style % len(MARKERS)],
        "markersize": 3.5,
    }
