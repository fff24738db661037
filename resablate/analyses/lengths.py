"""Distributions over path lengths: how many paths there are of each, and which lengths hold most of something."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from resablate.model import Block

EFFECTIVE_SHARE = 0.95
"""What the effective lengths hold; Veit et al. 2016, section 4.3, speak of almost all."""

DELETIONS = (1, 10, 20)
"""Blocks deleted at once, as in Veit et al. 2016, Figure 7."""


def log10_binomial(n: int, k: int) -> float:
    """The logarithm of the number of paths through k of n blocks: the number itself overflows at 1,030 blocks."""
    return (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)) / math.log(10)


def log10_path_counts(chain: Sequence[Block]) -> list[float]:
    """The logarithm of the number of paths of each length from 0 to n; -inf where there is none.

    Only a block with both sides leaves a choice: one that carries nothing adds its length to every path, and one that
    adds nothing has no part in the length.
    """
    if not all(block.carries or block.adds for block in chain):
        return [-math.inf] * (len(chain) + 1)
    shortest = sum(not block.carries for block in chain)
    choices = sum(block.carries and block.adds for block in chain)
    return [
        log10_binomial(choices, length - shortest) if shortest <= length <= shortest + choices else -math.inf
        for length in range(len(chain) + 1)
    ]


def left_after(chain: Sequence[Block], deleted: int) -> list[float]:
    """The part of the paths of each length from 0 to n that deletions leave; NaN where there is no path.

    Args:
        chain: the blocks.
        deleted: branches deleted at once, fewer than there are; the mean over which.
    """
    branches = sum(block.adds for block in chain)
    return [
        _part_left(branches, length, deleted) if math.isfinite(count) else math.nan
        for length, count in enumerate(log10_path_counts(chain))
    ]


def _part_left(branches: int, length: int, deleted: int) -> float:
    """The chance that a path through `length` of the branches meets none of those deleted."""
    if length > branches - deleted:
        return 0.0
    return 10 ** (log10_binomial(branches - deleted, length) - log10_binomial(branches, length))


def paths_within(chain: Sequence[Block], low: float, high: float) -> dict[str, float]:
    """What part of all paths has a length from `low` to `high`, and what deletions leave of it.

    Args:
        chain: the blocks.
        low: shortest length that counts.
        high: longest length that counts.

    Returns:
        `path_share`: those paths as a part of all. For d of `DELETIONS`, as far as there are so many branches,
        `left_after_d`: the part of those paths that is left when d branches are deleted, the mean over which; and where
        a path is left at all, `path_share_after_d`: those that are left as a part of all that are left. NaN where there
        is no such path, or a length is NaN.

    Source: Veit et al. 2016, section 4.3 (0.45 % of all paths have 5 to 17 of 54 blocks) and Figure 7.
    """
    counts = log10_path_counts(chain)
    known = not math.isnan(low + high)
    inside = [1.0 if low <= length <= high else 0.0 for length in range(len(counts))]

    def held(distribution: Sequence[float], parts: Sequence[float]) -> float:
        return math.fsum(a * b for a, b in zip(distribution, parts, strict=True)) if known else math.nan

    found = {"path_share": held(shares([1.0] * len(counts), counts), inside)}
    for deleted in deletions(chain):
        left = [0.0 if math.isnan(part) else part for part in left_after(chain, deleted)]
        found[f"left_after_{deleted}"] = held(shares(inside, counts), left)
        if any(left):
            found[f"path_share_after_{deleted}"] = held(shares(left, counts), inside)
    return found


def deletions(chain: Sequence[Block]) -> list[int]:
    """Those of `DELETIONS` that leave a branch."""
    branches = sum(block.adds for block in chain)
    return [deleted for deleted in DELETIONS if deleted < branches]


def shares(norms: Sequence[float], log10_counts: Sequence[float]) -> list[float]:
    """Count times norm, as shares that sum to 1; NaN where nothing is positive or a norm is not finite."""
    if not all(math.isfinite(norm) for norm in norms):
        return [math.nan] * len(norms)
    logs = [
        math.log10(norm) + count if norm > 0 else -math.inf for norm, count in zip(norms, log10_counts, strict=True)
    ]
    largest = max(logs)
    if not math.isfinite(largest):
        return [math.nan] * len(logs)
    weights = [10 ** (value - largest) for value in logs]
    whole = math.fsum(weights)
    return [weight / whole for weight in weights]


class Spread(NamedTuple):
    """Where a distribution over lengths lies; NaN where there is none."""

    median: float
    low: float
    high: float
    """The smallest interval of lengths that holds `EFFECTIVE_SHARE`, both ends included."""


def spread(distribution: Sequence[float]) -> Spread:
    """Median and effective lengths of shares by length that sum to 1."""
    if math.isnan(distribution[0]):
        return Spread(math.nan, math.nan, math.nan)
    low, high = smallest_interval(distribution, EFFECTIVE_SHARE)
    return Spread(_median_length(distribution), low, high)


def smallest_interval(distribution: Sequence[float], part: float) -> tuple[int, int]:
    """The shortest run of lengths holding at least `part`, the one that holds most where several are as short."""
    below = [0.0]
    for share in distribution:
        below.append(below[-1] + share)
    count = len(distribution)
    for width in range(1, count):
        held, low = max((below[low + width] - below[low], low) for low in range(count - width + 1))
        if held >= part:
            return low, low + width - 1
    return 0, count - 1


def _median_length(distribution: Sequence[float]) -> int:
    below = 0.0
    for length, share in enumerate(distribution):
        below += share
        if below >= 0.5:  # noqa: PLR2004 - the median
            return length
    return len(distribution) - 1
