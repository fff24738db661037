"""How often a difference of a given size is decided, and how many seeds that takes.

Given the spreads that the seeds happen to have, the estimate is normal and its interval has a known width; power is
the mean over those spreads, which follow chi-square laws: no simulation, and the very interval of the report.
"""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np

from resablate.statistics.argument_rules import check_count, check_not_negative, check_number, check_share
from resablate.statistics.degrees import welch
from resablate.statistics.estimate import MANY, Estimate

NODES = {1: 400, 2: 48}
"""Quantiles of each chi-square law, for one spread and for two."""
MOST_SEEDS = 1000


def power(
    difference: float,
    *,
    seed_sds: Sequence[float],
    seeds: int,
    level: float = 0.05,
    example_variance: float = 0.0,
    example_df: float = MANY,
) -> float:
    """The probability that the interval of a true `difference` lies wholly on its side of 0.

    Args:
        difference: the true one.
        seed_sds: the sd over seeds in each of two cells, or that of the differences by seed if they are paired.
        seeds: the number of trainings in each cell.
        level: the error rate, two-sided.
        example_variance: the examples' part of the variance of the estimate, which seeds do not lower.
        example_df: its degrees of freedom.

    Raises:
        ValueError: unless the difference is finite, spreads and variance are at least 0, and level is from 0 to 1.
    """
    check_number("difference", difference)
    check_share("level", level)
    check_not_negative("example_variance", example_variance)
    for sd in seed_sds:
        check_not_negative("seed_sds", sd)
    if seeds <= 1:
        return 0.0
    from scipy.special import chdtri, ndtr

    # The upper tail's midpoints: chdtri is the inverse of the chi-square law's upper tail.
    count = NODES.get(len(seed_sds), 16)
    nodes = chdtri(seeds - 1, (np.arange(count) + 0.5) / count) / (seeds - 1)
    grid = np.array(list(product(nodes, repeat=len(seed_sds)))).T
    true = np.square(np.asarray(seed_sds, dtype=np.float64)) / seeds
    parts = welch(true[:, None] * grid, np.full(grid.shape, seeds - 1.0))
    noise = np.full(grid.shape[1:], example_variance)
    value = np.full(grid.shape[1:], difference)
    guess = Estimate(value, *parts, noise, example_df, (seeds,) * len(seed_sds), None, "planned")
    spread = np.sqrt(true.sum() + example_variance)
    return float(np.mean(ndtr((abs(difference) - guess.half_width(level)) / spread)))


def seeds_needed(
    difference: float,
    *,
    seed_sds: Sequence[float],
    level: float = 0.05,
    target: float = 0.8,
    example_variance: float = 0.0,
    example_df: float = MANY,
    most: int = MOST_SEEDS,
) -> int | None:
    """The least number of trainings in each cell that decides `difference` with a power of `target`.

    Returns:
        None where `most` do not suffice: the difference is 0, or the test set is too small.

    Raises:
        ValueError: as in `power`, and unless target lies between 0 and 1 and most is 2 or more.
    """
    check_share("target", target)
    check_count("most", most, least=2)

    def reached(seeds: int) -> bool:
        chance = power(
            difference,
            seed_sds=seed_sds,
            seeds=seeds,
            level=level,
            example_variance=example_variance,
            example_df=example_df,
        )
        return chance >= target

    return _least(reached, most)


def seeds_from_estimate(
    estimate: Estimate, difference: float, *, level: float = 0.05, target: float = 0.8, most: int = MOST_SEEDS
) -> int | None:
    """The same from the spreads of trainings that have run; they may differ from the true ones by much.

    Returns:
        None with one seed, or where `most` do not suffice.

    Raises:
        ValueError: as in `seeds_needed`.
    """
    check_number("difference", difference)
    if estimate.one_seed or difference <= 0:
        return None
    cells = 1 if estimate.paired or len(estimate.seeds) == 1 else 2
    # What the seeds of this estimate are worth, as equal numbers in each cell.
    worth = len(estimate.seeds) / sum(1 / count for count in estimate.seeds)
    sd = float(np.sqrt(np.asarray(estimate.seed_variance, dtype=np.float64) * worth / cells))
    return seeds_needed(
        difference,
        seed_sds=(sd,) * cells,
        level=level,
        target=target,
        example_variance=float(np.asarray(estimate.example_variance, dtype=np.float64)),
        example_df=estimate.example_df,
        most=most,
    )


def _least(reached: Callable[[int], bool], most: int) -> int | None:
    """The least number from 2 to `most` at which a monotonic test passes."""
    high = 2
    while not reached(high):
        if high >= most:
            return None
        high = min(2 * high, most)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
