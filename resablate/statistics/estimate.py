"""An estimated number with the two sources of its noise, and the interval and p-values that they give.

An estimate D has a variance S of seeds, known from few trainings (nu degrees of freedom), and a variance A of test
examples, known from many. Welch's and Satterthwaite's degrees of freedom, nu / share^2 with share = S / (S + A), are
too many at 2 or 3 seeds: intervals of 95 % cover 87 %. Banerjee's half-width, h^2 = z^2 A + t^2 S, always covers, but
up to 98.7 %. Both are h^2 = (S + A) (z^2 + (t^2 - z^2) share^q): Banerjee's has q = 1, Satterthwaite's q = 2 to first
order. `_exponent` lies between them; simulated coverage is 93.4 to 97 % for every share, from 2 seeds on.

Cells with unequal numbers of seeds are the same problem among seeds: Welch's interval of 2 against 10 seeds covers 88 %
where the two have the larger spread. There t^2 lies between that of all seeds together and that of the fewest.

Source: Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics 2 (1946);
Banerjee, "On expectation and variance of two-component confidence intervals", Journal of the Indian Society of
Agricultural Statistics 13 (1961).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from resablate.statistics.argument_rules import check_not_negative, check_share

Array = NDArray[np.float64]

MANY = 1e6
"""Degrees of freedom that are as good as infinitely many."""
SMALLEST_P = 1e-12
"""No p-value of two sources is computed below this one."""
ROUNDING = 1e-9
"""Of a number: a spread that is smaller is that of rounded numbers, which are equal."""
STEPS = 45
"""Bisections of ln(p) between SMALLEST_P and 1: to 1e-12 of its logarithm."""


@dataclass(frozen=True)
class Interval:
    """Where a number lies, at an error rate of `level`; arrays of the estimate's shape."""

    low: Array
    high: Array
    level: float


@dataclass(frozen=True)
class Estimate:
    """A number, or one for each of many worlds: every array has the shape (...) of the worlds, () for one report.

    Attributes:
        value: the estimate.
        seed_variance: the part of its variance that comes of the training seeds, squared units of `value`.
        seed_df: degrees of freedom of `seed_variance`; 0 where a cell has one seed.
        pooled_df: those that it would have if the cells' spreads were equal; `seed_df` where cells have equal seeds.
        seed_mix: 0 to 1, how far t^2 lies from that of `pooled_df` towards that of `seed_df`.
        example_variance: the part that comes of the test examples; 0 where they are taken as fixed.
        example_df: its degrees of freedom.
        seeds: the number of trainings in each cell.
        examples: the number of test examples; None where there are only numbers per seed.
        method: how the variance is estimated, in words.
        correlation: of the cells' means over shared seeds; None where they share none.
        paired: whether the seeds' part is that of differences by seed.
        points: on a line whose scatter about it is the noise, which more seeds lower little; 0 elsewhere.
        left_out: seeds that some cells have and not all, which a paired estimate takes no account of.
    """

    value: Array
    seed_variance: Array
    seed_df: Array
    pooled_df: Array
    seed_mix: Array
    example_variance: Array
    example_df: float
    seeds: tuple[int, ...]
    examples: int | None
    method: str
    correlation: Array | None = None
    paired: bool = False
    points: int = 0
    left_out: tuple[int, ...] = ()

    @property
    def one_seed(self) -> bool:
        """Whether the noise of seeds is unknown, because a cell has one seed and no prior stands in."""
        return bool(np.all(self.seed_df <= 0))

    @property
    def standard_error(self) -> Array:
        """Of seeds and examples together; NaN with one seed."""
        return np.where(self.seed_df > 0, np.sqrt(self.seed_variance + self.example_variance), np.nan)

    @property
    def _spread_is_known(self) -> NDArray[np.bool_]:
        """Whether there is a spread, and not that of rounding alone."""
        total = self.seed_variance + self.example_variance
        return np.asarray((self.seed_df > 0) & (total > np.square(ROUNDING * self.value)))

    def half_width(self, level: float | Array = 0.05) -> Array:
        """Half of the interval's width at an error rate of `level`, two-sided.

        Infinite with one seed, and where no spread at all was seen: nothing is known of the noise then.
        """
        total = self.seed_variance + self.example_variance
        known = self._spread_is_known
        safe = np.where(known, total, 1.0)
        share = np.where(known, self.seed_variance, 1.0) / safe
        pooled = _quantile(self.pooled_df, level) ** 2
        few = pooled + (_quantile(self.seed_df, level) ** 2 - pooled) * self.seed_mix
        many = _quantile(np.asarray(self.example_df), level) ** 2
        squared = safe * (many + (few - many) * share ** _exponent(level))
        return np.where(known, np.sqrt(squared), np.inf)

    def interval(self, level: float = 0.05) -> Interval:
        """The two-sided interval that misses the truth with probability `level`, between 0 and 1."""
        check_share("level", level)
        half = self.half_width(level)
        return Interval(self.value - half, self.value + half, level)

    def p_above(self, threshold: float = 0.0) -> Array:
        """One-sided p-value against "the number is at most `threshold`": small where it is above."""
        half = self._two_sided(threshold) / 2
        return np.where(self.value > threshold, half, 1 - half)

    def p_below(self, threshold: float = 0.0) -> Array:
        """One-sided p-value against "the number is at least `threshold`": small where it is below."""
        half = self._two_sided(threshold) / 2
        return np.where(self.value < threshold, half, 1 - half)

    def p_within(self, margin: float) -> Array:
        """Two one-sided tests: small where the number lies between -`margin` and +`margin`.

        Source: Schuirmann, "A comparison of the two one-sided tests procedure and the power approach for assessing
        the equivalence of average bioavailability", Journal of Pharmacokinetics and Biopharmaceutics 15 (1987).
        """
        check_not_negative("margin", margin)
        return np.maximum(self.p_above(-margin), self.p_below(margin))

    def _two_sided(self, threshold: float) -> Array:
        """The level at which the interval's end meets `threshold`."""
        from scipy.special import stdtr

        distance = np.abs(self.value - threshold)
        total = self.seed_variance + self.example_variance
        known = self._spread_is_known
        student = np.where(known, distance / np.sqrt(np.where(known, total, 1.0)), 0.0)
        plain = 2 * stdtr(np.clip(self.seed_df, 1, MANY), -student)
        closed = (self.example_variance <= 0) & (self.seed_mix >= 1)
        if np.all(closed):
            return np.where(known, plain, 1.0)
        low, high = np.full(np.shape(distance), np.log(SMALLEST_P)), np.zeros(np.shape(distance))
        for _ in range(STEPS):
            middle = (low + high) / 2
            outside = self.half_width(np.exp(middle)) < distance
            low, high = np.where(outside, low, middle), np.where(outside, middle, high)
        mixed = np.exp((low + high) / 2)
        return np.where(known, np.where(closed, plain, mixed), 1.0)


def _quantile(df: Array, level: float | Array) -> Array:
    from scipy.special import stdtrit

    return -stdtrit(np.clip(df, 1, MANY), np.asarray(level) / 2)


def _exponent(level: float | Array) -> Array:
    """The exponent of the module's formula: 1.75 at 5 %, 1.25 at 0.5 %, found by simulation over all shares."""
    return np.clip(1.25 + 0.5 * np.log10(np.asarray(level) / 0.005), 1.0, 2.0)
