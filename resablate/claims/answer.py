"""All claims of a report, decided together at one level, and what is said of each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from resablate.claims import CLAIMS
from resablate.claims.claim import Claim, Judgement, Part
from resablate.claims.failing import seeds_of_rate
from resablate.claims.measures import ERROR
from resablate.claims.pairs import amount, margin_note, more_of_what, pairing_note
from resablate.claims.rounds import LEVEL
from resablate.claims.trials import Trials
from resablate.datasets import DATASETS
from resablate.result import TrialResult
from resablate.statistics import (
    Comparison,
    Decision,
    Look,
    Rate,
    Verdict,
    decide_family,
    deciding_look,
    seeds_from_estimate,
)
from resablate.statistics.comparison import ONE_SEED
from resablate.statistics.estimate import Estimate
from resablate.statistics.planning import MOST_SEEDS

OPPOSITES = {
    "lower by": "higher by",
    "failures less often by": "failures more often by",
    "grows by": "shrinks by",
    "part of the epochs less": "part of the epochs more",
}
"""How a difference is told that is negative: the claim is wrong."""


@dataclass(frozen=True)
class Shown:
    """The part that a verdict hangs on.

    Args:
        name: of the part: the setting, and what is compared.
        part: itself, as it was at the look that decided it, or at the last one.
        value: its number.
        low: the lower end of its interval.
        high: the upper end.
        level: of that interval: that at which the part was decided, in rounds the look's share of it.
        look: which look that was; None where seeds did not come in rounds.
        decision: what the part comes to by itself.
    """

    name: str
    part: Part
    value: float
    low: float
    high: float
    level: float
    look: Look | None
    decision: Decision

    @property
    def seeds(self) -> tuple[int, ...]:
        """The trainings of each cell."""
        return self.part.comparison.estimate.seeds


@dataclass(frozen=True)
class Answer:
    """What results say about one claim.

    Args:
        claim: which.
        judgement: everything that was compared.
        decision: at the level that the other claims of the report leave for it.
        to_come: what runs yet before it is decided or given up, where seeds come in rounds that have not ended.
    """

    claim: Claim
    judgement: Judgement
    decision: Decision
    to_come: str = ""

    @property
    def verdict(self) -> Verdict:
        """One of five."""
        return self.decision.verdict

    @property
    def word(self) -> str:
        """The verdict; of a comparison that a sweep itself asks for, what it came to: `better`, `lower`, `the same`."""
        words = _ERROR_WORDS if ERROR in self.claim.rule.measures else _NUMBER_WORDS
        return words.get(self.verdict, str(self.verdict)) if self.claim.own else str(self.verdict)

    @cached_property
    def shown(self) -> Shown | None:
        """The part that the verdict hangs on; None where nothing was compared.

        The one that contradicts most where the claim is contradicted, else the one that is least certain. A claim is
        supported where each part is at the claim's level, and contradicted by a part at that level corrected for their
        number: the interval is at that one, and where it is undecided at that of the side that the part leans to.
        """
        parts, contradicted = self.judgement.parts, self.verdict is Verdict.CONTRADICTED
        if not (known := {n: p for n, p in parts.items() if math.isfinite(float(p.comparison.estimate.value))}):
            return None

        def certainty(name: str) -> tuple[float, float]:
            """Of equally uncertain parts the one with the smallest number; of rates the first, the claim's own arm."""
            found = known[name].comparison
            value = 0.0 if isinstance(found.estimate, Rate) else float(found.estimate.value)
            return (-float(found.evidence.contradicted) if contradicted else float(found.evidence.supported), -value)

        name = max(known, key=certainty)
        part, decision = known[name], self.decision.parts.get(name, self.decision)
        against = contradicted or (self.verdict is Verdict.UNDECIDED and part.leans_against)
        level = decision.level if against else self.decision.level
        look = deciding_look(part.looks, self.decision.level, count=len(parts)) if part.looks else None
        if look:
            level *= look.share
            seen = replace(part.comparison, estimate=look.comparison.estimate, planned=None)
            part = replace(part.at(look), comparison=seen)
        estimate = part.comparison.estimate
        low, high = part.ends(estimate.interval(level))
        return Shown(name, part, float(estimate.value), low, high, level, look, decision)

    @property
    def one_seed(self) -> bool:
        """Whether nothing is missing but a second training."""
        missing = [part.comparison.missing for part in self.judgement.parts.values() if part.comparison.missing]
        return bool(missing) and all(reason == ONE_SEED for reason in missing)

    @property
    def numbers(self) -> str:
        """The difference with its interval: `lower by +1.56 points (+0.90 to +2.22)`; empty where there is none."""
        if (shown := self.shown) is None:
            return ""
        part, noun = shown.part, shown.part.noun
        value, low, high = shown.value, shown.low, shown.high
        if value < 0 and noun in OPPOSITES:
            value, low, high, noun = -value, -high, -low, OPPOSITES[noun]
        text = f"{noun} {amount(value, part.unit)}"
        if not (math.isfinite(low) and math.isfinite(high)):
            return text
        return f"{text} ({' to '.join(amount(end, part.unit).split(' ')[0] for end in (low, high))})"

    @property
    def seeds(self) -> str:
        """`5 and 5`: the trainings of each cell of the part that is shown."""
        if (shown := self.shown) is None:
            return ""
        counts = sorted(shown.seeds)
        if len(set(counts)) == 1:
            return f"{counts[0]} each" if len(counts) > 1 else str(counts[0])
        pair = len(counts) == len(("two", "cells"))
        return " and ".join(map(str, counts)) if pair else f"{min(counts)} to {max(counts)}"

    @property
    def needed(self) -> int | None:
        """Trainings of each cell that would decide an effect of the published size with 80 % power."""
        if self.verdict is not Verdict.UNDECIDED and not self.one_seed:
            return None
        if (shown := self.shown) is None or self.judgement.cannot_decide:
            return None
        decision, part = shown.decision, shown.part
        if isinstance(part.comparison.estimate, Rate):
            found = seeds_of_rate(shown.level)
        else:
            found = decision.seeds_needed if shown.look is None else _needed_at(part.comparison, shown.level)
            if found is None and not _spread_is_known(part.comparison):
                found = self.claim.rule.seeds(shown.level, self._test_examples(part))
        return found if found is not None and found > max(shown.seeds, default=0) else None

    @staticmethod
    def _test_examples(part: Part) -> int:
        names = [cell.spec.dataset.name for cell in part.cells]
        rows = [DATASETS[name] for name in names if name in DATASETS]
        return max((row.test_count for row in rows), default=0) or _USUAL_TEST_SET

    @property
    def missing(self) -> str:
        """What would have to run, where the claim is not tested; empty otherwise."""
        if self.verdict is not Verdict.NOT_TESTED:
            return ""
        if not self.judgement.parts:
            return self.judgement.missing
        reasons = {p.comparison.missing: name for name, p in self.judgement.parts.items() if p.comparison.missing}
        return "; ".join(
            f"{name}: {'a second seed' if reason == ONE_SEED else reason}" for reason, name in reasons.items()
        )

    @property
    def what_would_decide(self) -> str:
        """What would decide it, where it is not decided; empty otherwise."""
        if not self.verdict.is_open:
            return ""
        if self.to_come:
            return self.to_come
        if self.verdict is Verdict.NOT_TESTED:
            return f"needs {self.missing}"
        return "a setting in which the networks learn" if self.judgement.cannot_decide else self._seeds_that_decide

    @property
    def _seeds_that_decide(self) -> str:
        needed = self.needed
        size = "a difference as large as the measured one" if self.claim.own else "an effect of the published size"
        seeds = f"{needed} seeds of each decide {size} with 80 % power" if needed else ""
        if needed and (shown := self.shown) and isinstance(shown.part.comparison.estimate, Rate):
            seeds = f"{needed} seeds of each, if all of them fail, or none"
        if self.one_seed:
            usual = ", if seeds differ as those of the papers do" if needed else ""
            return f"one seed: {seeds or 'a second one of each is needed'}{usual}"
        if not seeds and (shown := self.shown) and shown.part.comparison.published is not None:
            return f"more than {MOST_SEEDS:,} seeds of each, for {size}"
        return seeds or more_of_what(self.shown.part if self.shown else None)

    @property
    def notes(self) -> list[str]:
        """What a reader should know; where undecided also that the seeds cannot resolve the margin."""
        found = [pairing_note(part) for part in self.judgement.parts.values()]
        open_ = self.verdict is Verdict.UNDECIDED and not self.judgement.cannot_decide
        found += [margin_note(shown.part, shown.level)] if open_ and (shown := self.shown) else []
        return [*self.judgement.notes, *dict.fromkeys(filter(None, found))]

    @property
    def published(self) -> list[str]:
        """The published numbers that stand for what was compared here."""
        return self.claim.published_for(cell for part in self.judgement.parts.values() for cell in part.cells)

    @property
    def method(self) -> str:
        """How the part that is shown was compared, with the correlation over shared seeds."""
        if (shown := self.shown) is None:
            return ""
        correlation = shown.part.comparison.estimate.correlation
        told = f"; correlation over shared seeds {float(correlation):.2f}" if correlation is not None else ""
        look = shown.look
        rounds = f"; look {look.index + 1}, which spends {100 * look.share:.3g} % of the level" if look else ""
        return f"{shown.part.comparison.estimate.method}{told}{rounds}; interval at {100 * shown.level:.2g} %"

    def record(self) -> dict[str, Any]:
        """Everything as plain values."""
        decision, shown = self.decision, self.shown
        return {
            "claim": self.claim.id,
            "statement": self.claim.statement,
            "verdict": self.word,
            "numbers": self.numbers,
            "compared": shown.name if shown else "",
            "difference": _finite(shown.value) if shown else None,
            "low": _finite(shown.low) if shown else None,
            "high": _finite(shown.high) if shown else None,
            "level": shown.level if shown else decision.level,
            "seeds": list(shown.seeds if shown else decision.seeds),
            "look": shown.look.index + 1 if shown and shown.look else None,
            "method": self.method,
            "what_would_decide": self.what_would_decide,
            "seeds_needed": self.needed,
            "notes": self.notes,
            "published": self.published,
            "parts": {name: str(part.verdict) for name, part in decision.parts.items()},
        }


