"""Test error of every series with its interval and the published one, as He et al. (2016), Table 1."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from textwrap import wrap
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from resablate.datasets import DATASETS
from resablate.figures.curves import LEVEL
from resablate.figures.drawing import FAINT, INK, color_of, count_label, say_what_is_cut
from resablate.figures.layout import Quantity, add_legend, panel_grid
from resablate.figures.limits import limits
from resablate.figures.picture import Picture, Published
from resablate.figures.variants import Member, Panel, Series, arrange
from resablate.question import TEST
from resablate.result import TrialResult
from resablate.statistics import Sample, error_interval
from resablate.statistics.chance import chance_error
from resablate.statistics.outcome_samples import sample_of_outcomes
from resablate.sweep import SweepSpec

ROW_HEIGHT = 0.34
LINE_HEIGHT = 0.15
"""Inches of a line of a name."""
LABEL_WIDTH = 1.2
"""Inches for the names on the left."""
_PUBLISHED: dict[str, Any] = {
    "linestyle": "",
    "marker": "D",
    "color": INK,
    "markersize": 6,
    "markerfacecolor": "none",
    "markeredgewidth": 1.2,
}
LABEL_LETTERS = 44
"""Of a line of a name beside the panel."""
NOTE_ABOVE = 0.28
"""Rows by which notes stand above the middle of their row."""
LOG_FROM = 8.0
"""Errors whose largest is more than this many times the smallest are drawn on a logarithmic axis."""


@dataclass(frozen=True)
class ErrorRow:
    """The test errors of one series in one panel, in %."""

    panel: Panel
    series: Series
    errors: tuple[float, ...]
    """Of the finished trials."""
    mean: float
    """NaN where no trial finished."""
    low: float
    """The ends of the mean's 95 % interval; NaN where one trial tells nothing of the noise."""
    high: float
    diverged: int
    published: float | None = None
    """Infinite where it failed."""


@dataclass(frozen=True)
class Errors:
    """All rows, and the error of guessing."""

    rows: tuple[ErrorRow, ...]
    chance: dict[Panel, float]
    """In %, for the panels in which the number of classes is known."""


def data(results: Sequence[TrialResult], published: Published = lambda result: None) -> Errors | None:
    """The errors by panel and series; None where no trial was completed.

    Args:
        results: of trials.
        published: the published error of a trial.
    """
    return _errors(arrange(results), published)


def search_data(results: Sequence[TrialResult], sweep: SweepSpec) -> Errors | None:
    """The same, where what replicates a search's winner has a row of its own: the search has not chosen among these."""
    fresh = sweep.new_seeds
    tried = {result.spec.cell for result in results if result.spec.seed not in fresh}

    def told(member: Member) -> Member:
        spec = member.result.spec
        if spec.seed not in fresh:
            return member
        # The winner is one of the points of its series, whose label spans all of them.
        label = sweep.cell_label(spec) if spec.cell in tried else member.series.label
        return member._replace(series=replace(member.series, label=f"{label}, new seeds"))

    return _errors([told(member) for member in arrange(results)])


def _errors(members: Sequence[Member], published: Published = lambda result: None) -> Errors | None:
    groups: dict[tuple[Panel, Series], list[TrialResult]] = {}
    for member in members:
        groups.setdefault((member.panel, member.series), []).append(member.result)
    rows: list[ErrorRow] = []
    for (panel, series), trials in groups.items():
        finished = [t for t in trials if t.status == "finished" and math.isfinite(t.test_error)]
        diverged = sum(t.status == "diverged" for t in trials)
        if finished or diverged:
            errors = tuple(100 * t.test_error for t in finished)
            mean, low, high = _interval(finished)
            known = {_number(text) for t in trials if (text := published(t))}
            mark = known.pop() if len(known) == 1 else None
            rows.append(ErrorRow(panel, series, errors, mean, low, high, diverged, mark))
    return Errors(tuple(rows), _chance(groups)) if rows else None


def _interval(finished: Sequence[TrialResult]) -> tuple[float, float, float]:
    """The mean error and the ends of its interval in %: over seeds, and over test examples whose outcomes are known."""
    if not finished:
        return math.nan, math.nan, math.nan
    errors = [trial.test_error for trial in finished]
    middle = 100 * fmean(errors)
    tests = [(trial.spec.seed, trial.analyses[TEST].outcomes) for trial in finished]
    # A series of a search pools several points, whose seeds repeat: their outcomes are no sample of seeds.
    repeated = len({seed for seed, _ in tests}) < len(tests)
    sample = None if repeated else sample_of_outcomes(tests)[0]
    if len(finished) < 2 or (sample is None and len(set(errors)) < 2):  # noqa: PLR2004 - a spread needs two
        return middle, math.nan, math.nan
    found = error_interval(sample or Sample.of_numbers(errors), level=LEVEL)
    return middle, 100 * float(found.low), 100 * float(found.high)


