"""Error against the strength of the regularizer of singular values: of a search by validation, which chose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from resablate.component import Component
from resablate.figures.curves import Curve, Points, Reading, Replicate, mean_curves
from resablate.figures.drawing import color_of, curve_handles, draw_curves
from resablate.figures.layout import Canvas, Quantity, add_legend
from resablate.figures.picture import Picture
from resablate.figures.variants import DISTINGUISHABLE, Panel, Series, arrange
from resablate.result import TrialResult
from resablate.sweep import SweepSpec

STRENGTH = "regularizer.strength"
LOG_FROM = 20.0
"""Strengths whose largest is more than this many times the smallest are drawn on a logarithmic axis."""
NEIGHBORS = 5
"""Strengths over which a search's errors are averaged: it tries none twice."""


QUANTITIES = {"test_error": Quantity("test error (%)"), "val_error": Quantity("validation error (%)")}


@dataclass(frozen=True)
class Trials:
    """The trials of one series of a search in one panel, at rising strengths."""

    panel: Panel
    series: Series
    points: tuple[tuple[float, float], ...]
    """Strength and validation error in %."""
    best: tuple[float, float] | None
    """The lowest and highest strength of the best interval; None where there are too few trials."""


@dataclass(frozen=True)
class Strengths:
    """Errors by strength for every panel and series."""

    curves: tuple[Curve, ...]
    trials: tuple[Trials, ...] = ()
    """Of a search."""


def data(results: Sequence[TrialResult]) -> Strengths | None:
    """The means at every strength; None where one strength was tried."""
    if _strengths(results) < 2:  # noqa: PLR2004
        return None
    members = arrange(_with_zero_strengths(results), pooled=(STRENGTH,))
    curves = mean_curves(members, {"test_error": Reading(_point, "percent")})
    curves = tuple(curve for curve in curves if max(curve.x) > 0)
    return Strengths(curves) if curves else None


def search_data(results: Sequence[TrialResult], sweep: SweepSpec) -> Strengths | None:
    """Every trial, the mean of each one's neighbors, and where that is best; None where one strength was tried.

    By validation error, as the search chose, and without the trainings that replicate its winner. Errors by test where
    strengths were not searched, or nothing was held out for validation.
    """
    searched = [result for result in results if result.spec.seed not in sweep.new_seeds]
    if STRENGTH not in sweep.axes or len({s for r in searched for s, _ in _validated(r)}) < 2:  # noqa: PLR2004
        return data(results)
    groups: dict[tuple[Panel, Series], list[tuple[float, float]]] = {}
    for panel, series, result in arrange(_with_zero_strengths(searched), pooled=(STRENGTH,)):
        if points := _validated(result):
            groups.setdefault((panel, series), []).extend(points)
    curves: list[Curve] = []
    trials: list[Trials] = []
    for (panel, series), points in groups.items():
        if max(points, default=(0.0, 0.0))[0] == 0:
            continue  # no regularizer was tried here
        errors: dict[float, list[float]] = {}
        for strength, error in sorted(points):
            errors.setdefault(strength, []).append(error)
        x, single = tuple(errors), [fmean(replicates) for replicates in errors.values()]
        means = _neighbor_means(single)
        trials.append(Trials(panel, series, tuple(sorted(points)), _best(x, single, means)))
        unknown = (math.nan,) * len(x)
        single_points = tuple(Replicate((strength,), (error,)) for strength, error in points)
        curves.append(Curve(panel, series, "val_error", x, tuple(means), unknown, unknown, single_points))
    return Strengths(tuple(curves), tuple(trials))


def good_strengths(results: Sequence[TrialResult], sweep: SweepSpec) -> list[str]:
    """What a search tells of strengths, a sentence for each series: by validation, never by the test set."""
    if sweep.search.method == "grid" or STRENGTH not in sweep.axes:
        return []
    found = search_data(results, sweep)
    return [
        f"By validation no strength from {tried.best[0]:.2g} to {tried.best[1]:.2g} can be told from the best"
        f" ({tried.series.label.split(' (')[0]}{f', {tried.panel.label}' if tried.panel.label else ''})."
        for tried in (found.trials if found else ())
        if tried.best
    ]


def _strengths(results: Sequence[TrialResult]) -> int:
    return len({_strength(result) for result in results if math.isfinite(result.test_error)})


def _strength(result: TrialResult) -> float:
    """0 where there is no regularizer; NaN for one that has no strength."""
    regularizer = result.spec.regularizer
    return float(regularizer.values.get("strength", 0.0 if regularizer.name == "none" else math.nan))


