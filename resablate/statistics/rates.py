"""How often trainings fail: an outcome of its own, never averaged into the errors of those that did not.

Source: Clopper & Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
Biometrika 26 (1934).
"""

from dataclasses import dataclass
from typing import get_args

import numpy as np

from resablate.statistics.argument_rules import check_choice, check_probability, check_share
from resablate.statistics.comparison import Comparison
from resablate.statistics.estimate import Array, Interval
from resablate.statistics.thresholds import Side
from resablate.statistics.verdict import Evidence


@dataclass(frozen=True)
class Rate:
    """The share of trainings that fail, with its exact interval.

    Attributes:
        failures: trainings that failed.
        trainings: trainings that ran.
        method: how, in words.
        correlation: none.
    """

    failures: int
    trainings: int
    method: str = "exact interval of a rate (Clopper-Pearson)"
    correlation: None = None

    def __post_init__(self) -> None:
        """Raise a ValueError unless 0 <= failures <= trainings and trainings >= 1."""
        if not 0 <= self.failures <= self.trainings or self.trainings < 1:
            raise ValueError(
                "0 <= failures <= trainings must hold with trainings >= 1, but got "
                f"(failures={self.failures}, trainings={self.trainings})"
            )

    @property
    def value(self) -> Array:
        """The observed share."""
        return np.asarray(self.failures / self.trainings)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The number of trainings."""
        return (self.trainings,)

    def interval(self, level: float = 0.05) -> Interval:
        """Where the true share lies; an exact interval misses it less often than `level`."""
        from scipy.special import betaincinv

        check_share("level", level)
        failed, trained = self.failures, self.trainings - self.failures
        low = betaincinv(failed, trained + 1, level / 2) if failed else 0.0
        high = betaincinv(failed + 1, trained, 1 - level / 2) if trained else 1.0
        return Interval(np.asarray(low), np.asarray(high), level)


def compare_rate(rate: Rate, *, threshold: float = 0.5, side: Side = "above") -> Comparison:
    """The claim that a network fails in more ("above") or fewer ("below") than `threshold` of its trainings.

    A training that has not learned counts as a failure of a network that is claimed to learn. With one training the
    claim is undecided: the exact interval reaches from 2.5 % or to 97.5 %.

    Raises:
        ValueError: unless threshold lies from 0 to 1 and side is above or below.
    """
    from scipy.special import bdtr, bdtrc

    check_probability("threshold", threshold)
    check_choice("side", side, get_args(Side))
    above = bdtrc(rate.failures - 1, rate.trainings, threshold) if rate.failures else 1.0
    below = bdtr(rate.failures, rate.trainings, threshold)
    claimed, other = (above, below) if side == "above" else (below, above)
    return Comparison(rate, Evidence(np.asarray(claimed), np.asarray(other), np.asarray(1.0)))
