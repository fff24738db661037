"""What a search is: all points at once, or one point after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resablate.sweep import Point, SweepSpec

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

Exhaustive = Callable[[SweepSpec], list[Point]]
"""A row whose points are known before the first trial; the points may repeat."""


@dataclass(frozen=True)
class Adaptive:
    """A row that proposes each point knowing how the earlier ones ended."""

    sampler: Callable[[int, int], BaseSampler]
    """Seed and number of trials of the whole search -> what proposes; Optuna is imported when it is called."""
    many_objectives: bool
    """Whether it minimizes several numbers at once."""
