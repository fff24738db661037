"""The kind of rule about failure: an outcome of its own, with an exact interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from resablate.claims.arms import Arm, Fields
from resablate.claims.claim import Compared, Judgement, Part
from resablate.claims.measures import ERROR, Measure
from resablate.claims.selection import Found, grouped, missing_arms
from resablate.claims.trials import ClaimCell, Trials, cell_label
from resablate.datasets import DATASETS
from resablate.statistics import Rate, compare_rate
from resablate.statistics.chance import chance_error

FAIL_ERROR = 0.20
"""Table 1 of He et al. 2016 calls a CIFAR-10 test error above 20 % "fail"."""
TEN_CLASSES = 0.9
"""The error of guessing among ten."""


@dataclass(frozen=True)
class Fails:
    """`arm` fails in more than half of its trainings, and `control` does not.

    A failure is a training that diverged, or that ends with an error above 20 % of ten classes (He et al.), and above
    the same part of the error of guessing where there are other numbers of classes.
    """

    arm: Arm
    control: Arm
    varies: tuple[str, ...]

    @property
    def text(self) -> str:
        """The rule in a sentence."""
        return (
            f"supported where {self.arm.name} diverges or ends above 20 % error (of ten classes) in more than half of"
            f" all trainings, and {self.control.name} in fewer, each by its exact interval"
        )

    @property
    def arms(self) -> Sequence[Arm]:
        """Both."""
        return (self.arm, self.control)

    @property
    def measures(self) -> Sequence[Measure]:
        """The test error."""
        return (ERROR,)

    def compared(self, trials: Trials, where: Fields) -> Sequence[Compared]:
        """Every cell of both arms by itself, where both are there."""
        return [
            Compared((cell,))
            for _, arms in grouped(trials, where, self.varies, self.arms)
            for cells in arms
            for cell in cells
        ]

    def judge(self, trials: Trials, where: Fields) -> Judgement:
        """Every cell of the arm, and its control, in every setting."""
        found = Found()
        told: dict[str, list[str]] = {}
        for setting, (ours, controls) in grouped(trials, where, self.varies, self.arms):
            for cells, side in ((ours, "above"), (controls, "below")):
                for cell in cells:
                    rate = Rate(failed_trainings(cell), len(cell.results))
                    name = cell_label(cell, self.varies)
                    comparison = compare_rate(rate, side="above" if side == "above" else "below")
                    noun = f"{name} fails in"
                    found.parts[f"{setting}: {name}"] = Part(comparison, "share", 0.0, 0.5, noun, (cell,))
                    note = f"{name} fails in {rate.failures} of {rate.trainings} trainings"
                    told.setdefault(setting, []).append(note)
        found.note_by_setting(told)
        return found.judgement(missing_arms(self.arms, where))

    def seeds(self, level: float, examples: int) -> int | None:
        """So many that all of them fail by chance in less than half of `level`, where half do."""
        return seeds_of_rate(level)


def seeds_of_rate(level: float) -> int:
    """Trainings that, if all of them fail, or none, tell that more than half do, or fewer."""
    return math.ceil(math.log2(2 / level))


def failed_trainings(cell: ClaimCell) -> int:
    """Trainings that diverged or ended above the error of a failure."""
    errors = [result.test_error for _, result in cell.finished]
    return cell.diverged + sum(error > failing_error(cell) for error in errors)


def failing_error(cell: ClaimCell) -> float:
    """20 % of ten classes; the same part of the error of guessing of others."""
    chance = chance_error(cell.results[0], DATASETS)
    return FAIL_ERROR if math.isnan(chance) else FAIL_ERROR * chance / TEN_CLASSES
