"""How every picture looks: colors, lines, legend entries, files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from io import BytesIO
from math import ceil, isfinite, isnan
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter
from PIL import Image

from resablate.figures.curves import Curve
from resablate.figures.layout import Canvas, Quantity, panel_grid
from resablate.figures.limits import limits_of
from resablate.figures.variants import Panel, Series
from resablate.shortcuts import SHORTCUTS

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

PALETTE = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#B8A400", "#7F7F7F"),
    *("#332288", "#882255", "#44AA99", "#999933", "#AA4499", "#661100", "#6699CC"),
)
"""Okabe & Ito (2008), told apart with any color vision; yellow darkened for a white ground, gray added. Behind them
those of Tol's muted scheme (2021) that are unlike them; markers and lines tell apart what is nearer."""
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
    "axes.titley": 1.0,  # nothing stands above the axes that a title would have to be moved for
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

_REPLICATE: dict[str, Any] = {"linestyle": "-", "linewidth": 0.6, "alpha": 0.45}
_SINGLE: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": 3.5, "alpha": 0.5}
NARROW = 10.0
"""A logarithmic axis over less than this ratio is labeled with plain numbers."""
PNG_COLORS = 256
EVERY_PIXEL = 3
"""Of a row and of a column, by which the colors are chosen."""
PNG_DPI = 150
MANY_PANELS = 12
PNG_DPI_OF_MANY = 100
MOST_PNG_PIXELS = 6_000
"""Of height; a picture of many panels has fewer pixels to the inch."""
MOST_AXES = 36
"""Of one picture: a reader looks at no more, and each takes a tenth of a second."""
MARKED_POINTS = 60
"""A curve of more points carries a marker at some of them only."""


def color_of(series: Series) -> str:
    """A series' color: that of its name in every picture of a report, or its own where all have one name."""
    return PALETTE[series.color % len(PALETTE)]


def color_of_shortcut(shortcut: str) -> str:
    """A shortcut's color where there are others beside it; whatever is no shortcut has the first color after those."""
    return PALETTE[SHORTCUTS.position(shortcut) % len(PALETTE)]


