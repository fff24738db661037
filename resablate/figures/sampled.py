"""Errors over random draws within each training: what the pictures after Veit et al. (2016), Figure 5, share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.artist import Artist
from matplotlib.lines import Line2D

from resablate.figures.curves import Curve, Points, Reading, mean_curves
from resablate.figures.drawing import INK, color_of, curve_handles, reach
from resablate.figures.layout import Canvas
from resablate.figures.variants import Member
from resablate.result import TrialResult

QUARTILES = ("median", "lower_quartile", "upper_quartile")
_QUARTILE: dict[str, Any] = {"linestyle": ":", "linewidth": 1.0, "alpha": 0.8}


@dataclass(frozen=True)
class Sampled:
    """Errors in %, by what was drawn at random within each training."""

    medians: tuple[Curve, ...]
    """Over the draws of a training."""
    quartiles: tuple[Curve, ...]
    """The lower and the upper ones over the draws of a training."""


def sampled_curves(
    members: Sequence[Member], quantities: Mapping[str, Callable[[str], Callable[[TrialResult], Points]]]
) -> Sampled:
    """Medians and quartiles by panel and series.

    Args:
        members: results and where they are drawn.
        quantities: name -> one of QUARTILES -> the points of one trial.
    """
    parts: dict[str, tuple[Curve, ...]] = {}
    for part in QUARTILES:
        readings = {name: Reading(points(part), "percent") for name, points in quantities.items()}
        parts[part] = mean_curves(members, readings)
    return Sampled(parts["median"], parts["lower_quartile"] + parts["upper_quartile"])


def draw_quartiles(canvas: Canvas, sampled: Sampled) -> None:
    """Means of the quartiles as dotted lines."""
    for curve in sampled.quartiles:
        if axes := canvas.axes.get((curve.panel, curve.quantity)):
            axes.plot(curve.x, curve.mean, color=color_of(curve.series), **_QUARTILE)
            reach(axes, curve.mean)


def sampled_handles(sampled: Sampled, drawn: str) -> list[Artist]:
    """Legend entries, those of the quartiles over what was `drawn`."""
    key = Line2D([], [], color=INK, label=f"quartiles over the {drawn} of a training", **_QUARTILE)
    return [*curve_handles(sampled.medians), key]