_USUAL_TEST_SET = 10_000
_ERROR_WORDS = {Verdict.SUPPORTED: "better", Verdict.CONTRADICTED: "worse", Verdict.EQUIVALENT: "the same"}
_NUMBER_WORDS = {Verdict.SUPPORTED: "lower", Verdict.CONTRADICTED: "higher", Verdict.EQUIVALENT: "the same"}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _spread_is_known(comparison: Comparison) -> bool:
    """Whether the trainings tell how far seeds differ, so that no prior has to."""
    estimate = comparison.planned or comparison.estimate
    return isinstance(estimate, Estimate) and comparison.published is not None and not estimate.one_seed


def _needed_at(comparison: Comparison, level: float) -> int | None:
    """Trainings of each cell for the published size, where a look may spend `level`."""
    if comparison.published is None or not isinstance(comparison.estimate, Estimate):
        return None
    return seeds_from_estimate(comparison.estimate, abs(comparison.published), level=level)


def answer_claims(
    results: Iterable[TrialResult], *, claims: Mapping[str, Claim] = CLAIMS, level: float = LEVEL
) -> tuple[Answer, ...]:
    """Every claim decided over the results of one sweep or several, at one level for all together."""
    trials = Trials(results)
    judged = {name: claim.judge(trials) for name, claim in claims.items()}
    decided = decide_family({name: judgement.comparison for name, judgement in judged.items()}, level=level)
    return tuple(Answer(claim, judged[name], decided[name]) for name, claim in claims.items())
