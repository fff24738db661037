"""Whether trainings of one kind resemble each other more than those of another: by ranks, with an interval.

Each training has a profile, such as the increase of error without each block. D is the mean of Kendall's tau between
trainings of one kind, less that between trainings of different kinds. The taus of one training depend on each other, so
the variance is that of the jackknife, which leaves out one training at a time, kind by kind; its degrees of freedom are
Welch's.

Source: Arvesen, "Jackknifing U-statistics", Annals of Mathematical Statistics 40 (1969).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from resablate.statistics.degrees import welch
from resablate.statistics.estimate import MANY, Array, Estimate

Pairs = NDArray[np.bool_]
"""(trainings, trainings): those above the diagonal that count."""

FEWEST_TRAININGS = 3
"""Of each kind: with one left out there is a pair left."""


def resemblance(
    first: Sequence[Sequence[float]], second: Sequence[Sequence[float]], *, seeds: tuple[Sequence[int], Sequence[int]]
) -> Estimate:
    """How much more trainings resemble those of their own kind than those of the other kind: D, from -2 to 2.

    Two trainings of one seed may share their initial weights, as no two of one kind do: their tau does not count.

    Args:
        first: the profiles of one kind's trainings, all of one length.
        second: those of the other's.
        seeds: of each of them.

    Raises:
        ValueError: if a kind has one training, or profiles have different lengths.
    """
    counts = (len(first), len(second))
    if min(counts) < len(("a", "pair")) or len({len(profile) for profile in (*first, *second)}) > 1:
        raise ValueError(f"needs two profiles of each kind, of one length, got {counts[0]} and {counts[1]}")
    taus = rank_correlations([*first, *second])
    kinds, every_seed = np.repeat([0, 1], counts), np.asarray([*seeds[0], *seeds[1]])
    comparable = np.triu(np.not_equal.outer(every_seed, every_seed), 1)
    if min(counts) < FEWEST_TRAININGS:
        variance = df = np.zeros(2)
    else:
        left = np.asarray([_own_less_other(taus, kinds, _without(comparable, gone)) for gone in range(kinds.size)])
        variance = np.asarray([(n - 1) * left[kinds == kind].var() for kind, n in enumerate(counts)])
        df = np.asarray(counts) - 1.0
    total, seed_df, pooled, mix = welch(variance, df)
    return Estimate(
        value=_own_less_other(taus, kinds, comparable),
        seed_variance=total,
        seed_df=seed_df,
        pooled_df=pooled,
        seed_mix=mix,
        example_variance=np.zeros(()),
        example_df=MANY,
        seeds=counts,
        examples=None,
        method="jackknife of Kendall's tau, trainings left out one at a time",
    )


def rank_correlations(profiles: Sequence[Sequence[float]]) -> Array:
    """(trainings, trainings) Kendall's tau-b of every two profiles; 0 where one of them is constant."""
    from scipy.stats import kendalltau

    found = np.eye(len(profiles))
    for row, one in enumerate(profiles):
        for column, other in enumerate(profiles[:row]):
            tau = float(np.asarray(kendalltau(one, other))[0])
            found[row, column] = found[column, row] = tau if np.isfinite(tau) else 0.0
    return found


def _without(pairs: Pairs, gone: int) -> Pairs:
    left = pairs.copy()
    left[gone, :] = left[:, gone] = False
    return left


def _own_less_other(taus: Array, kinds: NDArray[np.int64], pairs: Pairs) -> Array:
    """D over some pairs."""
    same = [np.outer(kinds == kind, kinds == kind) & pairs for kind in (0, 1)]
    across = np.not_equal.outer(kinds, kinds) & pairs
    return np.asarray(np.mean([taus[pair].mean() for pair in same]) - taus[across].mean())
