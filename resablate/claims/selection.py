"""Which cells a rule compares: by arms and settings, whatever they come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from resablate.claims.arms import Arm, Fields, OneOf, Other, Params, Within
from resablate.claims.claim import Compared, Judgement, Part
from resablate.claims.pairs import nobody_learned, notes_on
from resablate.claims.trials import ClaimCell, Measured, Trials

Fits = Callable[[Params, Params], bool]


def any_two(claimed: Params, rival: Params) -> bool:
    """Any two cells of a setting are compared."""
    return True


def grouped(
    trials: Trials, where: Fields, varies: tuple[str, ...], arms: Sequence[Arm]
) -> Iterator[tuple[str, list[list[ClaimCell]]]]:
    """Setting in words, and the cells of each arm, of the settings in which all arms are there.

    What is said of an arm and every other is not said of it and those that happen to have been trained.
    """
    for name, cells in trials.settings(where, varies).items():
        found = [[cell for cell in cells if arm.holds(cell.params)] for arm in arms]
        if all(found):
            yield name, found


def missing_arms(arms: Sequence[Arm], where: Fields) -> str:
    """What would have to run, in words."""
    fields = ", ".join(f"{name} {_condition(value)}" for name, value in where.items())
    names = " and ".join(dict.fromkeys(arm.name for arm in arms))
    return f"trainings with {names}, equal in everything else" + (f" ({fields})" if fields else "")


def _condition(value: object) -> str:
    match value:
        case Within():
            return f"of {value.low:g} or more"
        case OneOf():
            return " or ".join(map(str, value.values))
        case Other():
            return f"other than {' and '.join(map(str, value.values))}"
        case _:
            return str(value)


def opposed(
    trials: Trials, where: Fields, varies: tuple[str, ...], arms: Sequence[Arm], fits: Fits = any_two
) -> Iterator[tuple[str, ClaimCell, ClaimCell]]:
    """Setting in words, a cell of the first arm, and one of another arm that it is compared with."""
    for setting, (ours, *others) in grouped(trials, where, varies, arms):
        for one, other in product(ours, [cell for cells in others for cell in cells]):
            if one is not other and fits(one.params, other.params):
                yield setting, one, other


def compared_pairs(
    trials: Trials, where: Fields, varies: tuple[str, ...], arms: Sequence[Arm], fits: Fits = any_two
) -> list[Compared]:
    """Every cell of the first arm with every cell of the others, setting by setting."""
    return [Compared((one, other)) for _, one, other in opposed(trials, where, varies, arms, fits)]


def single_cells(trials: Trials, where: Fields, arm: Arm) -> list[tuple[str, ClaimCell]]:
    """Setting in words, and the arm's cell in it."""
    return [
        (name, cell) for name, cells in trials.settings(where, ()).items() for cell in cells if arm.holds(cell.params)
    ]


@dataclass
class Found:
    """Parts and notes as they come in."""

    parts: dict[str, Part] = field(default_factory=dict[str, Part])
    notes: list[str] = field(default_factory=list[str])
    cannot_decide: bool = False

    def note(self, measured: Sequence[Measured], names: Sequence[str]) -> None:
        """What a reader should know of these cells."""
        self.notes.extend(notes_on(measured, names))
        self.cannot_decide |= nobody_learned(measured)

    def note_by_setting(self, told: Mapping[str, Sequence[str]]) -> None:
        """Setting -> what is said there: each sentence once, with its settings where there are several."""
        said: dict[str, list[str]] = {}
        for setting, sentences in told.items():
            for sentence in sentences:
                said.setdefault(sentence, []).append(setting)
        self.notes += [(f"{'; '.join(at)}: " if len(told) > 1 else "") + one for one, at in said.items()]

    def judgement(self, missing: str) -> Judgement:
        """All of it; `missing` says what would have to run where there is no part."""
        if not self.parts:
            return Judgement({}, missing, tuple(dict.fromkeys(self.notes)))
        return Judgement(self.parts, "", tuple(dict.fromkeys(self.notes)), self.cannot_decide)
