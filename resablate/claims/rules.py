"""The kinds of rules that compare cells within a setting: trainings equal in everything but what the claim compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from resablate.claims.arms import Arm, Fields
from resablate.claims.claim import Compared, Judgement
from resablate.claims.measures import ERROR, Measure
from resablate.claims.pairs import Compare, Pair, compare_pair
from resablate.claims.selection import Fits, Found, any_two, compared_pairs, missing_arms, opposed
from resablate.claims.trials import Trials, cell_label
from resablate.measurement import ANY
from resablate.statistics import (
    compare,
    compare_equivalent,
    compare_with_threshold,
    compare_with_value,
    difference,
    sd_of_test_set,
    seeds_needed,
)
from resablate.statistics.scales import Scale

TYPICAL_ERROR = 0.0661
"""Of a network in the papers: He et al. 2016, Table 1; with the test set's size it gives the prior sd over seeds."""


def prior_seeds(published: float | None, level: float, examples: int) -> int | None:
    """Seeds by the prior of a finite test set; None where no effect was published."""
    if published is None:
        return None
    sd = float(sd_of_test_set(TYPICAL_ERROR, examples))
    return seeds_needed(abs(published), seed_sds=(sd, sd), level=level)


def compare_arms(
    trials: Trials,
    where: Fields,
    *,
    varies: tuple[str, ...],
    claimed: Arm,
    rivals: Sequence[Arm],
    measure: Measure,
    comparing: Compare,
    margin: float,
    noun: str = "lower by",
    fits: Fits = any_two,
) -> Judgement:
    """Every cell of the claimed arm against every cell of the rivals, setting by setting."""
    found = Found()
    trained: dict[str, list[str]] = {}
    for setting, one, other in opposed(trials, where, varies, [claimed, *rivals], fits):
        measured = trials.measured([one, other], measure)
        names = [cell_label(one, varies), cell_label(other, varies)]
        pair = Pair(*measured, name=f"{setting}: {names[0]} against {names[1]}")
        found.parts.update(compare_pair(pair, measure, comparing, margin=margin, noun=noun))
        found.note(measured, names)
        trained.setdefault(setting, []).append(names[1])
    if any(arm.is_open for arm in rivals):
        found.note_by_setting({at: [f"compared with {', '.join(names)}"] for at, names in trained.items()})
    return found.judgement(missing_arms([claimed, *rivals], where))


@dataclass(frozen=True)
class Lower:
    """`claimed` has a lower number than each of `rivals`.

    Args:
        claimed: the arm that is claimed to be lower.
        rivals: all others, whatever they came to.
        varies: the fields in which the arms differ.
        measure: what is compared.
        margin: differences below it do not matter.
        published: the published size of the (smallest) difference.
        fits: which cells of the arms are compared: all, unless they are told apart by their sizes too.
    """

    claimed: Arm
    rivals: tuple[Arm, ...]
    varies: tuple[str, ...]
    measure: Measure = ERROR
    margin: float = 0.001
    published: float | None = None
    fits: Fits = any_two

    @property
    def text(self) -> str:
        """The rule in a sentence."""
        others = " and ".join(arm.name for arm in self.rivals)
        return f"supported where the {self.measure.name} of {self.claimed.name} is lower than that of {others}"

    @property
    def arms(self) -> Sequence[Arm]:
        """All."""
        return (self.claimed, *self.rivals)

    @property
    def measures(self) -> Sequence[Measure]:
        """The one."""
        return (self.measure,)

    def compared(self, trials: Trials, where: Fields) -> Sequence[Compared]:
        """Every pair in every setting."""
        return compared_pairs(trials, where, self.varies, self.arms, self.fits)

    def judge(self, trials: Trials, where: Fields) -> Judgement:
        """Every pair in every setting."""
        return compare_arms(
            trials,
            where,
            varies=self.varies,
            claimed=self.claimed,
            rivals=self.rivals,
            measure=self.measure,
            comparing=lambda a, b: compare(a, b, margin=self.margin, published=self.published),
            margin=self.margin,
            fits=self.fits,
        )

    def seeds(self, level: float, examples: int) -> int | None:
        """By the published difference of test errors."""
        return prior_seeds(self.published, level, examples)


