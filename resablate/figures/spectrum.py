"""Singular values of every convolution before and after training."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, isnan

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from resablate.figures.curves import Curve, Points, Reading, mean_curves
from resablate.figures.drawing import FAINT, INK, color_of, count_label, whole_numbers
from resablate.figures.layout import (
    COLUMNS,
    ONE_PANEL_HEIGHT,
    ONE_PANEL_WIDTH,
    PANEL_HEIGHT,
    PANEL_WIDTH,
    add_legend,
)
from resablate.figures.limits import limits
from resablate.figures.picture import Picture
from resablate.figures.variants import Panel, Series, arrange
from resablate.measurement import AnalysisResult
from resablate.result import TrialResult

MOST_PANELS = 24
TITLE_WIDTH = 42
"""Characters in a line above a panel."""
SHOWN = 1e-3
"""Values below this part of the largest, as a filter of zeros has them, leave the picture at the bottom."""
_DRAWN = ("quantile_05", "quantile_25", "median", "quantile_75", "quantile_95", "target")


@dataclass(frozen=True)
class Band:
    """Quantiles of the singular values by layer, means over the trainings; equally long."""

    layer: tuple[float, ...]
    columns: dict[str, tuple[float, ...]]
    median: Curve
    """The median of the singular values, with every training and the interval of its mean."""


@dataclass(frozen=True)
class Spectrum:
    """One series in one panel."""

    panel: Panel
    series: Series
    before: Band | None
    """At the earliest epoch at which the spectrum was taken; None where it was taken at the end only."""
    after: Band | None
    """Of the trained network; None where every trial diverged."""


def data(results: Sequence[TrialResult]) -> tuple[Spectrum, ...] | None:
    """The spectra by panel and series; None where there is none."""
    moments: dict[str, Callable[[TrialResult], AnalysisResult | None]] = {"before": _earliest, "after": _last}
    quantities = {
        f"{moment} {name}": Reading(partial(_points, measured=measured, name=name))
        for moment, measured in moments.items()
        for name in _DRAWN
    }
    groups: dict[tuple[Panel, Series], dict[str, Curve]] = {}
    for curve in mean_curves(arrange(results), quantities):
        groups.setdefault((curve.panel, curve.series), {})[curve.quantity] = curve
    return (
        tuple(
            Spectrum(panel, series, before=_band(curves, "before"), after=_band(curves, "after"))
            for (panel, series), curves in groups.items()
        )
        or None
    )


def draw(spectra: Sequence[Spectrum]) -> Figure:
    """One panel for each series, as far as a reader can look at so many: gray before training, colored after."""
    count, spectra = len(spectra), spectra[:MOST_PANELS]
    columns = min(len(spectra), COLUMNS)
    rows = ceil(len(spectra) / columns)
    size = (PANEL_WIDTH * columns, PANEL_HEIGHT * rows) if columns > 1 else (ONE_PANEL_WIDTH, ONE_PANEL_HEIGHT)
    figure = Figure(figsize=size)
    first: Axes | None = None
    for place, spectrum in enumerate(spectra):
        axes = figure.add_subplot(rows, columns, place + 1, sharey=first)
        first = first or axes
        axes.set_title("\n".join(_title(spectrum)), fontsize="small")
        axes.set_xlabel("convolution")
        if place % columns == 0:
            axes.set_ylabel("singular values")
        else:
            axes.tick_params(which="both", labelleft=False)
        color = color_of(spectrum.series)
        for band, shade in ((spectrum.before, FAINT), (spectrum.after, color)):
            if band:
                _draw_band(axes, band, shade)
        whole_numbers(axes)
    if first:
        _scale(first, [band for spectrum in spectra for band in (spectrum.before, spectrum.after) if band])
    medians = [band.median for spectrum in spectra for band in (spectrum.before, spectrum.after) if band]
    counts = count_label({curve.trials for curve in medians})
    known = any(not isnan(low) for curve in medians for low in curve.low)
    keys: list[Artist] = [
        Line2D([], [], color=FAINT, label=f"before training, {counts}"),
        Line2D([], [], color=color_of(spectra[0].series), label=f"after training (in color), {counts}"),
        Line2D([], [], color=FAINT, linewidth=0.6, label="median of one training"),
        Patch(color=FAINT, alpha=0.3, label="5 % to 95 %; darker: 25 % to 75 %"),
        Line2D([], [], color=INK, linestyle="", marker="_", label="target of a regularizer"),
    ]
    if known:
        keys.append(Line2D([], [], color=INK, linestyle="", marker="|", label="95 % interval of the mean median"))
    if count > len(spectra):
        keys.append(Line2D([], [], linestyle="", label=f"the first {len(spectra)} of {count}; all are in the tables"))
    add_legend(figure, keys)
    return figure


def _title(spectrum: Spectrum) -> list[str]:
    lines = [textwrap.wrap(part, TITLE_WIDTH) for part in (spectrum.series.label, spectrum.panel.label)]
    return [line for wrapped in lines for line in wrapped]


def _draw_band(axes: Axes, band: Band, color: str) -> None:
    for low, high in (("quantile_05", "quantile_95"), ("quantile_25", "quantile_75")):
        lows, highs = band.columns[low], band.columns[high]
        axes.fill_between(band.layer, lows, highs, step="mid", color=color, alpha=0.22, linewidth=0)
    axes.plot(band.layer, band.columns["median"], color=color, drawstyle="steps-mid", linewidth=1.4)
    if band.median.trials > 1:
        lines = [np.column_stack(one) for one in band.median.replicates]
        axes.add_collection(LineCollection(lines, colors=color, linewidths=0.6, alpha=0.45))
    axes.vlines(band.layer, band.median.low, band.median.high, color=color, linewidth=0.9)
    axes.plot(band.layer, band.columns["target"], color=INK, linestyle="", marker="_", markersize=3.5)


def _scale(axes: Axes, bands: Sequence[Band]) -> None:
    """A logarithmic axis, for all panels, down to the smallest value drawn that is no outlier."""
    drawn = [value for band in bands for column in band.columns.values() for value in column if value > 0]
    if drawn:
        axes.set_yscale("log", nonpositive="clip")
        ends = [end for band in bands for end in (*band.median.low, *band.median.high)]
        axes.set_ylim(limits([value for value in drawn if value >= SHOWN * max(drawn)], ends, log=True))


def _band(curves: dict[str, Curve], moment: str) -> Band | None:
    if f"{moment} median" not in curves:
        return None
    chosen = {name: curves[f"{moment} {name}"] for name in _DRAWN}
    return Band(chosen["median"].x, {name: curve.mean for name, curve in chosen.items()}, chosen["median"])


def _points(result: TrialResult, *, measured: Callable[[TrialResult], AnalysisResult | None], name: str) -> Points:
    taken = measured(result)
    if not taken:
        return ()
    # A layer whose values are unknown has a target still; a band needs all its columns equally long.
    rows = zip(taken.table["layer"], taken.table[name], taken.table["median"], strict=True)
    return [(layer, value) for layer, value, median in rows if not isnan(median)]


def _earliest(result: TrialResult) -> AnalysisResult | None:
    taken = (analyses.get("spectrum") for _, analyses in sorted(result.analyses_by_epoch.items()))
    return next((analysis for analysis in taken if analysis), None)


def _last(result: TrialResult) -> AnalysisResult | None:
    return result.analyses.get("spectrum")


PICTURE = Picture(
    title="Singular values of every convolution",
    caption=(
        "Singular values of each convolution as an operator on circular images, from the input on: the median (line) "
        "and the ranges that hold 90 % and 50 % of them (bands), at the earliest epoch that was looked at (gray) and "
        "after training (colored), on a logarithmic axis; means over n trainings. Thin lines are the trainings' own "
        "medians, vertical lines the 95 % intervals of their mean over all seeds. Dashes are what a regularizer draws "
        "them to, or would."
    ),
    data=data,
    draw=draw,
)