def draw_curves(curves: Sequence[Curve], quantities: Mapping[str, Quantity], *, x_label: str) -> Canvas:
    """Every curve in axes of its own panel and quantity.

    Of so many panels that there would be more than MOST_AXES axes, the first quantities alone are drawn.
    """
    panels = {curve.panel for curve in curves}
    found = {curve.quantity for curve in curves}
    most = max(1, MOST_AXES // max(1, len(panels)))
    shown = dict([(name, axis) for name, axis in quantities.items() if name in found][:most])
    canvas = panel_grid(panels, shown)
    for axes in canvas.axes.values():
        axes.set_xlabel(x_label)
    chosen = [curve for curve in curves if curve.quantity in shown]
    add_curves({(curve.panel, curve.quantity): canvas.axes[curve.panel, curve.quantity] for curve in chosen}, chosen)
    drawn = {(curve.panel, curve.quantity) for curve in chosen}
    for place, axes in canvas.axes.items():
        label_narrow(axes)
        axes.set_visible(place in drawn or bool(axes.get_ylabel() or axes.get_title(loc="left")))
    return canvas


def add_curves(axes: Mapping[tuple[Panel, str], Axes], curves: Sequence[Curve], **look: Any) -> None:
    """Every curve as its mean, the interval of the mean as a band, and every training as a thin line.

    The axes reach over the trainings and the intervals; an interval of many times their range is cut, with a note.

    Args:
        axes: of every panel and quantity of the curves; those of one quantity share their vertical scale.
        curves: what to draw.
        look: properties of the means' lines, in the place of the series' own.
    """
    for quantity in {curve.quantity for curve in curves}:
        chosen = [curve for curve in curves if curve.quantity == quantity]
        ax = axes[chosen[0].panel, quantity]
        ax.set_ylim(limits_of(chosen, log=ax.get_yscale() == "log"))
        for panel in {curve.panel for curve in chosen}:
            own = [end for curve in chosen if curve.panel == panel for end in (*curve.low, *curve.high)]
            say_what_is_cut(axes[panel, quantity], ax.get_ylim(), own)
    crowds = Counter((curve.panel, curve.quantity) for curve in curves)
    for curve in curves:
        ax, color = axes[curve.panel, curve.quantity], color_of(curve.series)
        _draw_replicates(ax, curve, color, look.get("linestyle", "-"))
        style: dict[str, Any] = {**_style(curve.series), "markevery": ceil(len(curve.x) / MARKED_POINTS), **look}
        ax.plot(curve.x, curve.mean, color=color, **style)
        if len(curve.x) > 1:
            alpha = min(0.13, 0.4 / crowds[curve.panel, curve.quantity])
            ax.fill_between(curve.x, curve.low, curve.high, color=color, alpha=alpha, linewidth=0)
        else:
            ax.vlines(curve.x, curve.low, curve.high, color=color, linewidth=1.4)


def say_what_is_cut(axes: Axes, reached: tuple[float, float], ends: Iterable[float]) -> None:
    """A note in the corner of axes beyond which an interval reaches: they go from the one to the other number."""
    if any(end < reached[0] or end > reached[1] for end in ends):
        look: dict[str, Any] = {"ha": "right", "va": "top", "fontsize": 7, "color": FAINT}
        axes.text(0.99, 0.99, "interval cut", transform=axes.transAxes, **look)


def reach(axes: Axes, values: Iterable[float]) -> None:
    """Widens the vertical axis, if need be, so that these values are in the picture."""
    low, high = axes.get_ylim()
    found = [value for value in values if isfinite(value)]
    axes.set_ylim(min([low, *found]), max([high, *found]))


def draw_reference(canvas: Canvas, curves: Iterable[Curve]) -> None:
    """The means of further curves as thin dashed lines, in the axes that there are: what to compare with."""
    for curve in curves:
        if axes := canvas.axes.get((curve.panel, curve.quantity)):
            axes.plot(curve.x, curve.mean, color=color_of(curve.series), zorder=1, **BEHIND)
            reach(axes, curve.mean)


def key_of_behind(label: str) -> Line2D:
    """The legend entry of what `draw_reference` drew."""
    return Line2D([], [], color=INK, label=label, **BEHIND)


def label_narrow(axes: Axes) -> None:
    """Plain numbers at a logarithmic axis that spans less than a power of ten."""
    low, high = axes.get_ylim()
    if axes.get_yscale() == "log" and high < NARROW * low:
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 4, 6)))
        axes.yaxis.set_minor_locator(NullLocator())


def curve_handles(curves: Iterable[Curve]) -> list[Artist]:
    """One legend entry for each series with its number of trainings, and what thin lines and bands are."""
    curves = list(curves)
    counts: dict[Series, set[int]] = {}
    for curve in curves:
        counts.setdefault(curve.series, set()).add(curve.trials)
    return [*counted_handles(counts), *replicate_handles(curves)]


def counted_handles(counts: Mapping[Series, Collection[int]], **look: Any) -> list[Artist]:
    """One legend entry for each series with its number of trainings, in the order of the tables.

    Args:
        counts: series -> its number of trainings in each panel.
        look: properties of the lines, in the place of the series' own.
    """
    ordered = sorted(counts, key=lambda one: one.place)
    return [
        Line2D([], [], color=color_of(s), label=f"{s.label}, {count_label(counts[s])}", **(_style(s) | look))
        for s in ordered
    ]


def count_label(counts: Collection[int]) -> str:
    """`n = 3`, or `n = 2 to 3` where panels differ."""
    low, high = min(counts), max(counts)
    return f"n = {low}" if low == high else f"n = {low} to {high}"


