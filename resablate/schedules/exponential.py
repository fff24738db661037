"""A rate that falls by one factor in every step, after a linear warm-up."""

from typing import Annotated

from annotated_types import Ge, Interval

from resablate.schedules.warm_up import linear_rise, part_done


def exponential(
    iteration: int,
    total: int,
    *,
    learning_rate: float,
    final_factor: Annotated[float, Interval(gt=0, lt=1)] = 0.01,
    warmup_iterations: Annotated[int, Ge(0)] = 0,
    warmup_learning_rate: Annotated[float, Ge(0)] = 0.0,
) -> float:
    """A linear rise to `learning_rate`, and a fall by equal factors to `final_factor` of it.

    Args:
        iteration: of the step, counted from 0.
        total: steps of the whole run; the last rate would be that of the step after them.
        learning_rate: the highest rate.
        final_factor: what is left of it at the end.
        warmup_iterations: steps of the rise.
        warmup_learning_rate: of its first step.

    Source: torch's ExponentialLR, whose gamma is `final_factor` to the power of one over the steps.
    """
    if iteration < warmup_iterations:
        return linear_rise(iteration, steps=warmup_iterations, start=warmup_learning_rate, end=learning_rate)
    return learning_rate * final_factor ** part_done(iteration, total, warmup_iterations=warmup_iterations)
