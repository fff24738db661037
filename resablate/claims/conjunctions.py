"""Claims of several parts, and claims that nothing decides yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from resablate.claims.arms import Arm, Fields
from resablate.claims.claim import Compared, Judgement, Part, Rule, untested
from resablate.claims.measures import Measure
from resablate.claims.trials import Trials


@dataclass(frozen=True)
class Every:
    """Every one of several rules holds; each says which part of the claim it is.

    Args:
        rules: by that part.
        also: fields that all trainings of a part have.
    """

    rules: Mapping[str, Rule]
    also: Mapping[str, Fields] | None = None

    @property
    def text(self) -> str:
        """All of their sentences."""
        return "; and ".join(f"{name}: {rule.text}" for name, rule in self.rules.items())

    @property
    def arms(self) -> Sequence[Arm]:
        """All of theirs."""
        return [arm for rule in self.rules.values() for arm in rule.arms]

    @property
    def measures(self) -> Sequence[Measure]:
        """All of theirs."""
        return tuple(measure for rule in self.rules.values() for measure in rule.measures)

    def compared(self, trials: Trials, where: Fields) -> Sequence[Compared]:
        """What each of them compares; nothing where one of them has nothing to compare."""
        found: list[Compared] = []
        for name, rule in self.rules.items():
            compared = rule.compared(trials, self._where(name, where))
            if not compared:
                return []
            found += [replace(one, aspect=name) for one in compared]
        return found

    def _where(self, name: str, where: Fields) -> Fields:
        return {**where, **(self.also or {}).get(name, {})}

    def judge(self, trials: Trials, where: Fields) -> Judgement:
        """Each of them; one that is not tested leaves the claim untested unless another contradicts it."""
        parts: dict[str, Part] = {}
        notes: list[str] = []
        missing: list[str] = []
        cannot_decide = False
        for name, rule in self.rules.items():
            judged = rule.judge(trials, self._where(name, where))
            notes.extend(judged.notes)
            cannot_decide |= judged.cannot_decide
            if judged.parts:
                parts.update({f"{name}: {key}": replace(part, aspect=name) for key, part in judged.parts.items()})
            else:
                missing.append(judged.missing)
                parts[name] = Part(untested(judged.missing), "1", aspect=name)
        if len(missing) == len(self.rules):
            return Judgement({}, "; ".join(dict.fromkeys(missing)), tuple(dict.fromkeys(notes)))
        return Judgement(parts, "", tuple(dict.fromkeys(notes)), cannot_decide)

    def seeds(self, level: float, examples: int) -> int | None:
        """The most that one of those needs of which it is known; None where that is only what is counted."""
        found = [rule.seeds(level, examples) for rule in self.rules.values()]
        most = max((count for count in found if count is not None), default=1)
        return None if None in found and most == 1 else most


@dataclass(frozen=True)
class Missing:
    """Nothing decides it yet: `what` names the shortcut, analysis or data that is missing."""

    what: str

    @property
    def text(self) -> str:
        """What is missing."""
        return f"cannot be tested here: needs {self.what}"

    @property
    def arms(self) -> Sequence[Arm]:
        """None."""
        return ()

    @property
    def measures(self) -> Sequence[Measure]:
        """None."""
        return ()

    def compared(self, trials: Trials, where: Fields) -> Sequence[Compared]:
        """Nothing."""
        return ()

    def judge(self, trials: Trials, where: Fields) -> Judgement:
        """Not tested."""
        return Judgement({}, self.what)

    def seeds(self, level: float, examples: int) -> int | None:
        """None."""
        return None
