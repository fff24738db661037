"""Whether one network fails more often than another: exact, from the counts of both.

Source: Fisher, "The Design of Experiments", 1935, section 21 (the exact test); Newcombe, "Interval estimation for the
difference between independent proportions", Statistics in Medicine 17 (1998), method 10, with exact limits.
"""

from dataclasses import dataclass
from math import comb, hypot

import numpy as np

from resablate.statistics.comparison import Comparison
from resablate.statistics.estimate import Array, Interval
from resablate.statistics.rates import Rate
from resablate.statistics.verdict import Evidence


@dataclass(frozen=True)
class RateDifference:
    """How much more often `rival` fails than `claimed`, as a difference of shares.

    Attributes:
        claimed: the failures of the network that is claimed to fail less often.
        rival: those of the other.
        method: how, in words.
        correlation: none.
    """

    claimed: Rate
    rival: Rate
    method: str = "failures by Fisher's exact test"
    correlation: None = None

    @property
    def value(self) -> Array:
        """The difference of the observed shares."""
        return self.rival.value - self.claimed.value

    @property
    def seeds(self) -> tuple[int, ...]:
        """The number of trainings of each."""
        return (self.claimed.trainings, self.rival.trainings)

    def interval(self, level: float = 0.05) -> Interval:
        """Where the true difference lies."""
        ours, theirs = self.claimed.interval(level), self.rival.interval(level)
        low = hypot(float(self.rival.value - theirs.low), float(ours.high - self.claimed.value))
        high = hypot(float(theirs.high - self.rival.value), float(self.claimed.value - ours.low))
        value = float(self.value)
        return Interval(np.asarray(value - low), np.asarray(value + high), level)


def compare_rates(claimed: Rate, rival: Rate) -> Comparison:
    """The claim that `claimed` fails less often than `rival`."""
    evidence = Evidence(np.asarray(_at_least(rival, claimed)), np.asarray(_at_least(claimed, rival)), np.asarray(1.0))
    return Comparison(RateDifference(claimed, rival), evidence)


def _at_least(more: Rate, less: Rate) -> float:
    """The probability that `more` has as many of all failures as it has or more, if both fail equally often."""
    failures, trainings = more.failures + less.failures, more.trainings + less.trainings
    most = min(failures, more.trainings)
    ways = sum(
        comb(more.trainings, count) * comb(less.trainings, failures - count)
        for count in range(more.failures, most + 1)
        if failures - count <= less.trainings
    )
    return ways / comb(trainings, failures)
