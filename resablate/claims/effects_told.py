"""What the axes of a sweep do, in a sentence each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from resablate.claims.answer import Answer
from resablate.claims.answering import Answers
from resablate.claims.sweep_comparisons import Effect
from resablate.statistics import Verdict

DECIDED = (Verdict.CONTRADICTED, Verdict.SUPPORTED, Verdict.EQUIVALENT)
_MOST_NAMED = 6
"""Values that a sentence lists."""


@dataclass(frozen=True)
class ToldEffect:
    """What one axis does to one number.

    Args:
        effect: which.
        answers: those of its comparisons, the decided ones first.
    """

    effect: Effect
    answers: tuple[Answer, ...]

    @property
    def head(self) -> str:
        """`test error by depth, against depth 20`."""
        first = list(dict.fromkeys(self.effect.against.values()))
        against = first[0] if len(first) == 1 else "the first value"
        return f"{self.effect.measure.name} by {self.effect.axis}, against {against}"

    @property
    def told(self) -> str:
        """`worse: no shortcut (depth 56); undecided: 11`: values by what they come to, the undecided ones counted."""
        groups: dict[str, list[str]] = {}
        for answer in self.answers:
            groups.setdefault(answer.word, []).append(self.value(answer))
        decided = {answer.word for answer in self.answers if answer.verdict in DECIDED}
        parts = [
            f"{word}: {'; '.join(values) if word in decided and len(values) <= _MOST_NAMED else len(values)}"
            for word, values in groups.items()
        ]
        if not decided:
            counts = ", ".join(f"{len(values)} {word}" for word, values in groups.items())
            seeds = self._with_seeds
            if len(self.answers) == 1:
                return f"{counts.removeprefix('1 ')}{seeds}"
            return f"nothing is decided yet{seeds} ({counts})"
        return ", ".join(parts)

    @property
    def _with_seeds(self) -> str:
        """` with 3 seeds of each`, or `2 to 3` where cells differ; empty where nothing was compared."""
        counts = {count for answer in self.answers if answer.shown for count in answer.shown.seeds}
        if not counts:
            return ""
        least, most = min(counts), max(counts)
        number = str(most) if least == most else f"{least} to {most}"
        return f" with {number} seed{'s' if most > 1 else ''} of each"

    def value(self, answer: Answer) -> str:
        """`no shortcut (depth 56)`: the value that is compared, and where."""
        setting = self.effect.setting[answer.claim.id]
        return self.effect.changed[answer.claim.id] + (f" ({setting})" if setting else "")

    def compared(self, answer: Answer) -> str:
        """`no shortcut against identity (depth 56)`."""
        name = answer.claim.id
        setting = self.effect.setting[name]
        return f"{self.effect.changed[name]} against {self.effect.against[name]}" + (f" ({setting})" if setting else "")


def told_effects(found: Answers) -> list[ToldEffect]:
    """What the axes of the sweep do, as far as it is known."""
    by_id = {answer.claim.id: answer for answer in found.answers}
    return [
        ToldEffect(effect, tuple(decided_first([by_id[name] for name in effect.claims]))) for effect in found.effects
    ]


def published_answers(found: Answers) -> list[Answer]:
    """The answers to published claims."""
    own = {name for effect in found.effects for name in effect.claims}
    return [answer for answer in found.answers if answer.claim.id not in own]


def decided_first(answers: Sequence[Answer]) -> list[Answer]:
    """Those that are decided, in their order, and then the others, the nearest to a decision and the largest first."""

    def place(answer: Answer) -> tuple[float, ...]:
        if answer.verdict in DECIDED:
            return (0.0, 0.0, 0.0)
        return (1.0, answer.decision.p_value, -abs(answer.shown.value) if answer.shown else 0.0)

    return sorted(answers, key=place)