def _number(text: str) -> float:
    """The first percentage in a published text; infinite for `fail`."""
    found = re.search(r"(\d+(?:\.\d+)?) ?%", text)
    return float(found[1]) if found else math.inf


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
    labels = ["\n".join(_wrapped(series.label)) for series in order]
    row_height = max(ROW_HEIGHT, LINE_HEIGHT * (1 + max(label.count("\n") + 1 for label in labels)))
    height = row_height * (len(order) + 1) + 0.7
    canvas = panel_grid({row.panel for row in errors.rows}, {"error": Quantity("")}, height=height)
    for (panel, _), axes in canvas.axes.items():
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.set_yticks(range(len(order)), labels)
        axes.set_xlabel("test error (%)")
        if panel in errors.chance:
            axes.axvline(errors.chance[panel], color=FAINT, linestyle=(0, (4, 2)), linewidth=1.2, zorder=1)
    places = {series: place for place, series in enumerate(order)}
    values: dict[Panel, list[float]] = {panel: [error] for panel, error in errors.chance.items()}
    for row in errors.rows:
        marked = [row.published] if row.published is not None and math.isfinite(row.published) else []
        values.setdefault(row.panel, []).extend([*row.errors, *marked])
    for (panel, _), axes in canvas.axes.items():
        ends = [end for row in errors.rows if row.panel == panel for end in (row.low, row.high)]
        _scale(axes, values[panel], ends)
        say_what_is_cut(axes, axes.get_xlim(), ends)
    for row in errors.rows:
        _draw_row(canvas.axes[row.panel, "error"], row, places[row.series])
    canvas.figure.set_figwidth(canvas.figure.get_figwidth() + LABEL_WIDTH)
    add_legend(canvas.figure, _legend(errors))
    return canvas.figure


def _wrapped(label: str) -> list[str]:
    """A name, and its arguments below it in lines that leave room for the panel."""
    name, *arguments = label.split(" (", 1)
    return [*wrap(name, LABEL_LETTERS), *(line for part in arguments for line in wrap(f"({part}", LABEL_LETTERS))]


def _draw_row(axes: Axes, row: ErrorRow, place: int) -> None:
    color = color_of(row.series)
    reached = axes.get_xlim()
    axes.plot(row.errors, [place] * len(row.errors), "o", color=color, alpha=0.4, markersize=5, mew=0)
    if row.errors:
        axes.plot([row.mean], [place], "|", color=color, markersize=16, mew=2.4)
    if not math.isnan(row.low):
        axes.plot([row.low, row.high], [place, place], color=color, linewidth=1.6, solid_capstyle="butt")
    if row.published is not None and math.isfinite(row.published):
        axes.plot([row.published], [place], **_PUBLISHED)
    axes.set_xlim(reached)
    notes = [f"{row.diverged} diverged"] if row.diverged else []
    notes += ["published: fail"] if row.published == math.inf else []
    if row.diverged:
        right = axes.get_yaxis_transform()
        axes.plot([0.985], [place], "x", color=color, markersize=7, mew=2, transform=right, clip_on=False)
    if notes:
        shift = 0.955 if row.diverged else 0.985
        text = partial(axes.text, shift, place - NOTE_ABOVE, transform=axes.get_yaxis_transform())
        text(", ".join(notes), ha="right", va="center", fontsize=8.5)


def _scale(axes: Axes, values: Sequence[float], ends: Sequence[float]) -> None:
    """A logarithmic axis where the errors span much, so that small and large ones can both be read."""
    if not values:
        return
    log = min(values) > 0 and max(values) >= LOG_FROM * min(values)
    low, high = limits(values, ends, log=log)
    axes.set_xlim(0 if not log and min(values) < 0.5 * max(values) else low, high)
    if not log:
        return
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _legend(errors: Errors) -> list[Artist]:
    count = count_label({len(row.errors) for row in errors.rows if row.errors} or {0})
    handles: list[Artist] = [
        Line2D([], [], color=INK, marker="o", linestyle="", alpha=0.4, mew=0, label=f"one training, {count} a row"),
        Line2D([], [], color=INK, marker="|", linestyle="", markersize=12, mew=2.4, label="mean"),
    ]
    if any(not math.isnan(row.low) for row in errors.rows):
        handles.append(Line2D([], [], color=INK, linewidth=1.6, label="95 % interval of the mean"))
    if any(row.published is not None and math.isfinite(row.published) for row in errors.rows):
        handles.append(Line2D([], [], label="published", **_PUBLISHED))
    if errors.chance:
        handles.append(Line2D([], [], color=FAINT, linestyle=(0, (4, 2)), linewidth=1.2, label="guessing"))
    return handles


PICTURE = Picture(
    title="Test error",
    caption=(
        "Test error of each kind of network that was trained: a point for each of n trainings that ended, a bar for "
        "their mean, a line for its 95 % interval over all seeds, and over test examples too where their outcomes are "
        "known. One seed has no line: nothing is known of its noise. "
        "A cross marks trainings that diverged, which are in no mean; a diamond is the published error, where "
        "everything that it stands for is equal; the dashed line is the error of guessing. Note where an axis is "
        "logarithmic. An interval of many times the range of the trainings is cut. New seeds are those by which no "
        "search has chosen. As He et al. (2016), Table 1."
    ),
    data=data,
    draw=draw,
    search_data=search_data,
    published_data=data,
)
