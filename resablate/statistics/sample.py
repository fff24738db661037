"""The trainings of one cell, and what their outcomes say about seeds and examples apart.

With a training's effect a_s, an example's effect b_i and what is left c_si, an outcome is x_si = mean + a_s + b_i +
c_si, and the mean over n seeds and m examples has the variance var(a)/n + var(b)/m + var(c)/(n m).
Source: Searle, Casella & McCulloch, "Variance Components", 1992, chapter 4 (two-way crossed, random).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from resablate.statistics.estimate import Array


@dataclass(frozen=True, eq=False)
class Sample:
    """The outcomes of one cell: of trainings that are equal but for their seed.

    Attributes:
        numbers: (..., seeds) one number per training: its mean outcome, or whatever a claim is about.
        outcomes: (..., seeds, examples) one outcome per training and test example, 0 or 1 or a loss; or None.
        seeds: the seeds by name, in the order of the arrays; None where they are unknown, and never paired.
        examples: a name of the test examples, such as their hash; cells with equal names are paired by example.
    """

    numbers: Array
    outcomes: Array | None = None
    seeds: tuple[int, ...] | None = None
    examples: str | None = None

    @classmethod
    def of_outcomes(cls, outcomes: ArrayLike, *, seeds: Sequence[int] | None = None, examples: str = "") -> "Sample":
        """A cell of (..., seeds, examples) outcomes. Without a name, its examples are paired with nobody's.

        Raises:
            ValueError: if there are fewer than two dimensions or examples, `seeds` has another length, or an outcome is
                not finite: a training that diverged is counted by a `Rate`.
        """
        array = np.asarray(outcomes, dtype=np.float64)
        if array.ndim < _OUTCOME_DIMENSIONS or array.shape[-2] < 1 or array.shape[-1] < _FEWEST_EXAMPLES:
            raise ValueError(f"outcomes must have the shape (seeds >= 1, examples >= 2), but got {array.shape}")
        _check_finite(array)
        return cls(array.mean(axis=-1), array, _named(seeds, array.shape[-2]), examples or None)

    @classmethod
    def of_numbers(cls, numbers: ArrayLike, *, seeds: Sequence[int] | None = None) -> "Sample":
        """A cell of (..., seeds) numbers: the test examples, if there are any, are taken as fixed.

        Raises:
            ValueError: if there is no number, `seeds` has another length, or a number is not finite.
        """
        array = np.asarray(numbers, dtype=np.float64)
        if array.ndim < 1 or array.shape[-1] < 1:
            raise ValueError(f"numbers must have the shape (seeds >= 1,), but got {array.shape}")
        _check_finite(array)
        return cls(array, None, _named(seeds, array.shape[-1]), None)

    @property
    def count(self) -> int:
        """The number of trainings."""
        return self.numbers.shape[-1]

    @property
    def mean(self) -> Array:
        """(...) over seeds and examples."""
        return self.numbers.mean(axis=-1)

    def restricted(self, seeds: Sequence[int]) -> "Sample":
        """The trainings of these seeds alone, in this order."""
        assert self.seeds is not None
        places = [self.seeds.index(seed) for seed in seeds]
        outcomes = None if self.outcomes is None else self.outcomes[..., places, :]
        return Sample(self.numbers[..., places], outcomes, tuple(seeds), self.examples)


_OUTCOME_DIMENSIONS = 2
_FEWEST_EXAMPLES = 2


def _check_finite(array: Array) -> None:
    if count := int(np.count_nonzero(~np.isfinite(array))):
        raise ValueError(f"numbers must be finite, a training that diverged is a failure, but got {count} that are not")


def _named(seeds: Sequence[int] | None, count: int) -> tuple[int, ...] | None:
    if seeds is None:
        return None
    if len(seeds) != count or len(set(seeds)) != count:
        raise ValueError(f"seeds must be {count} different ones, one for each training, but got {list(seeds)}")
    return tuple(seeds)


def seed_variance(numbers: Array) -> Array:
    """(..., seeds) -> (...) variance of the mean that comes of seeds; 0 with one seed, where it is unknown."""
    count = numbers.shape[-1]
    return numbers.var(axis=-1, ddof=1) / count if count > 1 else np.zeros(numbers.shape[:-1])


def example_variance(example_means: Array) -> Array:
    """(..., examples) means over seeds -> (...) variance of their mean, what seeds and examples share included."""
    return example_means.var(axis=-1, ddof=1) / example_means.shape[-1]


def overlap(outcomes: Array) -> Array:
    """(..., seeds, examples) -> (...) var(c)/(n m): it is in the part of seeds and in that of examples.

    With one seed it cannot be told from the examples' own part, and is taken as 0.
    """
    count, examples = outcomes.shape[-2:]
    if count == 1:
        return np.zeros(outcomes.shape[:-2])
    squares = np.einsum("...si,...si->...", outcomes, outcomes)
    by_seed = np.square(outcomes.mean(axis=-1)).sum(axis=-1) * examples
    by_example = np.square(outcomes.mean(axis=-2)).sum(axis=-1) * count
    whole = np.square(outcomes.mean(axis=(-2, -1))) * count * examples
    left = np.maximum(squares - by_seed - by_example + whole, 0.0)
    return left / ((count - 1) * (examples - 1)) / (count * examples)