def replicate_handles(curves: Iterable[Curve]) -> list[Artist]:
    """Legend entries of single trainings, where there are several, and of bands, where an interval is known."""
    curves = list(curves)
    keys: list[Artist] = []
    if any(curve.trials > 1 for curve in curves):
        points = all(len(one.x) == 1 for curve in curves for one in curve.replicates)
        look = _SINGLE if points else _REPLICATE
        keys.append(Line2D([], [], color=INK, label="one training", **look))
    if any(not isnan(low) for curve in curves for low in curve.low):
        keys.append(Patch(color=INK, alpha=0.18, linewidth=0, label="95 % interval of the mean"))
    return keys


def whole_numbers(axes: Axes) -> None:
    """Ticks at whole numbers only, for what is counted, and no more than fit beside each other."""
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))


def styled() -> AbstractContextManager[None]:
    """The pictures' style, for as long as it is entered."""
    return matplotlib.rc_context(STYLE)


def drawn_points(figure: Figure) -> int:
    """How many points its curves, bands and markers have, by which an SVG grows: 40 to 80 bytes each."""
    lines = [line for axes in figure.axes for line in axes.lines]
    collections = [collection for axes in figure.axes for collection in axes.collections]
    paths = [path for collection in collections for path in collection.get_paths()]
    marked = [line for line in lines if line.get_marker() != "None"]
    drawn = [*paths, *(line.get_path() for line in (*lines, *marked))]
    return sum(np.shape(path.vertices)[0] for path in drawn)


def save(figure: Figure, file_format: str) -> bytes:
    """The figure as the content of a file: `svg` or `png`."""
    stream = BytesIO()
    metadata = {"Date": None} if file_format == "svg" else {}
    dpi = min(PNG_DPI if len(figure.axes) <= MANY_PANELS else PNG_DPI_OF_MANY, MOST_PNG_PIXELS / figure.get_figheight())
    with styled():
        figure.savefig(stream, format=file_format, dpi=dpi, metadata=metadata)
    # Where a solver arranges the panels it takes most of the time, and the next format has the same arrangement.
    figure.set_layout_engine("none")
    return _with_palette(stream) if file_format == "png" else stream.getvalue()


def _with_palette(stream: BytesIO) -> bytes:
    """The PNG with a palette: a third of the size, and looks the same with so few colors.

    The palette is found on a part of the pixels by median cut. An octree would be as fast, and takes the light gray of
    a band for white.
    """
    smaller = BytesIO()
    with Image.open(stream) as image:
        whole = image.convert("RGB")
        some = whole.resize((whole.width // EVERY_PIXEL, whole.height // EVERY_PIXEL), Image.Resampling.NEAREST)
        palette = some.quantize(PNG_COLORS, method=Image.Quantize.MEDIANCUT)
        whole.quantize(palette=palette, dither=Image.Dither.NONE).save(smaller, "PNG")
    return smaller.getvalue()


def _draw_replicates(axes: Axes, curve: Curve, color: str, line: str) -> None:
    """Every training as a thin line; as a point where it is one."""
    if curve.trials == 1 and len(curve.x) > 1:
        return  # the mean is that training
    lines = [np.column_stack(one) for one in curve.replicates if len(one.x) > 1]
    if lines:
        axes.add_collection(
            LineCollection(lines, colors=color, linestyles=line, linewidths=0.6, alpha=_REPLICATE["alpha"])
        )
    points = [(one.x[0], one.y[0]) for one in curve.replicates if len(one.x) == 1]
    if points:
        axes.plot(*zip(*points, strict=True), "o", color=color, alpha=0.5, markersize=3.5, mew=0)


def _style(series: Series) -> dict[str, Any]:
    return {
        "linestyle": LINES[series.style % len(LINES)],
        "linewidth": 1.6,
        "marker": MARKERS[series.style % len(MARKERS)],
        "markersize": 3.5,
    }
