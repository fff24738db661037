"""The learning rate by iteration.

Every function takes the number of steps already done, the number of steps of the whole run, and knobs.
"""

import math
from collections.abc import Sequence
from typing import Protocol

from resablate.registry import Registry


class Schedule(Protocol):
    """A row: the rate of step `iteration`, counted from 0, of `total`; knobs are further keywords."""

    def __call__(self, iteration: int, total: int, *, learning_rate: float) -> float:
        """The rate."""
        ...


def steps(
    iteration: int,
    total: int,
    *,
    learning_rate: float,
    milestones: Sequence[float] = (0.5, 0.75),
    decay_factor: float = 0.1,
    warmup_iterations: int = 0,
    warmup_learning_rate: float = 0.01,
) -> float:
    """A low constant rate first, then `learning_rate`, multiplied by `decay_factor` at each milestone.

    A milestone is a part of the run, rounded to an iteration: with total = 64,000 the defaults fall at 32,000 and
    48,000. The first step at the lower rate is the milestone itself.

    Source: He et al. 2016, appendix (0.01 for 400 iterations, then 0.1, divided by 10 at 32k and 48k of 64k).
    """
    if iteration < warmup_iterations:
        return warmup_learning_rate
    passed = sum(iteration >= round(part * total) for part in milestones)
    return learning_rate * decay_factor**passed


def one_cycle(iteration: int, total: int, *, learning_rate: float) -> float:
    """Linear from a tenth of `learning_rate` up to it over the first 30 % of the run, then a half cosine to zero.

    For runs of a few epochs, where steps at fixed parts would leave too little time at any rate.

    Source: Smith & Topin, arXiv 1708.07120, in its two-phase form.
    """
    rise = max(1, round(0.3 * total))
    if iteration < rise:
        return learning_rate * (0.1 + 0.9 * iteration / rise)
    return learning_rate * 0.5 * (1 + math.cos(math.pi * (iteration - rise) / max(1, total - rise)))


def constant(iteration: int, total: int, *, learning_rate: float) -> float:
    """Always `learning_rate`."""
    return learning_rate


SCHEDULES: Registry[Schedule] = Registry(
    "schedule", "schedules", {"steps": steps, "one_cycle": one_cycle, "constant": constant}
)
