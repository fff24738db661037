"""Claims about a number and a threshold ("barely changes", "collapses", "at least 95 %"): by interval, not by point."""

from typing import Literal, get_args

import numpy as np

from resablate.statistics.argument_rules import check_choice, check_not_negative, check_number
from resablate.statistics.comparison import ONE_SEED, Comparison
from resablate.statistics.estimate import Estimate
from resablate.statistics.verdict import Evidence

Side = Literal["above", "below"]


def compare_with_threshold(
    estimate: Estimate, threshold: float, *, side: Side, published: float | None = None
) -> Comparison:
    """The claim that the estimated number lies on `side` of `threshold`.

    Args:
        estimate: such as a mean, a slope, or the difference of two errors.
        threshold: a published or stated number, in the estimate's units.
        side: where the number is claimed to lie.
        published: its published value; its distance from the threshold is what a plan has to decide.

    Raises:
        ValueError: unless threshold and `published` are finite and side is above or below.
    """
    check_number("threshold", threshold)
    check_number("published", published)
    check_choice("side", side, get_args(Side))
    above, below = estimate.p_above(threshold), estimate.p_below(threshold)
    evidence = Evidence(*((above, below) if side == "above" else (below, above)), np.ones(np.shape(above)))
    gap = None if published is None else abs(published - threshold)
    return Comparison(estimate, evidence, gap, ONE_SEED if estimate.one_seed else "")


def compare_with_value(estimate: Estimate, value: float, *, margin: float) -> Comparison:
    """The claim that the estimated number is `value` to within `margin`: supported, contradicted or undecided.

    Raises:
        ValueError: unless value is finite and margin a finite number of at least 0.
    """
    check_number("value", value)
    check_not_negative("margin", margin)
    inside = np.maximum(estimate.p_above(value - margin), estimate.p_below(value + margin))
    outside = np.minimum(estimate.p_above(value + margin), estimate.p_below(value - margin))
    evidence = Evidence(inside / 2, outside, np.ones(np.shape(inside)))
    return Comparison(estimate, evidence, None, ONE_SEED if estimate.one_seed else "")
