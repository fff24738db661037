"""How far an axis reaches: over the trainings, and over the intervals of their means while trainings stay readable."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from resablate.figures.curves import Curve

ROOM = 0.08
"""Part of the trainings' range that is left free at either end."""
MOST = 1.5
"""Of the trainings' range, what intervals add at either end at most: trainings keep a quarter of the axis. That of two
or three of them may be many times as wide."""
_BESIDE = 0.02
"""Part of the trainings' range between the end of an interval and that of the axis."""


def limits(values: Sequence[float], ends: Sequence[float], *, log: bool) -> tuple[float, float]:
    """The ends of an axis.

    Args:
        values: what the trainings gave; positive on a logarithmic axis.
        ends: of the intervals of their means; NaN where there is none.
        log: whether the axis is logarithmic.
    """
    if log:
        reached = [math.log(end) if end > 0 else -math.inf for end in ends if not math.isnan(end)]
        low, high = _limits([math.log(value) for value in values], reached, alone=math.log(2))
        return math.exp(low), math.exp(high)
    return _limits(values, [end for end in ends if not math.isnan(end)], alone=0.05 * abs(max(values)) or 1.0)


def limits_of(curves: Iterable[Curve], *, log: bool) -> tuple[float, float]:
    """The ends of an axis of curves: over their trainings and the intervals of their means."""
    chosen = list(curves)
    values = [y for curve in chosen for one in curve.replicates for y in one.y]
    return limits(values, [end for curve in chosen for end in (*curve.low, *curve.high)], log=log)


def _limits(values: Sequence[float], ends: Sequence[float], *, alone: float) -> tuple[float, float]:
    """On a plain axis; `alone` is the room at either end of values that are all equal."""
    low, high = min(values), max(values)
    span = high - low
    room, most, beside = ROOM * span or alone, MOST * span or alone, _BESIDE * span
    return (
        min(low - room, max(min(ends, default=low) - beside, low - most)),
        max(high + room, min(max(ends, default=high) + beside, high + most)),
    )
