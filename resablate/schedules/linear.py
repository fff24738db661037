"""A line from the highest rate to the lowest, after a linear warm-up."""

from typing import Annotated

from annotated_types import Ge

from resablate.schedules.warm_up import linear_rise, part_done


def linear(
    iteration: int,
    total: int,
    *,
    learning_rate: float,
    final_learning_rate: Annotated[float, Ge(0)] = 0.0,
    warmup_iterations: Annotated[int, Ge(0)] = 0,
    warmup_learning_rate: Annotated[float, Ge(0)] = 0.0,
) -> float:
    """A linear rise to `learning_rate`, and a linear fall to `final_learning_rate`.

    Args:
        iteration: of the step, counted from 0.
        total: steps of the whole run; the last rate would be that of the step after them.
        learning_rate: the highest rate.
        final_learning_rate: the lowest one.
        warmup_iterations: steps of the rise.
        warmup_learning_rate: of its first step.

    Source: torch's LinearLR.
    """
    if iteration < warmup_iterations:
        return linear_rise(iteration, steps=warmup_iterations, start=warmup_learning_rate, end=learning_rate)
    part = part_done(iteration, total, warmup_iterations=warmup_iterations)
    return learning_rate + (final_learning_rate - learning_rate) * part
