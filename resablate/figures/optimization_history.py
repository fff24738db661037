"""What a search minimized, trial by trial, and the best so far."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from resablate.figures.drawing import FAINT, INK, color_of_shortcut, whole_numbers
from resablate.figures.layout import ONE_PANEL_HEIGHT, ONE_PANEL_WIDTH, add_legend
from resablate.figures.parameters import flat_row
from resablate.figures.picture import Picture
from resablate.result import TrialResult
from resablate.searches.outcomes import outcomes
from resablate.sweep import SweepSpec


@dataclass(frozen=True)
class Progress:
    """One objective of a search over its points, which are counted from 1."""

    name: str
    ended: tuple[tuple[int, float, str], ...]
    """Number, value and shortcut of the points that ran to their end; those with an infinite value are left out. A
    network that has no choice of shortcuts stands by its own name."""
    best: tuple[float, ...]
    """The lowest value up to each point, NaN before the first."""
    without: tuple[int, ...]
    """Points that were pruned or failed, and so have no value."""


def search_data(results: Sequence[TrialResult], sweep: SweepSpec) -> tuple[Progress, ...] | None:
    """Every objective's values in the order of the points; None where none ran to its end."""
    points = outcomes(results, sweep)
    if not any(point.values for point in points):
        return None
    without = tuple(number for number, point in enumerate(points, start=1) if point.values is None)
    found: list[Progress] = []
    for place, name in enumerate(sweep.search.minimize):
        values = [point.values[place] if point.values else math.inf for point in points]
        best = [value if math.isfinite(value) else math.nan for value in itertools.accumulate(values, min)]
        ended = [
            (number, value, _name(point.results[0]))
            for number, (value, point) in enumerate(zip(values, points, strict=True), start=1)
            if math.isfinite(value)
        ]
        found.append(Progress(name, tuple(ended), tuple(best), without))
    return tuple(found)


def _name(result: TrialResult) -> str:
    row = flat_row(result.spec)
    return str(row.get("shortcut", row["network"]))


def draw(progress: Sequence[Progress]) -> Figure:
    """A panel for each objective, points in the colors of their shortcuts."""
    figure = Figure(figsize=(ONE_PANEL_WIDTH, ONE_PANEL_HEIGHT * len(progress)), layout="constrained")
    for place, objective in enumerate(progress, start=1):
        axes = figure.add_subplot(len(progress), 1, place)
        for number, value, shortcut in objective.ended:
            axes.plot(number, value, "o", color=color_of_shortcut(shortcut), markersize=4.5, mew=0, alpha=0.8)
        axes.step(range(1, len(objective.best) + 1), objective.best, where="post", color=INK, linewidth=1.4)
        bottom = axes.get_xaxis_transform()
        axes.plot(objective.without, [0.02] * len(objective.without), "x", color=FAINT, markersize=5, transform=bottom)
        axes.set_xlabel("point")
        axes.set_ylabel(objective.name)
        whole_numbers(axes)
    shortcuts = dict.fromkeys(shortcut for objective in progress for _, _, shortcut in objective.ended)
    keys: list[Artist] = [
        Line2D([], [], color=color_of_shortcut(shortcut), marker="o", linestyle="", markersize=4.5, label=shortcut)
        for shortcut in shortcuts
    ]
    keys.append(Line2D([], [], color=INK, linewidth=1.4, label="best so far"))
    if any(objective.without for objective in progress):
        keys.append(Line2D([], [], color=FAINT, marker="x", linestyle="", label="pruned or failed"))
    add_legend(figure, keys)
    return figure


PICTURE = Picture(
    title="Optimization history",
    caption=(
        "What the search minimized, for each point in the order in which they were proposed, and the lowest so far. "
        "Errors are fractions of the validation examples; with several seeds a value is their mean. Crosses at the "
        "bottom are points without a value."
    ),
    data=lambda results: None,
    draw=draw,
    search_data=search_data,
)
