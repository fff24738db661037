"""Claims that one thing changes which blocks matter: by their ranks, within a kind of training and across."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from resablate.claims.arms import Arm, Fields
from resablate.claims.claim import Compared, Judgement, Part, untested
from resablate.claims.measures import Answers, Measure
from resablate.claims.selection import Fits, Found, compared_pairs, missing_arms, opposed
from resablate.claims.trials import Trials, cell_label, curves
from resablate.measurement import differences_of
from resablate.statistics import Comparison, compare_with_threshold, resemblance
from resablate.statistics.comparison import ONE_SEED
from resablate.statistics.resemblance import FEWEST_TRAININGS
from resablate.statistics.verdict import NOTHING

Profiles = tuple[Sequence[int], Sequence[Sequence[float]]]
"""Seeds, and a number for each block of each training."""
MATTERS = 0.1
"""Of Kendall's tau: a stated difference below which two orders are the same for the noise of seeds."""


@dataclass(frozen=True)
class RanksDiffer:
    """The blocks' order differs between cells of `arm` and `other` by more than between seeds of one cell.

    Args:
        arm: one kind of training.
        other: the other, of networks of the same blocks.
        varies: the fields in which they differ.
        measure: which question the profile is taken from.
        profile: an answer -> a number for each block.
        fits: which cells of the arms are compared.
    """

    arm: Arm
    other: Arm
    varies: tuple[str, ...]
    measure: Measure
    profile: Callable[[Answers], Sequence[float] | None]
    fits: Fits

    @property
    def text(self) -> str:
        """The rule in a sentence."""
        return (
            f"supported where Kendall's tau of {self.measure.name} by block is higher by more than {MATTERS:g} between"
            f" two trainings with {self.arm.name}, or two with {self.other.name}, than between one of each"
        )

    @property
    def arms(self) -> Sequence[Arm]:
        """Both."""
        return (self.arm, self.other)

    @property
    def measures(self) -> Sequence[Measure]:
        """The one."""
        return (self.measure,)

    def compared(self, trials: Trials, where: Fields) -> Sequence[Compared]:
        """Every pair in every setting."""
        return compared_pairs(trials, where, self.varies, self.arms, self.fits)

    def judge(self, trials: Trials, where: Fields) -> Judgement:
        """Every pair in every setting."""
        found = Found()
        for setting, one, other in opposed(trials, where, self.varies, self.arms, self.fits):
            name = f"{setting}: {cell_label(one, self.varies)} against {cell_label(other, self.varies)}"
            known = [curves(cell, self.profile, self.measure.analysis) for cell in (one, other)]
            comparison = self._compare(*known)
            found.parts[name] = Part(
                comparison,
                self.measure.unit,
                reference=MATTERS,
                noun="tau of one kind is higher by",
                cells=(one, other),
                possible=differences_of(self.measure.possible),
            )
        return found.judgement(missing_arms(self.arms, where))

    def _compare(self, ours: Profiles, theirs: Profiles) -> Comparison:
        fewest = min(len(ours[0]), len(theirs[0]))
        if fewest == 0:
            return untested(f"{self.measure.analysis} of both")
        if fewest == 1:
            return untested(ONE_SEED)
        estimate = resemblance(ours[1], theirs[1], seeds=(ours[0], theirs[0]))
        if fewest < FEWEST_TRAININGS:  # of two trainings the spread of their one tau is not known
            return Comparison(estimate, NOTHING)
        return compare_with_threshold(estimate, MATTERS, side="above")

    def seeds(self, level: float, examples: int) -> int | None:
        """The least that has an interval: how far recipes differ is not known before."""
        return FEWEST_TRAININGS
