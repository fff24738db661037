"""A constant rate that is divided at fixed parts of the run, after a warm-up at a lower one."""

from typing import Annotated

from annotated_types import Ge, Gt, Interval

from resablate.registry import Registry
from resablate.schedules.warm_up import linear_rise

WARM_UPS: Registry[str] = Registry(
    "warm_up",
    "warm_ups",
    {
        "constant": "one low rate (He et al. 2016, appendix)",
        "linear": "a rise from the low rate to the high one (Goyal et al., arXiv 1706.02677)",
    },
)


def steps(
    iteration: int,
    total: int,
    *,
    learning_rate: float,
    milestones: tuple[Annotated[float, Interval(gt=0, lt=1)], ...] = (0.5, 0.75),
    decay_factor: Annotated[float, Interval(gt=0, le=1)] = 0.1,
    warmup_iterations: Annotated[int, Ge(0)] = 0,
    warmup_learning_rate: Annotated[float, Gt(0)] = 0.01,
    warm_up: Annotated[str, WARM_UPS] = "constant",
) -> float:
    """A warm-up first, then `learning_rate`, multiplied by `decay_factor` at each milestone.

    A milestone is a part of the run, rounded to an iteration: with total = 64,000 the defaults fall at 32,000 and
    48,000. The first step at the lower rate is the milestone itself.

    Args:
        iteration: of the step, counted from 0.
        total: steps of the whole run.
        learning_rate: the highest rate.
        milestones: parts of the run.
        decay_factor: multiplies the rate at each milestone.
        warmup_iterations: steps of the warm-up.
        warmup_learning_rate: its rate, or its first one.
        warm_up: a row of WARM_UPS.

    Source: He et al. 2016, appendix (0.01 for 400 iterations, then 0.1, divided by 10 at 32k and 48k of 64k).
    """
    if iteration < warmup_iterations:
        if warm_up == "linear":
            return linear_rise(iteration, steps=warmup_iterations, start=warmup_learning_rate, end=learning_rate)
        return warmup_learning_rate
    passed = sum(iteration >= round(part * total) for part in milestones)
    return learning_rate * decay_factor**passed
