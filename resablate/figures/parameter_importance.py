"""How much of what a search measured each axis explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from resablate.figures.drawing import PALETTE
from resablate.figures.layout import ONE_PANEL_WIDTH
from resablate.figures.picture import Picture
from resablate.result import TrialResult
from resablate.searches.importance import importances
from resablate.searches.outcomes import outcomes
from resablate.sweep import SweepSpec

ROW_HEIGHT = 0.34


def search_data(results: Sequence[TrialResult], sweep: SweepSpec) -> dict[str, dict[str, float]] | None:
    """Objective -> axis -> its share; None where there are too few points."""
    ended = [(outcome.point, outcome.values) for outcome in outcomes(results, sweep) if outcome.values]
    found = {
        name: importances([point for point, _ in ended], [values[place] for _, values in ended], sweep)
        for place, name in enumerate(sweep.search.minimize)
    }
    return {name: shares for name, shares in found.items() if shares} or None


def draw(shares: Mapping[str, Mapping[str, float]]) -> Figure:
    """A panel for each objective, a bar for each axis."""
    height = sum(ROW_HEIGHT * len(axis_shares) + 0.8 for axis_shares in shares.values())
    figure = Figure(figsize=(ONE_PANEL_WIDTH, height), layout="constrained")
    for place, (name, axis_shares) in enumerate(shares.items(), start=1):
        axes = figure.add_subplot(len(shares), 1, place)
        rows = range(len(axis_shares))
        axes.barh(rows, [100 * share for share in axis_shares.values()], color=PALETTE[0], height=0.6)
        axes.set_yticks(rows, list(axis_shares))
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.set_xlabel(f"share of the variance of {name} (%)")
    return figure


PICTURE = Picture(
    title="Parameter importance",
    caption=(
        "How much of the variance of what the search minimized each axis explains on its own, over the points that ran "
        "to their end: a random forest's variance divided among the axes (fANOVA, Hutter et al. 2014). The search "
        "sampled good regions more densely, and the shares are of what it sampled."
    ),
    data=lambda results: None,
    draw=draw,
    search_data=search_data,
)