@dataclass(frozen=True)
class Equal:
    """The numbers of `claimed` and `rival` differ by less than `margin`."""

    claimed: Arm
    rival: Arm
    varies: tuple[str, ...]
    margin: float
    measure: Measure = ERROR
    fits: Fits = any_two

    @property
    def text(self) -> str:
        """The rule in a sentence."""
        arms = f"{self.claimed.name} and {self.rival.name}"
        return f"supported where the {self.measure.name} of {arms} differs by less than {self.margin:g}"

    @property
    def arms(self) -> Sequence[Arm]:
        """Both."""
        return (self.claimed, self.rival)

    @property
    def measures(self) -> Sequence[Measure]:
        """The one."""
        return (self.measure,)

    def compared(self, trials: Trials, where: Fields) -> Sequence[Compared]:
        """Every pair in every setting."""
        return compared_pairs(trials, where, self.varies, self.arms, self.fits)

    def judge(self, trials: Trials, where: Fields) -> Judgement:
        """Every pair in every setting."""
        return compare_arms(
            trials,
            where,
            varies=self.varies,
            claimed=self.claimed,
            rivals=(self.rival,),
            measure=self.measure,
            comparing=lambda a, b: compare_equivalent(a, b, margin=self.margin),
            margin=self.margin,
            noun="differs by",
            fits=self.fits,
        )

    def seeds(self, level: float, examples: int) -> int | None:
        """An interval of two one-sided tests is as wide as the margin at about the seeds that decide the margin."""
        return prior_seeds(self.margin, level, examples) if self.measure is ERROR else None


@dataclass(frozen=True)
class DifferenceIs:
    """The number of `claimed` less that of `rival` lies on a side of `threshold`, or within `margin` of it.

    Args:
        claimed: one arm.
        rival: the other.
        varies: the fields in which they differ.
        measure: what is compared; on `scale` "log" the difference is the log of a ratio.
        threshold: the published or stated difference.
        margin: within which it is "the same"; None for a claim that it lies below the threshold.
        scale: of the difference.
    """

    claimed: Arm
    rival: Arm
    varies: tuple[str, ...]
    measure: Measure
    threshold: float
    margin: float | None = None
    scale: Scale = "identity"

    @property
    def text(self) -> str:
        """The rule in a sentence."""
        side = "below" if self.margin is None else f"within {self.margin:g} of"
        ratio = " (of logarithms)" if self.scale == "log" else ""
        return (
            f"supported where the {self.measure.name} of {self.claimed.name} less that of {self.rival.name}{ratio} is"
            f" {side} {self.threshold:.3g}"
        )

    @property
    def arms(self) -> Sequence[Arm]:
        """Both."""
        return (self.claimed, self.rival)

    @property
    def measures(self) -> Sequence[Measure]:
        """The one."""
        return (self.measure,)

    def compared(self, trials: Trials, where: Fields) -> Sequence[Compared]:
        """Every pair in every setting."""
        return compared_pairs(trials, where, self.varies, self.arms)

    def judge(self, trials: Trials, where: Fields) -> Judgement:
        """Every pair in every setting."""
        scale, threshold, margin = self.scale, self.threshold, self.margin
        noun = "difference" if scale == "identity" else "ln of the ratio"
        judged = compare_arms(
            trials,
            where,
            varies=self.varies,
            claimed=self.claimed,
            rivals=(self.rival,),
            measure=self.measure,
            comparing=lambda a, b: (
                compare_with_threshold(difference(a, b, scale=scale), threshold, side="below")
                if margin is None
                else compare_with_value(difference(a, b, scale=scale), threshold, margin=margin)
            ),
            margin=margin or 0.0,
            noun=noun,
        )
        compared = {name: part for name, part in judged.parts.items() if part.noun == noun}
        for name, part in compared.items():
            seen = replace(part, reference=threshold)
            compared[name] = seen if scale == "identity" else replace(seen, unit="1", possible=ANY)
        return replace(judged, parts={**judged.parts, **compared})

    def seeds(self, level: float, examples: int) -> int | None:
        """None: no effect was published."""
        return None
