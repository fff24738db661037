"""Claims over trainings whose seeds came in rounds: what is decided, who trains on, and what is said of it.

The scheduler and the report ask the same function, `follow_rounds`, of the stored results: so the report reaches its
verdicts with the spending with which the trainings ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from resablate.claims.claim import Compared, Judgement, Part, comparison_name, untested
from resablate.claims.family import Family
from resablate.claims.trials import Trials
from resablate.result import COMPLETE, TrialResult
from resablate.spec import TrainSpec
from resablate.statistics import Comparison, Standing, follow, in_every, over_looks

LEVEL = 0.05
"""At most so many reports have one false verdict or more."""
Trainings = Mapping[str, Sequence[TrialResult | None]]
"""Cell -> its trainings in the order of their seeds, None for one that has not ended."""


@dataclass
class Looks:
    """Makes the looks of a family, and keeps what is said of each comparison.

    Args:
        family: the claims.
        trainings: of each cell.
        names: of comparisons, kept as they are made, as are `parts` and `judged`.
    """

    family: Family
    trainings: Trainings
    names: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict[tuple[str, tuple[str, ...]], str])
    """In words, as the first look that compared it has them: all cells were there."""
    parts: dict[tuple[str, tuple[str, ...], int], Part] = field(
        default_factory=dict[tuple[str, tuple[str, ...], int], Part]
    )
    """By claim, comparison and look."""
    judged: dict[str, Judgement] = field(default_factory=dict[str, Judgement])
    """Claim -> what the last look that compared anything of it said."""

    def __call__(self, index: int, counts: Mapping[str, int]) -> dict[str, dict[tuple[str, ...], Comparison]] | None:
        """One look at everything; None where a training of the round has not ended."""
        seeds = self.family.rounds.seeds[index]
        results: list[TrialResult] = []
        whole: set[str] = set()
        # In the order of the trainings, not of the counts: a comparison of many cells is known by their order.
        for cell, trainings in self.trainings.items():
            first = trainings[: min(seeds, counts.get(cell, 0))]
            if None in first:
                return None
            done = [result for result in first if result is not None and result.status in COMPLETE]
            results += done  # also those of cells that have stopped: they tell the settings of others
            whole |= {cell} if len(done) == seeds else set()
        trials = Trials(results)
        return {name: self._compare(index, name, trials, whole) for name in self.family.claims}

    def _compare(self, index: int, name: str, trials: Trials, whole: set[str]) -> dict[tuple[str, ...], Comparison]:
        judged = self.family.claims[name].judge(trials)
        by_name: dict[tuple[str, ...], dict[str, Part]] = {}
        for words, part in judged.parts.items():
            by_name.setdefault(comparison_name(part), {})[words] = part
        found: dict[tuple[str, ...], Comparison] = {}
        for compared in self.family.compared[name]:
            if not whole.issuperset(cell.key for cell in compared.cells):
                continue
            key = comparison_name(compared)
            words, part = _together(by_name.get(key) or {"": _lacking(compared, judged)})
            self.names.setdefault((name, key), words)
            self.parts[name, key, index] = part
            found[key] = part.comparison
        if found:
            self.judged[name] = judged
        return found


def _lacking(compared: Compared, judged: Judgement) -> Part:
    """Where the trainings are there and nothing was compared: a number or an analysis is missing."""
    labels = " and ".join(dict.fromkeys(cell.spec.label() for cell in compared.cells))
    return Part(untested(judged.missing or f"a number of {labels}"), "1", cells=compared.cells)


def _together(parts: Mapping[str, Part]) -> tuple[str, Part]:
    """Everything that a rule compares of the same cells as one part, called as the least certain of them."""
    words = max(parts, key=lambda name: float(parts[name].comparison.evidence.supported))
    if len(parts) == 1:
        return words, parts[words]
    return words, replace(parts[words], comparison=in_every({name: part.comparison for name, part in parts.items()}))


@dataclass(frozen=True)
class Followed:
    """Rounds, as far as they are, with everything that was compared.

    Args:
        family: the claims.
        standing: what is decided and who trains on.
        judgements: claim -> its comparisons over all their looks.
    """

    family: Family
    standing: Standing
    judgements: Mapping[str, Judgement]


def follow_rounds(family: Family, trainings: Trainings, *, level: float = LEVEL) -> Followed:
    """How far the rounds of these claims are, by the trainings that have ended.

    A training that diverged has ended and counts; one that failed has ended and leaves its cell out of the looks that
    would need it, until it is run again: which trainings count is fixed before, not by outcome.
    """
    looks = Looks(family, trainings)
    claims = {
        name: {comparison_name(one): frozenset(cell.key for cell in one.cells) for one in compared}
        for name, compared in family.compared.items()
    }
    standing = follow(claims, family.rounds, looks, level=level)
    return Followed(family, standing, {name: rounds_judgement(name, looks, standing) for name in family.claims})


def rounds_judgement(claim: str, looks: Looks, standing: Standing) -> Judgement:
    """What the looks that were made say of a claim, each with its share of the level."""
    parts: dict[str, Part] = {}
    for compared in looks.family.compared[claim]:
        key = comparison_name(compared)
        made = standing.looks[claim][key]
        if made:
            words = looks.names[claim, key]
            at_looks = tuple(looks.parts[claim, key, look.index] for look in made)
            part = replace(at_looks[-1], comparison=over_looks(made), looks=tuple(made), at_looks=at_looks)
            parts[words if words not in parts else f"{words} ({len(parts)})"] = part
    if not parts:
        return Judgement({}, "the trainings of the first round")
    for compared in looks.family.compared[claim]:
        if not standing.looks[claim][comparison_name(compared)]:
            labels = " and ".join(dict.fromkeys(cell.spec.label() for cell in compared.cells))
            parts[labels] = Part(untested("trainings of the first round that failed"), "1", cells=compared.cells)
    last = looks.judged.get(claim, Judgement(parts))
    return replace(last, parts=parts, missing="")


def trainings_of(results: Iterable[TrialResult], missing: Iterable[TrainSpec] = (), *, to_come: int = 0) -> Trainings:
    """The trainings of each cell in the order of their seeds, None for those that have not ended.

    A training that several sweeps have counts once: one that is complete, with most of its measurements.

    Args:
        results: of trainings that have ended.
        missing: trainings that have not.
        to_come: each cell may get so many trainings yet, by rounds that were not begun.
    """
    found: dict[str, dict[int, TrialResult | None]] = {}
    for result in results:
        seeds = found.setdefault(result.spec.cell, {})
        known = seeds.get(result.spec.seed)
        if known is None or _rank(result) > _rank(known):
            seeds[result.spec.seed] = result
    for spec in missing:
        found.setdefault(spec.cell, {}).setdefault(spec.seed, None)
    listed = {cell: [seeds[seed] for seed in sorted(seeds)] for cell, seeds in found.items()}
    return {cell: [*trainings, *[None] * (to_come - len(trainings))] for cell, trainings in listed.items()}


def _rank(result: TrialResult) -> tuple[bool, int]:
    return result.status in COMPLETE, len(result.measurements)
