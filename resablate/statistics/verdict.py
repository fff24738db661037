"""The five verdicts, and the rule that reaches them from three p-values at one level."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from resablate.statistics.argument_rules import check_number, check_share
from resablate.statistics.estimate import Array, Estimate


class Verdict(StrEnum):
    """What measurements say about a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"
    NOT_TESTED = "not tested"

    @property
    def is_open(self) -> bool:
        """Whether it leaves the question open."""
        return self in (Verdict.UNDECIDED, Verdict.NOT_TESTED)


@dataclass(frozen=True)
class Evidence:
    """How strongly each verdict is backed: p-values of the shape of the worlds (...), small where it is.

    Attributes:
        supported: one-sided, against "the claim does not hold"; compared with half the level.
        contradicted: one-sided, against "the claimed side is right"; compared with half the level.
        equivalent: of two one-sided tests, against "the difference is at least the margin"; compared with the level.
    """

    supported: Array
    contradicted: Array
    equivalent: Array

    @property
    def p_value(self) -> Array:
        """The least level at which something is decided."""
        return np.minimum(self.side_p_value, self.equivalent)

    @property
    def side_p_value(self) -> Array:
        """The least level at which a side is called: what a step-down over claims goes by.

        A claim of which a side is called leaves its part of the level to the others. One that is shown equivalent does
        not: where nothing differs it has spent that part on the two sides all the same. With it ten claims of equal
        cells, all shown equivalent, would have a false side in up to 15 % of reports instead of 5.
        """
        return np.minimum(2 * np.minimum(self.supported, self.contradicted), 1.0)


NOTHING = Evidence(np.asarray(1.0), np.asarray(1.0), np.asarray(1.0))
"""No verdict is backed."""


def decide(evidence: Evidence, level: float | Array = 0.05) -> NDArray[np.str_]:
    """The verdict in each world, with at most `level` false ones.

    A side is called where the interval at `level` lies on it, equivalence where that at twice the level lies within the
    margin. A difference of 0 is called one by both sides together in `level` of the worlds; one of the margin or more
    is called equivalent in at most `level`, and then all worlds that would be called contradicted or supported on the
    wrong side are among these. A difference that is certain and yet within the margin is called by its side.
    """
    check_share("level", level)
    half = np.asarray(level) / 2
    found = np.where(evidence.equivalent <= np.asarray(level), Verdict.EQUIVALENT, Verdict.UNDECIDED)
    found = np.where(evidence.contradicted <= half, Verdict.CONTRADICTED, found)
    return np.where(evidence.supported <= half, Verdict.SUPPORTED, found)


def evidence_of_difference(estimate: Estimate, *, margin: float) -> Evidence:
    """For the claim that the estimated difference is above 0; equivalent within -`margin` to +`margin`."""
    return Evidence(estimate.p_above(), estimate.p_below(), estimate.p_within(margin))


def evidence_of_equivalence(estimate: Estimate, *, margin: float) -> Evidence:
    """For the claim that the difference lies within the margin: supported there, contradicted outside.

    The TOST at `level` is the interval of 1 - 2 x `level`; a verdict of this claim is never "equivalent".
    """
    outside = np.minimum(estimate.p_above(margin), estimate.p_below(-margin))
    return Evidence(estimate.p_within(margin) / 2, outside, np.ones(outside.shape))


def default_margin(published_gap: float, *, least: float = 0.001) -> float:
    """A tenth of the published gap, and at least `least`: 0.1 points where errors are fractions."""
    check_number("published_gap", published_gap)
    return max(abs(published_gap) / 10, least)
