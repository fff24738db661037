"""The kind of rule about speed: how many epochs a network needs to get where its rival ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from resablate.claims.arms import Arm, Fields
from resablate.claims.claim import Compared, Judgement, Part, untested
from resablate.claims.measures import Measure
from resablate.claims.pairs import Pair, failures
from resablate.claims.selection import Fits, Found, compared_pairs, missing_arms, opposed
from resablate.claims.trials import ClaimCell, Measured, Trials, cell_label
from resablate.measurement import differences_of
from resablate.result import TrialResult
from resablate.statistics import Sample, compare

MARGIN = 0.02
"""A stated margin, as a part of the epochs."""
LASTING = (0.0, 2.0)
"""Parts of the epochs after which a loss is reached: at most one epoch of one, and one more."""


@dataclass(frozen=True)
class Sooner:
    """`claimed` reaches the final validation loss of `rival` in a smaller part of the epochs than `rival` itself.

    The target is the mean over the rival's trainings. A training that never gets there counts with all its epochs and
    one more, which favors it.
    """

    claimed: Arm
    rival: Arm
    varies: tuple[str, ...]
    fits: Fits

    @property
    def text(self) -> str:
        """The rule in a sentence."""
        return (
            f"supported where {self.claimed.name} reaches the final validation loss of {self.rival.name} in fewer"
            " epochs than that does"
        )

    @property
    def arms(self) -> Sequence[Arm]:
        """Both."""
        return (self.claimed, self.rival)

    @property
    def measures(self) -> Sequence[Measure]:
        """None but the history."""
        return ()

    def compared(self, trials: Trials, where: Fields) -> Sequence[Compared]:
        """Every pair in every setting."""
        return compared_pairs(trials, where, self.varies, self.arms, self.fits)

    def judge(self, trials: Trials, where: Fields) -> Judgement:
        """Every pair in every setting."""
        found = Found()
        for setting, one, other in opposed(trials, where, self.varies, self.arms, self.fits):
            names = [cell_label(one, self.varies), cell_label(other, self.varies)]
            pair = self._pair(one, other, f"{setting}: {names[0]} against {names[1]}")
            found.parts.update(_parts(pair))
            found.note([pair.claimed, pair.rival], names)
        return found.judgement(missing_arms(self.arms, where))

    def _pair(self, ours: ClaimCell, theirs: ClaimCell, name: str) -> Pair:
        ends = [losses[-1] for _, result in theirs.finished if (losses := _held_out(result))]
        target = fmean(ends) if ends else math.nan
        return Pair(_reached(ours, target), _reached(theirs, target), name)

    def seeds(self, level: float, examples: int) -> int | None:
        """None: no effect was published."""
        return None


def _reached(cell: ClaimCell, target: float) -> Measured:
    known = [(seed, _epochs(losses, target)) for seed, result in cell.finished if (losses := _held_out(result))]
    if not known:
        return Measured(cell, None, len(cell.finished))
    sample = Sample.of_numbers([part for _, part in known], seeds=[seed for seed, _ in known])
    return Measured(cell, sample, len(cell.finished) - len(known))


def _held_out(result: TrialResult) -> list[float]:
    """The validation loss of each epoch; empty where no images are held out."""
    return [epoch.val_loss for epoch in result.history if epoch.val_loss is not None]


def _epochs(losses: Sequence[float], target: float) -> float:
    """The part of the epochs after which the validation loss is first at most `target`."""
    reached = (epoch for epoch, loss in enumerate(losses, start=1) if loss <= target)
    return next(reached, len(losses) + 1) / len(losses)


def _parts(pair: Pair) -> dict[str, Part]:
    for one in (pair.claimed, pair.rival):
        if one.sample is None and one.cell.finished:
            needed = f"a validation loss of {one.cell.spec.label()}, which holds out no images"
            return {pair.name: Part(untested(needed), "share", MARGIN, cells=pair.cells)}
    if pair.claimed.sample is None or pair.rival.sample is None:
        return {f"{pair.name}, failures": failures(pair)}
    comparison = compare(pair.claimed.sample, pair.rival.sample, margin=MARGIN)
    parts = {
        pair.name: Part(
            comparison,
            "share",
            MARGIN,
            noun="part of the epochs less",
            cells=pair.cells,
            possible=differences_of(LASTING),
        )
    }
    if pair.claimed.cell.diverged:
        parts[f"{pair.name}, failures"] = failures(pair)
    return parts
