"""A constant rate that is divided at fixed parts of the run, after a warm-up at a lower one."""

from typing import Annotated

from annotated_types import Ge, Gt, Interval


def steps(
    iteration: int,
    total: int,
    *,
    learning_rate: float,
    milestones: tuple[Annotated[float, Interval(gt=0, lt=1)], ...] = (0.5, 0.75),
    decay_factor: Annotated[float, Interval(gt=0, le=1)] = 0.1,
    warmup_iterations: Annotated[int, Ge(0)] = 0,
    warmup_learning_rate: Annotated[float, Gt(0)] = 0.01,
) -> float:
    """A low constant rate first, then `learning_rate`, multiplied by `decay_factor` at each milestone.

    A milestone is a part of the run, rounded to an iteration: with total = 64,000 the defaults fall at 32,000 and
    48,000. The first step at the lower rate is the milestone itself.

    Args:
        iteration: of the step, counted from 0.
        total: steps of the whole run.
        learning_rate: the highest rate.
        milestones: parts of the run.
        decay_factor: multiplies the rate at each milestone.
        warmup_iterations: steps at the lower constant rate.
        warmup_learning_rate: that rate.

    Source: He et al. 2016, appendix (0.01 for 400 iterations, then 0.1, divided by 10 at 32k and 48k of 64k).
    """
    if iteration < warmup_iterations:
        return warmup_learning_rate
    passed = sum(iteration >= round(part * total) for part in milestones)
    return learning_rate * decay_factor**passed
