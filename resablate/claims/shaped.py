"""The kind of rule about a curve: which shape it has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from resablate.claims.arms import Arm, Fields
from resablate.claims.claim import Compared, Judgement, Part
from resablate.claims.measures import Answers, Measure
from resablate.claims.pairs import learns
from resablate.claims.selection import Found, single_cells
from resablate.claims.trials import Trials, curves
from resablate.statistics import Sample, compare_shapes, compare_with_value, mean
from resablate.statistics.shapes import FEWEST_POINTS, Shape

STRAIGHT = 0.25
"""A stated margin: over all lengths the slope of the logarithm changes by less than a quarter of itself."""
RIVALS: tuple[Shape, ...] = ("power_law", "flat")
"""An exponential is a Gaussian without curvature: against that rival its curvature decides, as AICc cannot."""


@dataclass(frozen=True)
class Exponential:
    """The curve of a number falls exponentially, rather than by a power law, as a Gaussian or not at all.

    Args:
        arm: whose curve.
        measure: what the curve is of; only its name and analysis count.
        curve: a training's answers -> the curve over 1, 2, ...; None where there is none.
    """

    arm: Arm
    measure: Measure
    curve: Callable[[Answers], Sequence[float] | None]

    @property
    def text(self) -> str:
        """The rule in a sentence."""
        return (
            f"supported where AICc prefers an exponential to a power law and to a constant for the {self.measure.name},"
            f" and the slope of its logarithm changes by less than {STRAIGHT:g} of itself (a Gaussian's does not)"
        )

    @property
    def arms(self) -> Sequence[Arm]:
        """The one."""
        return (self.arm,)

    @property
    def measures(self) -> Sequence[Measure]:
        """The one."""
        return (self.measure,)

    def compared(self, trials: Trials, where: Fields) -> Sequence[Compared]:
        """Every cell of the arm by itself."""
        return [Compared((cell,)) for _, cell in single_cells(trials, where, self.arm)]

    def judge(self, trials: Trials, where: Fields) -> Judgement:
        """Every cell of the arm with curves."""
        found = Found()
        for setting, cell in single_cells(trials, where, self.arm):
            seeds, values = curves(cell, self.curve, self.measure.analysis)
            if not values or len(values[0]) < FEWEST_POINTS:
                continue
            lengths = range(1, len(values[0]) + 1)
            comparison = compare_shapes(lengths, values, claimed="exponential", rivals=RIVALS, seeds=seeds)
            for rival, part in comparison.parts.items():
                name = f"{setting}: rather than {rival.replace('_', ' ')}"
                found.parts[name] = Part(part, "1", noun="lead in AICc", cells=(cell,))
            bends = Sample.of_numbers([_bend(lengths, curve) for curve in values], seeds=seeds)
            straight = compare_with_value(mean(bends), 0.0, margin=STRAIGHT)
            name = f"{setting}: rather than Gaussian"
            found.parts[name] = Part(straight, "1", STRAIGHT, noun="change of the slope", cells=(cell,))
            found.note(trials.measured([cell], self.measure), [self.arm.name])
            if cell.diverged + cell.unlearned:
                found.parts[f"{setting}: {self.arm.name}, learns"] = learns(cell)
        missing = f"{self.measure.analysis} of trainings with {self.arm.name}, of {FEWEST_POINTS} blocks or more"
        return found.judgement(missing)

    def seeds(self, level: float, examples: int) -> int | None:
        """None: no effect was published."""
        return None


def _bend(lengths: Sequence[int], curve: Sequence[float]) -> float:
    """How much the slope of the logarithm changes over all lengths, as a part of its mean: positive if it steepens."""
    curvature, slope, _ = np.polyfit(lengths, np.log(curve), 2)
    middle = slope + curvature * (lengths[0] + lengths[-1])
    return float(2 * curvature * (lengths[-1] - lengths[0]) / middle) if middle else 0.0
