"""The kinds of rules about one arm: a number against a threshold, a trend over depth, the shape of a curve."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from resablate.claims.arms import Arm, Fields, Params
from resablate.claims.claim import Compared, Counted, Judgement, Part, untested
from resablate.claims.measures import Measure
from resablate.claims.pairs import guessing, learns
from resablate.claims.rules import prior_seeds
from resablate.claims.selection import Found, missing_arms, single_cells
from resablate.claims.trials import ClaimCell, Trials
from resablate.measurement import Bounds, differences_of
from resablate.statistics import (
    Comparison,
    Evidence,
    Rate,
    Sample,
    compare_rate,
    compare_with_threshold,
    compare_with_value,
    interaction,
    mean,
    slope,
)
from resablate.statistics.verdict import NOTHING

Side = Literal["above", "below"]


@dataclass(frozen=True)
class Number:
    """The mean over trainings of a number lies on a side of `threshold`.

    A training that diverged or has not learned is no such network: where there are some, fewer than half may be so.

    Args:
        arm: whose number.
        measure: which.
        threshold: a published or stated number.
        side: on which it is claimed to lie.
        published: its published value.
        counted: whether it follows from the network alone, whatever it learns, so that one training tells it.
    """

    arm: Arm
    measure: Measure
    threshold: float
    side: Side
    published: float | None = None
    counted: bool = False

    @property
    def text(self) -> str:
        """The rule in a sentence."""
        return f"supported where the {self.measure.name} of {self.arm.name} is {self.side} {self.threshold:g}"

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
        """Every cell of the arm."""
        found = Found()
        lacking = ""
        for setting, cell in single_cells(trials, where, self.arm):
            (measured,) = trials.measured([cell], self.measure)
            if measured.sample is None and cell.finished:
                lacking = f"{self.measure.analysis or self.measure.name} of trainings with {self.arm.name}"
                continue
            name = f"{setting}: {self.arm.name}"
            if measured.sample is not None:
                part = found.parts[name] = self._part(measured.sample, cell, measured.possible)
                if self.measure.above_one and 1 < part.comparison.estimate.interval().high < math.inf:
                    found.notes.append(self.measure.above_one)
            if not self.counted and cell.diverged + cell.unlearned:
                found.parts[f"{name}, learns"] = learns(cell)
            if not self.counted:
                found.note([measured], [self.arm.name])
        return found.judgement(lacking or missing_arms([self.arm], where))

    def _part(self, sample: Sample, cell: ClaimCell, possible: Bounds) -> Part:
        comparison = self._compare(sample)
        if isinstance(comparison.estimate, Rate):
            return Part(comparison, "share", 0.0, 0.5, f"trainings {self.side} {self.threshold:g}:", (cell,))
        noun = f"{self.measure.name} is"
        return Part(comparison, self.measure.unit, 0.0, self.threshold, noun, (cell,), possible=possible)

    def _compare(self, sample: Sample) -> Comparison:
        if self.counted and np.ptp(sample.numbers) == 0:
            number = float(sample.mean)
            holds = (number > self.threshold) == (self.side == "above")
            evidence = Evidence(np.asarray(float(not holds)), np.asarray(float(holds)), np.asarray(1.0))
            return Comparison(Counted(number, (sample.count,)), evidence)
        if sample.count > 1 and np.ptp(sample.numbers) == 0:
            # Nothing is known of the noise: each training either lies on the claimed side or does not.
            right = (float(sample.mean) > self.threshold) == (self.side == "above")
            return compare_rate(Rate(sample.count if right else 0, sample.count))
        return compare_with_threshold(mean(sample), self.threshold, side=self.side, published=self.published)

    def seeds(self, level: float, examples: int) -> int | None:
        """One where it is counted; else None, as nothing is known of the spread of such a number."""
        return 1 if self.counted else None


@dataclass(frozen=True)
class Grows:
    """What `claimed` is better than `rival` by grows with depth: from the least depth measured to the greatest.

    Args:
        claimed: the arm that is claimed to gain.
        rival: the other.
        varies: the fields in which they differ, without depth.
        measure: what is compared.
        margin: differences of differences below it do not matter.
        published: the published growth.
        depths: of a sweep for it.
    """

    claimed: Arm
    rival: Arm
    varies: tuple[str, ...]
    measure: Measure
    margin: float
    published: float
    depths: tuple[int, ...]

    @property
    def text(self) -> str:
        """The rule in a sentence."""
        return (
            f"supported where {self.claimed.name} lies further below {self.rival.name} in {self.measure.name} at the"
            " greatest depth than at the least"
        )

    @property
    def arms(self) -> Sequence[Arm]:
        """Both, at each depth."""
        return (self.claimed, self.rival)

    @property
    def measures(self) -> Sequence[Measure]:
        """The one."""
        return (self.measure,)

    def compared(self, trials: Trials, where: Fields) -> Sequence[Compared]:
        """Both arms at the greatest depth and at the least."""
        return [Compared(cells) for _, cells in self._ends(trials, where)]

    def judge(self, trials: Trials, where: Fields) -> Judgement:
        """In every setting that has both arms at two depths or more."""
        found = Found()
        for setting, compared in self._ends(trials, where):
            deep, shallow = compared[0].params["depth"], compared[-1].params["depth"]
            measured = trials.measured(compared, self.measure)
            names = [f"{arm.name} at {d}" for d in (deep, shallow) for arm in (self.rival, self.claimed)]
            found.note(measured, names)
            name = f"{setting}: depth {shallow} to {deep}"
            samples = [one.sample for one in measured]
            known = [sample for sample in samples if sample is not None]
            if len(known) < len(samples) or any(cell.diverged for cell in compared):
                found.parts[name] = Part(untested("a network at both depths that trains"), self.measure.unit)
                continue
            comparison = compare_with_threshold(interaction(*known), 0.0, side="above", published=self.published)
            unlearned = [at for at, pair in ((deep, compared[:2]), (shallow, compared[2:])) if all(map(guessing, pair))]
            if unlearned:
                comparison = Comparison(comparison.estimate, NOTHING)
                found.notes.append(f"{name}: no network has learned at depth {unlearned[0]}: it cannot decide")
                found.cannot_decide = True
            found.parts[name] = Part(
                comparison,
                self.measure.unit,
                self.margin,
                noun="grows by",
                cells=compared,
                possible=differences_of(self.measure.differences),
            )
        return found.judgement(f"{missing_arms(self.arms, where)}, at two depths or more")

    def _ends(self, trials: Trials, where: Fields) -> Iterator[tuple[str, tuple[ClaimCell, ...]]]:
        """Setting in words; rival and claimed arm at the greatest depth, and both at the least."""
        for setting, cells in trials.settings(where, (*self.varies, "depth")).items():
            both = self._by_depth(cells)
            if len(both) >= len(("least", "greatest")):
                deep, shallow = both[max(both)], both[min(both)]
                yield setting, (deep[1], deep[0], shallow[1], shallow[0])

    def _by_depth(self, cells: Sequence[ClaimCell]) -> dict[int, tuple[ClaimCell, ClaimCell]]:
        arms = [
            {depth: cell for cell in cells if arm.holds(cell.params) and isinstance(depth := cell.params["depth"], int)}
            for arm in self.arms
        ]
        return {depth: (arms[0][depth], arms[1][depth]) for depth in arms[0] if depth in arms[1]}

    def seeds(self, level: float, examples: int) -> int | None:
        """By the published growth, whose variance is that of four cells instead of two."""
        return prior_seeds(self.published / math.sqrt(2), level, examples)


@dataclass(frozen=True)
class Trend:
    """The slope of a number over a function of depth lies on a side of a threshold, or within `margin` of it.

    Args:
        arm: whose number.
        measure: which.
        position: flat fields -> where a cell stands on the axis.
        axis: that function in words.
        threshold: to compare the slope with.
        side: on which it is claimed to lie; None for a claim that it is `threshold` to within `margin`.
        margin: see `side`.
        fewest: depths without which there is no verdict.
        depths: of a sweep for it.
    """

    arm: Arm
    measure: Measure
    position: Callable[[Params], float]
    axis: str
    threshold: float
    side: Side | None
    margin: float
    fewest: int
    depths: tuple[int, ...]

    @property
    def text(self) -> str:
        """The rule in a sentence."""
        place = f"{self.side} {self.threshold:g}" if self.side else f"within {self.margin:g} of {self.threshold:g}"
        return (
            f"supported where the slope of {self.measure.name} over {self.axis} is {place}, over {self.fewest} depths"
            " or more"
        )

    @property
    def arms(self) -> Sequence[Arm]:
        """The one, at each depth."""
        return (self.arm,)

    @property
    def measures(self) -> Sequence[Measure]:
        """The one."""
        return (self.measure,)

    def compared(self, trials: Trials, where: Fields) -> Sequence[Compared]:
        """All depths of the arm together."""
        return [Compared(tuple(cells)) for _, cells in self._depths(trials, where)]

    def judge(self, trials: Trials, where: Fields) -> Judgement:
        """In every setting with enough depths."""
        found = Found()
        for setting, ours in self._depths(trials, where):
            measured = trials.measured(ours, self.measure)
            found.note(measured, [f"depth {cell.params['depth']}" for cell in ours])
            known = [(self.position(m.cell.params), m.sample) for m in measured if m.sample is not None]
            if len(known) < self.fewest:
                continue
            estimate = slope([place for place, _ in known], [sample for _, sample in known])
            comparison = (
                compare_with_threshold(estimate, self.threshold, side=self.side)
                if self.side
                else compare_with_value(estimate, self.threshold, margin=self.margin)
            )
            part = Part(comparison, "1", 0.0 if self.side else self.margin, self.threshold, "slope", tuple(ours))
            found.parts[setting] = part
        asked = f" with {self.measure.analysis}" if self.measure.analysis else ""
        return found.judgement(f"{missing_arms(self.arms, where)}, at {self.fewest} depths or more{asked}")

    def _depths(self, trials: Trials, where: Fields) -> Iterator[tuple[str, list[ClaimCell]]]:
        for setting, cells in trials.settings(where, ("depth",)).items():
            ours = [cell for cell in cells if self.arm.holds(cell.params)]
            if len(ours) >= self.fewest:
                yield setting, ours

    def seeds(self, level: float, examples: int) -> int | None:
        """None: the scatter about the line decides, which no prior tells."""
        return None
