"""Test error of every series, one point per trial, and the median."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from resablate.datasets import DATASETS
from resablate.figures.drawing import FAINT, INK, Quantity, add_legend, color_of, panel_grid
from resablate.figures.picture import Picture
from resablate.figures.variants import Panel, Series, arrange
from resablate.result import TrialResult
from resablate.statistics.chance import chance_error

ROW_HEIGHT = 0.34
LABEL_WIDTH = 1.2
"""Inches for the names on the left."""
LOG_FROM = 8.0
"""Errors whose largest is more than this many times the smallest are drawn on a logarithmic axis."""


@dataclass(frozen=True)
class ErrorRow:
    """The test errors of one series in one panel, in %."""

    panel: Panel
    series: Series
    errors: tuple[float, ...]
    """Of the finished trials."""
    median: float
    """NaN where no trial finished."""
    diverged: int


@dataclass(frozen=True)
class Errors:
    """All rows, and the error of guessing."""

    rows: tuple[ErrorRow, ...]
    chance: dict[Panel, float]
    """In %, for the panels in which the number of classes is known."""


def data(results: Sequence[TrialResult]) -> Errors | None:
    """The errors by panel and series; None where no trial was completed."""
    groups: dict[tuple[Panel, Series], list[TrialResult]] = {}
    for member in arrange(results):
        groups.setdefault((member.panel, member.series), []).append(member.result)
    rows: list[ErrorRow] = []
    for (panel, series), trials in groups.items():
        errors = tuple(100 * t.test_error for t in trials if t.status == "finished" and math.isfinite(t.test_error))
        diverged = sum(t.status == "diverged" for t in trials)
        if errors or diverged:
            rows.append(ErrorRow(panel, series, errors, median(errors) if errors else math.nan, diverged))
    return Errors(tuple(rows), _chance(groups)) if rows else None


def _chance(groups: Mapping[tuple[Panel, Series], Sequence[TrialResult]]) -> dict[Panel, float]:
    """The error of guessing in %, of the panels in which it is known and the same for all trials."""
    found: dict[Panel, set[float]] = {}
    for (panel, _), trials in groups.items():
        errors = (chance_error(trial, DATASETS) for trial in trials)
        found.setdefault(panel, set()).update(100 * error for error in errors if math.isfinite(error))
    return {panel: errors.pop() for panel, errors in found.items() if len(errors) == 1}


def draw(errors: Errors) -> Figure:
    """One line of points for each series, one panel for each depth and ordering."""
    order = list(dict.fromkeys(row.series for row in errors.rows))
    height = ROW_HEIGHT * (len(order) + 1) + 0.7
    canvas = panel_grid({row.panel for row in errors.rows}, {"error": Quantity("")}, height=height)
    labels = [series.label.replace(" (", "\n(", 1) for series in order]
    for (panel, _), axes in canvas.axes.items():
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.set_yticks(range(len(order)), labels)
        axes.set_xlabel("test error (%)")
        if panel in errors.chance:
            axes.axvline(errors.chance[panel], color=FAINT, linestyle=(0, (4, 2)), linewidth=1.2, zorder=1)
    places = {series: place for place, series in enumerate(order)}
    values: dict[Panel, list[float]] = {panel: [error] for panel, error in errors.chance.items()}
    for row in errors.rows:
        _draw_row(canvas.axes[row.panel, "error"], row, places[row.series])
        values.setdefault(row.panel, []).extend(row.errors)
    for (panel, _), axes in canvas.axes.items():
        _scale(axes, values[panel])
    canvas.figure.set_figwidth(canvas.figure.get_figwidth() + LABEL_WIDTH)
    add_legend(canvas.figure, _legend(errors))
    return canvas.figure


def _draw_row(axes: Axes, row: ErrorRow, place: int) -> None:
    color = color_of(row.series)
    axes.plot(row.errors, [place] * len(row.errors), "o", color=color, alpha=0.55, markersize=6, mew=0)
    if row.errors:
        axes.plot([row.median], [place], "|", color=color, markersize=16, mew=2.4)
    if row.diverged:
        right = axes.get_yaxis_transform()
        axes.plot([0.985], [place], "x", color=color, markersize=7, mew=2, transform=right, clip_on=False)
        axes.text(0.955, place, f"{row.diverged} diverged", transform=right, ha="right", va="center", fontsize=8.5)


def _scale(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic axis where the errors span much, so that small and large ones can both be read."""
    if not values or min(values) <= 0 or max(values) < LOG_FROM * min(values):
        axes.set_xlim(left=0 if values and min(values) < 0.5 * max(values) else None)
        return
    axes.set_xscale("log")
    axes.set_xlim(min(values) / 1.3, max(values) * 1.3)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _legend(errors: Errors) -> list[Artist]:
    handles: list[Artist] = [
        Line2D([], [], color=INK, marker="o", linestyle="", alpha=0.55, mew=0, label="one trial"),
        Line2D([], [], color=INK, marker="|", linestyle="", markersize=12, mew=2.4, label="median"),
    ]
    if errors.chance:
        handles.append(Line2D([], [], color=FAINT, linestyle=(0, (4, 2)), linewidth=1.2, label="guessing"))
    return handles


PICTURE = Picture(
    title="Test error",
    caption=(
        "Test error of each kind of network that was trained: a point for each trial, a bar for the median. A cross "
        "marks trials that diverged; the dashed line is the error of guessing. Note where an axis is logarithmic."
    ),
    data=data,
    draw=draw,
)
