"""All claims of a report, decided together at one level, and what is said of each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from resablate.claims import CLAIMS
from resablate.claims.claim import Claim, Judgement, Part
from resablate.claims.pairs import amount, margin_note
from resablate.claims.trials import Trials
from resablate.datasets import DATASETS
from resablate.result import TrialResult
from resablate.statistics import Decision, Verdict, decide_family
from resablate.statistics.comparison import ONE_SEED

OPPOSITES = {
    "lower by": "higher by",
    "failures less often by": "failures more often by",
    "grows by": "shrinks by",
    "part of the epochs less": "part of the epochs more",
}
"""How a difference is told that is negative: the claim is wrong."""
LEVEL = 0.05
"""At most so many reports have one false verdict or more."""


@dataclass(frozen=True)
class Answer:
    """What results say about one claim.

    Args:
        claim: which.
        judgement: everything that was compared.
        decision: at the level that the other claims of the report leave for it.
    """

    claim: Claim
    judgement: Judgement
    decision: Decision

    @property
    def verdict(self) -> Verdict:
        """One of five."""
        return self.decision.verdict

    @property
    def shown(self) -> tuple[str, Part, Decision] | None:
        """The part that the verdict hangs on: its name, and its own decision; None where nothing was compared.

        The one that contradicts most where the claim is contradicted, else the one that is least certain.
        """
        known = {n: p for n, p in self.judgement.parts.items() if math.isfinite(float(p.comparison.estimate.value))}
        if not known:
            return None
        contradicted = self.verdict is Verdict.CONTRADICTED

        def certainty(name: str) -> float:
            evidence = known[name].comparison.evidence
            return -float(evidence.contradicted) if contradicted else float(evidence.supported)

        name = max(known, key=certainty)
        return name, known[name], self.decision.parts.get(name, self.decision)

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
        _, part, decision = shown
        value, low, high, noun = decision.difference, decision.low, decision.high, part.noun
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
        counts = sorted(shown[2].seeds)
        if len(set(counts)) == 1:
            return f"{counts[0]} each" if len(counts) > 1 else str(counts[0])
        return (
            " and ".join(map(str, counts))
            if len(counts) == len(("two", "cells"))
            else f"{min(counts)} to {max(counts)}"
        )

    @property
    def needed(self) -> int | None:
        """Trainings of each cell that would decide an effect of the published size with 80 % power."""
        if self.verdict is not Verdict.UNDECIDED and not self.one_seed:
            return None
        if (shown := self.shown) is None:
            return None
        found = shown[2].seeds_needed or self.claim.rule.seeds(self.decision.level, self._test_examples(shown[1]))
        return found if found is not None and found > max(shown[2].seeds, default=0) else None

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
        if self.one_seed:
            return "one seed"
        if not self.judgement.parts:
            return self.judgement.missing
        reasons = {p.comparison.missing: name for name, p in self.judgement.parts.items() if p.comparison.missing}
        return "; ".join(
            f"{name}: {reason}" if reason != ONE_SEED else f"{name}: one seed" for reason, name in reasons.items()
        )

    @property
    def what_would_decide(self) -> str:
        """What would decide it, where it is not decided; empty otherwise."""
        if self.verdict not in (Verdict.UNDECIDED, Verdict.NOT_TESTED):
            return ""
        needed = self.needed
        seeds = f"{needed} seeds of each decide an effect of the published size with 80 % power" if needed else ""
        if self.verdict is Verdict.NOT_TESTED:
            return f"{self.missing}: {seeds}" if self.one_seed and seeds else f"needs {self.missing}"
        return seeds or "more seeds: no effect of a published size is known, or the test set is too small for it"

    @property
    def notes(self) -> list[str]:
        """What a reader should know; where undecided also that the seeds cannot resolve the margin."""
        wide = margin_note(shown[1]) if self.verdict is Verdict.UNDECIDED and (shown := self.shown) else ""
        return [*self.judgement.notes, *([wide] if wide else [])]

    @property
    def published(self) -> list[str]:
        """The published numbers that stand for what was compared here."""
        return self.claim.published_for(cell for part in self.judgement.parts.values() for cell in part.cells)

    @property
    def method(self) -> str:
        """How the part that is shown was compared, with the correlation over shared seeds."""
        if (shown := self.shown) is None:
            return ""
        correlation = shown[2].correlation
        told = f"; correlation over shared seeds {correlation:.2f}" if correlation is not None else ""
        return f"{shown[1].comparison.estimate.method}{told}"

    def record(self) -> dict[str, Any]:
        """Everything as plain values."""
        decision = self.decision
        return {
            "claim": self.claim.id,
            "statement": self.claim.statement,
            "verdict": str(self.verdict),
            "numbers": self.numbers,
            "difference": _finite(decision.difference),
            "low": _finite(decision.low),
            "high": _finite(decision.high),
            "level": decision.level,
            "seeds": list(decision.seeds),
            "method": self.method,
            "what_would_decide": self.what_would_decide,
            "seeds_needed": self.needed,
            "notes": self.notes,
            "published": self.published,
            "parts": {name: str(part.verdict) for name, part in decision.parts.items()},
        }


_USUAL_TEST_SET = 10_000


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def answer_claims(
    results: Iterable[TrialResult], *, claims: Mapping[str, Claim] = CLAIMS, level: float = LEVEL
) -> tuple[Answer, ...]:
    """Every claim decided over the results of one sweep or several, at one level for all together."""
    trials = Trials(results)
    judged = {name: claim.judge(trials) for name, claim in claims.items()}
    decided = decide_family({name: judgement.comparison for name, judgement in judged.items()}, level=level)
    return tuple(Answer(claim, judged[name], decided[name]) for name, claim in claims.items())
