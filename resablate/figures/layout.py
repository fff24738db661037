"""Where panels, their labels and the legend stand in a picture."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import NamedTuple

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from resablate.figures.variants import Panel, in_order

COLUMNS = 3
PANEL_WIDTH = 3.3
PANEL_HEIGHT = 2.5
ONE_PANEL_WIDTH = 6.0
LEAST_PANEL = 2.4
"""Inches that a panel is wide at least, however long the names beside it are."""
ONE_PANEL_HEIGHT = 3.4
LEGEND_ROW = 0.2
CHARACTER, KEY = 0.066, 0.55
"""Inches that a letter of a legend entry takes on average, and what stands before it."""
TITLE_ROW = 0.19
BELOW = 0.48
"""Inches for the numbers and the name of the horizontal axis."""
GAP = 0.14
"""Inches between what stands beside each other, and at the edges."""


class Quantity(NamedTuple):
    """A vertical axis."""

    label: str
    log: bool = False


class Canvas(NamedTuple):
    """A figure and its axes by panel and quantity."""

    figure: Figure
    axes: Mapping[tuple[Panel, str], Axes]


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
    columns = min(len(quantities), COLUMNS) if single else len(depths) if crossed else min(len(ordered), COLUMNS)
    rows = ceil(len(quantities) / columns) if single else ceil(len(ordered) / columns) * len(quantities)
    alone = rows * columns == 1
    size = (
        ONE_PANEL_WIDTH if alone else PANEL_WIDTH * columns if columns > 1 else ONE_PANEL_WIDTH,
        (height or (ONE_PANEL_HEIGHT if alone else PANEL_HEIGHT)) * rows,
    )
    figure = Figure(figsize=size)
    axes: dict[tuple[Panel, str], Axes] = {}
    for number, panel in enumerate(ordered):
        for place, (name, quantity) in enumerate(quantities.items()):
            row, column = divmod(place if single else number, columns)
            row = row if single else row * len(quantities) + place
            first = axes.get((ordered[0], name))
            cell = figure.add_subplot(rows, columns, row * columns + column + 1, sharey=first)
            cell.set_yscale("log" if quantity.log else "linear")
            if place == 0 and panel.label:
                cell.set_title(panel.label)
            if column == 0 or single:
                cell.set_ylabel(quantity.label)
            else:
                cell.tick_params(which="both", labelleft=False)
            axes[panel, name] = cell
    return Canvas(figure, axes)


def add_legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """A legend below the panels, in as many columns as fit, and every panel in its place.

    A name that is longer than the figure is wide takes several lines. The panels are placed by their labels: a
    solver that measures every artist takes most of the time of a picture of many panels.
    """
    letters = int((figure.get_figwidth() - KEY - 2 * GAP) / CHARACTER)
    names = [textwrap.wrap(str(handle.get_label()), letters, subsequent_indent="  ") for handle in handles]
    for handle, lines in zip(handles, names, strict=True):
        handle.set_label("\n".join(lines))
    longest = max(len(line) for lines in names for line in lines)
    columns = max(1, min(len(handles), int(figure.get_figwidth() / (CHARACTER * longest + KEY))))
    highest = max(map(len, names))
    legend = LEGEND_ROW * (sum(map(len, names)) if columns == 1 else highest * ceil(len(handles) / columns))
    legend += LEGEND_ROW
    if figure.get_layout_engine() is not None:
        figure.set_figheight(figure.get_figheight() + legend)
        figure.legend(handles=list(handles), loc="outside lower center", ncols=columns)
        return
    _place_panels(figure, legend)
    figure.legend(
        handles=list(handles), loc="lower center", ncols=columns, bbox_to_anchor=(0.5, 0.0), borderaxespad=0.2
    )


def _place_panels(figure: Figure, legend: float) -> None:
    """Makes room for titles, for what stands beside the axes, and for a legend of so many inches."""
    cells = [(axes, spec) for axes in figure.axes if (spec := axes.get_subplotspec())]
    rows, columns = cells[0][1].get_gridspec().get_geometry()
    titles = TITLE_ROW * max(_title_rows(axes) for axes, _ in cells)
    height = figure.get_figheight() + legend + (titles + BELOW if rows == 1 else 0)
    figure.set_figheight(height)
    left, between, right = GAP, GAP, GAP
    renderer = FigureCanvasAgg(figure).get_renderer()
    for axes, spec in cells:
        column = spec.colspan.start
        on_right = str(axes.yaxis.get_label_position()) == "right"
        if not axes.get_ylabel() and (on_right or column > 0):
            continue
        box = axes.yaxis.get_tightbbox(renderer)
        if box is None:
            continue
        if on_right:
            needed = (box.x1 - axes.bbox.x1) / figure.dpi + GAP
            right, between = (max(right, needed), between) if column == columns - 1 else (right, max(between, needed))
        else:
            needed = (axes.bbox.x0 - box.x0) / figure.dpi + GAP
            left, between = (max(left, needed), between) if column == 0 else (left, max(between, needed))
    # Long names beside the axes may take more than the picture is wide: it grows, and its panels stay readable.
    least = left + right + LEAST_PANEL * columns + between * (columns - 1)
    figure.set_figwidth(max(figure.get_figwidth(), least))
    inner_width = figure.get_figwidth() - left - right
    inner_height = height - legend - BELOW - titles - GAP
    vertical = BELOW + titles
    panel_width = (inner_width - between * (columns - 1)) / columns
    panel_height = (inner_height - vertical * (rows - 1)) / rows
    figure.subplots_adjust(
        left=left / figure.get_figwidth(),
        right=1 - right / figure.get_figwidth(),
        bottom=(legend + BELOW) / height,
        top=1 - (titles + GAP) / height,
        wspace=between / panel_width,
        hspace=vertical / panel_height,
    )


def _title_rows(axes: Axes) -> int:
    title = axes.get_title() or axes.get_title(loc="left")
    return title.count("\n") + 1 if title else 0