def _with_zero_strengths(results: Sequence[TrialResult]) -> list[TrialResult]:
    """The results, those without a regularizer once for each regularizer, as its strength of 0.

    A canonical training of strength 0 has no regularizer, and so does not tell which one it was meant for.
    """
    kinds: dict[Component, None] = {}
    for result in results:
        regularizer = result.spec.regularizer
        if regularizer.name != "none" and "strength" in regularizer.values:
            kinds[_with_strength(regularizer, 0.0)] = None
    if len(kinds) > DISTINGUISHABLE:  # those of one name share a series
        kinds = dict.fromkeys({kind.name: kind for kind in kinds}.values())
    found: list[TrialResult] = []
    for result in results:
        if result.spec.regularizer.name != "none":
            found.append(result)
            continue
        specs = (result.spec.model_copy(update={"regularizer": kind}) for kind in kinds)
        found += [result.model_copy(update={"spec": spec}) for spec in specs]
    return found


def _with_strength(regularizer: Component, strength: float) -> Component:
    others = {name: value for name, value in regularizer.defaults.items() if name != "strength"}
    return Component(regularizer.name, {**regularizer.arguments, "strength": strength}, others, regularizer.identity)


def _neighbor_means(errors: Sequence[float]) -> list[float]:
    """The mean of each one's nearest neighbors in rank, itself included."""
    count = min(NEIGHBORS, len(errors))
    starts = [min(max(0, place - count // 2), len(errors) - count) for place in range(len(errors))]
    return [fmean(errors[start : start + count]) for start in starts]


def _best(x: Sequence[float], errors: Sequence[float], means: Sequence[float]) -> tuple[float, float] | None:
    """The lowest and the highest strength whose means cannot be told from the lowest mean.

    Two means differ by less than two standard errors of a difference; that of a mean is the scatter of all points
    around the means, divided by the root of the number in it.
    """
    if len(means) <= NEIGHBORS:
        return None
    squares = [(error - mean) ** 2 for error, mean in zip(errors, means, strict=True)]
    gap = 2 * math.sqrt(2 * sum(squares) / (len(squares) - 1) / NEIGHBORS)
    good = [strength for strength, mean in zip(x, means, strict=True) if mean <= min(means) + gap]
    return good[0], good[-1]


def draw(strengths: Strengths) -> Figure:
    """One line for each series; zero strength stands at the left end of a logarithmic axis."""
    curves = strengths.curves
    canvas = draw_curves(curves, QUANTITIES, x_label=STRENGTH)
    positive = sorted({x for curve in curves for x in curve.x if x > 0})
    wide = positive[-1] > LOG_FROM * positive[0]
    for axes in canvas.axes.values():
        if wide and any(x == 0 for curve in curves for x in curve.x):
            axes.set_xscale("symlog", linthresh=positive[0])
            axes.set_xlim(-0.2 * positive[0], 1.2 * positive[-1])  # there is no negative strength
        elif wide:
            axes.set_xscale("log")
    intervals = _draw_intervals(canvas, strengths.trials)
    for axes in canvas.axes.values():
        axes.set_ylim(bottom=0)
    add_legend(canvas.figure, [*curve_handles(curves), *intervals])
    return canvas.figure


def _draw_intervals(canvas: Canvas, trials: Sequence[Trials]) -> list[Artist]:
    """The best intervals of a search; their entries in the legend."""
    keys: list[Artist] = []
    for tried in trials:
        axes, color = canvas.axes[tried.panel, "val_error"], color_of(tried.series)
        if tried.best:
            low, high = tried.best
            axes.axvspan(low, high, color=color, alpha=0.12, linewidth=0, zorder=0)
            place = f", {tried.panel.label}" if tried.panel.label else ""
            label = f"best for {tried.series.label}{place}: {low:.2g} to {high:.2g}"
            keys.append(Patch(color=color, alpha=0.12, label=label))
    return keys


def _point(result: TrialResult) -> Points:
    strength = _strength(result)
    return [(strength, 100 * result.test_error)] if math.isfinite(strength) else []


def _validated(result: TrialResult) -> Points:
    """Strength and last validation error in % of a finished trial, where it has both."""
    strength = _strength(result)
    error = result.history[-1].val_error if result.status == "finished" and result.history else None
    return [] if error is None or not math.isfinite(strength + error) else [(strength, 100 * error)]


PICTURE = Picture(
    title="Strength of the regularizer",
    caption=(
        "Error against regularizer.strength, the strength of the regularizer that acts on the convolutions' "
        "singular values; 0 is none. Points are trainings, n of each line. Of a grid, test errors: lines are means and "
        "bands their 95 % intervals over all seeds. Of a search, validation errors, by which it chose; trainings that "
        "replicate its winner are left out. Lines are the mean over the five strengths nearest in rank, and a shaded "
        "interval reaches from the lowest to the highest strength that cannot be told from the best: its mean is "
        "higher than the lowest one by at most two standard errors of such a difference, by the scatter around the "
        "line."
    ),
    data=data,
    draw=draw,
    search_data=search_data,
)
