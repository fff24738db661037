"""What a claim is, and what measured results say about it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from resablate.claims.arms import Arm, Fields, Params, matches
from resablate.claims.measures import Measure, Unit
from resablate.claims.trials import ClaimCell, Trials
from resablate.measurement import ANY, Bounds
from resablate.statistics import Comparison, Interval, Look, in_every
from resablate.statistics.estimate import Array
from resablate.statistics.verdict import NOTHING


@dataclass(frozen=True)
class Published:
    """A published number and everything it stands for.

    Args:
        text: the number.
        source: paper and table.
        fields: of the training that gave it; it is shown where all of them are equal, else not at all.
    """

    text: str
    source: str
    fields: Fields

    def stands_for(self, params: Params) -> bool:
        """Whether it was measured of such a training."""
        return matches(params, self.fields)


@dataclass(frozen=True)
class Part:
    """One comparison of a claim, in one setting.

    Args:
        comparison: of the statistics.
        unit: of its number.
        margin: differences below it do not matter; 0 where there is none.
        reference: what the number is seen against: 0, or a threshold.
        noun: what the number is: "lower by", "part of failing trainings".
        cells: whose trainings were compared.
        aspect: which rule of a claim of several it belongs to; empty where there is one.
        looks: those that `comparison` is over, where seeds came in rounds; the first trainings of each cell in each.
        possible: the least and the greatest value that the number can have; an interval is told as far as that.
        at_looks: the part as each of `looks` had it: of several numbers of the same cells the least certain one.
    """

    comparison: Comparison
    unit: Unit
    margin: float = 0.0
    reference: float = 0.0
    noun: str = "difference"
    cells: tuple[ClaimCell, ...] = ()
    aspect: str = ""
    looks: tuple[Look, ...] = ()
    possible: Bounds = ANY
    at_looks: tuple[Part, ...] = ()

    @property
    def leans_against(self) -> bool:
        """Whether its number contradicts the claim more than it supports it."""
        evidence = self.comparison.evidence
        return float(evidence.contradicted) < float(evidence.supported)

    def at(self, look: Look) -> Part:
        """The part as that look had it, with all looks."""
        place = [one.index for one in self.looks].index(look.index)
        return replace(self.at_looks[place], looks=self.looks, at_looks=self.at_looks)

    def ends(self, interval: Interval) -> tuple[float, float]:
        """The ends of an interval of the number, as far as it can go; infinite ones where nothing is known of them.

        What is cut off holds no possible value, so the interval covers as often as before.
        """
        low, high = float(interval.low), float(interval.high)
        least, greatest = self.possible
        return (max(low, least), min(high, greatest)) if math.isfinite(low) and math.isfinite(high) else (low, high)


@dataclass(frozen=True)
class Compared:
    """Cells that a claim compares with each other, whatever they come to.

    Args:
        cells: in the order in which a `Part` has them.
        aspect: as that of a `Part`.
    """

    cells: tuple[ClaimCell, ...]
    aspect: str = ""


def comparison_name(compared: Compared | Part) -> tuple[str, ...]:
    """What tells the comparisons of one claim apart: the rule and the cells."""
    return (compared.aspect, *(cell.key for cell in compared.cells))


@dataclass(frozen=True)
class Judgement:
    """Everything that was compared for a claim.

    Args:
        parts: by name: setting and what is compared.
        missing: what would have to run, where there is no part.
        notes: what a reader should know, a sentence each.
        cannot_decide: whether no network of a setting has learned, so that more seeds do not help.
    """

    parts: Mapping[str, Part]
    missing: str = ""
    notes: tuple[str, ...] = ()
    cannot_decide: bool = False

    @property
    def comparison(self) -> Comparison:
        """That of the only part, or the claim that every part holds."""
        if not self.parts:
            return untested(self.missing)
        found = {name: part.comparison for name, part in self.parts.items()}
        return next(iter(found.values())) if len(found) == 1 else in_every(found)


@dataclass(frozen=True)
class Unknown:
    """No number at all: an `Estimated` of nothing."""

    method: str = ""
    correlation: None = None
    seeds: tuple[int, ...] = ()

    @property
    def value(self) -> Array:
        """NaN."""
        return np.asarray(math.nan)

    def interval(self, level: float = 0.05) -> Interval:
        """NaN to NaN."""
        return Interval(self.value, self.value, level)


@dataclass(frozen=True)
class Counted:
    """A number that is counted, without noise: an `Estimated` whose interval is a point."""

    number: float
    seeds: tuple[int, ...]
    method: str = "counted, without noise"
    correlation: None = None

    @property
    def value(self) -> Array:
        """The number."""
        return np.asarray(self.number)

    def interval(self, level: float = 0.05) -> Interval:
        """The number itself."""
        return Interval(self.value, self.value, level)


def untested(missing: str) -> Comparison:
    """A comparison of which `missing` has to run first."""
    return Comparison(Unknown(), NOTHING, missing=missing)


class Rule(Protocol):
    """How a claim is decided: one of the kinds in `rules`, or a conjunction of them."""

    @property
    def text(self) -> str:
        """When the verdict is what, in a sentence."""
        ...

    @property
    def arms(self) -> Sequence[Arm]:
        """The trainings that are compared."""
        ...

    @property
    def measures(self) -> Sequence[Measure]:
        """What is read of them."""
        ...

    def compared(self, trials: Trials, where: Fields) -> Sequence[Compared]:
        """What it would compare of the trainings with the fields `where`; empty where they cannot decide it."""
        ...

    def judge(self, trials: Trials, where: Fields) -> Judgement:
        """What the completed trainings with the fields `where` say."""
        ...

    def seeds(self, level: float, examples: int) -> int | None:
        """Trainings of each cell that decide the published effect with 80 % power; None where that is not known."""
        ...


def _no_fields() -> Fields:
    return {}


@dataclass(frozen=True, eq=False)
class Claim:
    """One published sentence as a check on results.

    Args:
        id: of the paper's first letter and a number.
        statement: the sentence, in our words.
        source: paper, section and table.
        rule: how it is decided.
        where: fields that all trainings have which count, fixed before anything is measured.
        published: the paper's own numbers.
        base: fields of a sweep for it besides those that are compared, where the network is a special one.
        own: whether it is a comparison that a sweep itself asks for, and nobody published.
    """

    id: str
    statement: str
    source: str
    rule: Rule
    where: Fields = field(default_factory=_no_fields)
    published: tuple[Published, ...] = ()
    base: Mapping[str, Any] = field(default_factory=_no_fields)
    own: bool = False

    def compared(self, trials: Trials) -> Sequence[Compared]:
        """What it would compare, whatever it comes to; empty where these cells cannot decide it."""
        return self.rule.compared(trials, self.where)

    def judge(self, trials: Trials) -> Judgement:
        """What was measured, without a verdict: that depends on the other claims of the report."""
        return self.rule.judge(trials, self.where)

    @property
    def questions(self) -> dict[str, dict[str, Any]]:
        """Analysis -> how a sweep asks for it."""
        found: dict[str, dict[str, Any]] = {}
        for measure in self.rule.measures:
            if measure.analysis:
                found.setdefault(measure.analysis, {}).update(measure.asked)
        return found

    @property
    def asked(self) -> str:
        """The questions in words, each with the moments at which it is asked besides the end."""
        return ", ".join(map(_in_words, self.questions, self.questions.values()))

    @property
    def needs(self) -> str:
        """The trainings and questions it needs, in a line."""
        arms = ", ".join(dict.fromkeys(arm.name for arm in self.rule.arms))
        return (arms or self.rule.text) + (f"; asks {self.asked}" if self.questions else "")

    def published_for(self, cells: Iterable[ClaimCell]) -> list[str]:
        """The published numbers that stand for one of these cells."""
        known = list(cells)
        rows = [row for row in self.published if any(row.stands_for(cell.params) for cell in known)]
        return list(dict.fromkeys(f"{row.text} ({row.source})" for row in rows))


def _in_words(analysis: str, asked: Mapping[str, Any]) -> str:
    epochs = [epoch for epoch in asked.get("epochs", ()) if epoch]
    moments = ["before the first step"] if 0 in asked.get("epochs", ()) else []
    moments += [f"after {len(epochs)} epochs such as {', '.join(map(str, epochs))}"] if epochs else []
    return analysis + (f", also {' and '.join(moments)}" if moments else "")
