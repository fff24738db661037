"""Seeds in rounds until claims are decided, at a level that holds whenever it stops.

The level is spent over the rounds: a look may decide at its own part of it, and the parts add up to the whole (union
bound). So a p-value of a look is divided by the look's share, and the least over the looks is a p-value whenever one
stops, whatever the dependence between looks, the number of seeds in each, the pairing, or the reason to stop. Holm's
step-down over the claims takes these p-values as it takes any others. Bounds that use the dependence spend a little
less, but they hold for normal estimates with a known spread, which two or three seeds are not.

Source: Lan & DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70 (1983); Johari, Koomen,
Pekelis & Walsh, "Always valid inference", Operations Research 70 (2022), for p-values that hold whenever one stops.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from resablate.statistics.argument_rules import check_count, check_share
from resablate.statistics.comparison import ONE_SEED, Comparison
from resablate.statistics.conjunction import every
from resablate.statistics.estimate import Estimate
from resablate.statistics.step_down import holm_levels
from resablate.statistics.verdict import NOTHING, Evidence

FIRST_SEEDS = 2
"""Two seeds decide differences of more than some ten times their spread, which most cells of a table have."""
GROWTH = 1.34
"""Each round has about a third more seeds than the one before: six rounds from 2 to 8."""
LAST_SHARE = 0.5
"""The part of the level that the last round keeps; the others have the rest in equal parts. What a stored sweep decides
depends on these three numbers, so they stay as they are."""
Name = tuple[str, ...]
"""Of a comparison within its claim."""


@dataclass(frozen=True)
class Rounds:
    """When claims are looked at.

    Attributes:
        seeds: trainings of each cell at each look, rising; the last is the most there will be.
        shares: the part of the level that each look may spend; they add up to 1.
    """

    seeds: tuple[int, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        """Raise a ValueError unless looks rise from two seeds or more and shares add up to at most 1."""
        rising = all(low < high for low, high in zip(self.seeds, self.seeds[1:], strict=False))
        if not self.seeds or self.seeds[0] < 2 or not rising:  # noqa: PLR2004 - one seed decides nothing
            raise ValueError(f"looks must rise from two seeds or more, but got {self.seeds}")
        if len(self.shares) != len(self.seeds) or not (min(self.shares) > 0 and sum(self.shares) <= 1 + 1e-9):
            raise ValueError(f"shares above 0, one for each look, must add up to at most 1, but got {self.shares}")


def plan_rounds(most: int, *, first: int = FIRST_SEEDS, last_share: float = LAST_SHARE) -> Rounds:
    """Looks from `first` to `most` seeds, each with about a third more than the one before.

    Raises:
        ValueError: unless 2 <= first <= most, and last_share lies between 0 and 1.
    """
    check_count("first", first, least=2)
    check_count("most", most, least=2)
    check_share("last_share", last_share)
    if not 2 <= first <= most:  # noqa: PLR2004
        raise ValueError(f"2 <= first <= most must hold, but got ({first=}, {most=})")
    looks = [first]
    while looks[-1] < most:
        looks.append(min(most, max(looks[-1] + 1, round(GROWTH * looks[-1]))))
    if len(looks) == 1:
        return Rounds((most,), (1.0,))
    early = (1 - last_share) / (len(looks) - 1)
    return Rounds(tuple(looks), (*(early,) * (len(looks) - 1), last_share))


@dataclass(frozen=True)
class Look:
    """One comparison at one look.

    Attributes:
        index: of the look.
        share: the part of the level that it may spend.
        comparison: of the first trainings of each cell, as many as the look has seeds.
    """

    index: int
    share: float
    comparison: Comparison


def spend(looks: Sequence[Evidence], shares: Sequence[float]) -> Evidence:
    """The evidence of all looks together: the least p-value, each divided by the share of its look.

    Args:
        looks: at each look that was made, of the shape of the worlds (...).
        shares: of the same looks.
    """

    def least(p_values: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        divided = [p_value / share for p_value, share in zip(p_values, shares, strict=True)]
        return np.minimum(1.0, np.min(divided, axis=0))

    return Evidence(
        least([each.supported for each in looks]),
        least([each.contradicted for each in looks]),
        least([each.equivalent for each in looks]),
    )


def over_looks(looks: Sequence[Look]) -> Comparison:
    """One comparison over all its looks: what was estimated last, with the evidence that was spent.

    Raises:
        ValueError: if there is no look.
    """
    if not looks:
        raise ValueError("a comparison over its looks needs one look or more, but got none")
    last = looks[-1].comparison
    evidence = spend([look.comparison.evidence for look in looks], [look.share for look in looks])
    basis = last.estimate if isinstance(last.estimate, Estimate) else None
    return Comparison(last.estimate, evidence, last.published, last.missing, last.planned or basis)


def deciding_look(looks: Sequence[Look], level: float, *, count: int = 1) -> Look:
    """The first look after which a comparison, one of `count` of its claim, is decided at `level`; or the last one."""
    for place, look in enumerate(looks):
        if _settled(over_looks(looks[: place + 1]).evidence, count, level):
            return look
    return looks[-1]


@dataclass(frozen=True)
class Standing:
    """How far the rounds of some claims are, by the trainings that have ended.

    Attributes:
        rounds: the plan.
        index: of the last round that was begun.
        ended: whether all trainings of that round have ended, and it was looked at.
        counts: cell -> trainings that it should have by now.
        open: cells that train on, or would if there were another round: of comparisons that are not decided.
        stuck: cells of comparisons that are not decided and cannot be made: a training failed, or a number is missing.
        looks: claim -> comparison -> the looks that were made.
        levels: claim -> the level that the others leave for it; empty before the first look.
        decided_at: claim -> the index of the look that decided it; absent while undecided.
    """

    rounds: Rounds
    index: int
    ended: bool
    counts: Mapping[str, int]
    open: frozenset[str]
    stuck: frozenset[str]
    looks: Mapping[str, Mapping[Name, Sequence[Look]]]
    levels: Mapping[str, float] = field(default_factory=dict[str, float])
    decided_at: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def finished(self) -> bool:
        """Whether nothing is to be trained any more."""
        return self.ended and (not self.open or self.index + 1 == len(self.rounds.seeds))


def follow(
    claims: Mapping[str, Mapping[Name, frozenset[str]]],
    rounds: Rounds,
    look: Callable[[int, Mapping[str, int]], Mapping[str, Mapping[Name, Comparison]] | None],
    *,
    level: float = 0.05,
) -> Standing:
    """Go through the rounds from the first one, as far as trainings have ended, and say who trains on.

    Everything is derived from the trainings, so that it comes to the same whenever it is asked: a claim that a look has
    decided stays decided, and so does a comparison within a claim; their cells train on only for others. A claim needs
    each of its comparisons, and one that contradicts it ends it. What cannot be compared gets no more trainings.

    Args:
        claims: claim -> its comparisons by name -> the cells of each; all of it fixed before the first training.
        rounds: the plan, fixed before the first training.
        look: index of a look and trainings of each cell -> claim -> the comparisons that can be made of the first
            trainings of their cells, as many as the look has seeds; None where trainings have not ended.
        level: of all claims together.

    Raises:
        ValueError: if level does not lie between 0 and 1.
    """
    check_share("level", level)
    counts = {cell: rounds.seeds[0] for parts in claims.values() for cells in parts.values() for cell in cells}
    looks: dict[str, dict[Name, list[Look]]] = {claim: {name: [] for name in claims[claim]} for claim in claims}
    levels: Mapping[str, float] = {}
    decided_at: dict[str, int] = {}
    undecided = {claim: set(parts) for claim, parts in claims.items()}
    for index in range(len(rounds.seeds)):
        begun = frozenset(cell for cell, count in counts.items() if count == rounds.seeds[index])
        found = look(index, counts)
        if found is None:
            return Standing(rounds, index, False, counts, begun, frozenset(), looks, levels, decided_at)
        for claim, names in undecided.items():
            for name in names & found.get(claim, {}).keys():
                looks[claim][name].append(Look(index, rounds.shares[index], found[claim][name]))
        levels = _judge(looks, undecided, decided_at, index=index, level=level)
        left = [(claim, name) for claim, names in undecided.items() for name in names]
        gaining = [(c, n) for c, n in left if (made := looks[c][n]) and made[-1].index == index and _can_gain(made[-1])]
        more, all_left = (
            frozenset(cell for claim, name in some for cell in claims[claim][name]) for some in (gaining, left)
        )
        if not more or index + 1 == len(rounds.seeds):
            return Standing(rounds, index, True, counts, more, all_left - more, looks, levels, decided_at)
        counts = {**counts, **dict.fromkeys(more, rounds.seeds[index + 1])}
    raise AssertionError("rounds are never empty")


def _judge(
    looks: Mapping[str, Mapping[Name, Sequence[Look]]],
    undecided: dict[str, set[Name]],
    decided_at: dict[str, int],
    *,
    index: int,
    level: float,
) -> dict[str, float]:
    """Decide all claims together, take what is decided out of `undecided`, and return the level of each."""
    spent = {
        claim: {name: over_looks(made).evidence if made else NOTHING for name, made in parts.items()}
        for claim, parts in looks.items()
    }
    p_values = [float(every(list(parts.values())).side_p_value) for parts in spent.values()]
    levels = dict(zip(looks, map(float, holm_levels(p_values, level=level)), strict=True)) if looks else {}
    for claim, names in undecided.items():
        parts, count = spent[claim], len(spent[claim])
        names -= {name for name in names if _settled(parts[name], count, levels[claim])}
        lost = any(_contradicts(part, count, levels[claim]) for part in parts.values())
        if claim not in decided_at and (lost or not names):
            decided_at[claim] = index
            names.clear()
    return levels


def _contradicts(part: Evidence, count: int, level: float) -> bool:
    """Whether one of `count` comparisons contradicts the claim."""
    return bool(count * part.contradicted <= level / 2)


def _settled(part: Evidence, count: int, level: float) -> bool:
    """Whether a comparison of a claim needs no further look: that it is contradicted is corrected for their number."""
    return bool(part.supported <= level / 2 or part.equivalent <= level) or _contradicts(part, count, level)


def _can_gain(look: Look) -> bool:
    """Whether more trainings may bring the comparison closer to a verdict."""
    parts = list(look.comparison.parts.values()) or [look.comparison]
    return all(part.missing in ("", ONE_SEED) for part in parts)
