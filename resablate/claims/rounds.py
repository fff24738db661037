"""Claims over trainings whose seeds came in rounds: what is decided, who trains on, and what is said of it.

The scheduler and the report ask the same function, `follow_rounds`, of the stored results: so the report reaches its
verdicts with the spending with which the trainings ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from resablate.claims import CLAIMS
from resablate.claims.claim import Claim, Compared, Judgement, Part, comparison_name, untested
from resablate.claims.trials import Trials
from resablate.errors import SpecError, UnknownName
from resablate.question import AskedAnalysis
from resablate.result import COMPLETE, TrialResult
from resablate.spec import TrainSpec
from resablate.statistics import Comparison, Rounds, Standing, follow, in_every, over_looks, plan_rounds
from resablate.sweep import SeedRounds, SweepSpec

LEVEL = 0.05
"""At most so many reports have one false verdict or more."""
Trainings = Mapping[str, Sequence[TrialResult | None]]
"""Cell -> its trainings in the order of their seeds, None for one that has not ended."""


@dataclass(frozen=True)
class Family:
    """The claims that share the level of some rounds, and what each compares: fixed before anything is trained.

    Args:
        claims: by id.
        compared: claim -> its comparisons.
        rounds: when they are looked at.
    """

    claims: Mapping[str, Claim]
    compared: Mapping[str, Sequence[Compared]]
    rounds: Rounds

    @property
    def cells(self) -> set[str]:
        """All that some claim compares."""
        return {cell.key for compared in self.compared.values() for one in compared for cell in one.cells}


def family(seeds: SeedRounds, specs: Iterable[TrainSpec], asked: Sequence[AskedAnalysis]) -> Family:
    """The claims that these cells decide, of those that `seeds` names, or of all.

    Args:
        seeds: the plan.
        specs: one training of each cell, or more.
        asked: what is asked of each.

    Raises:
        SpecError: if a claim is unknown or cannot be decided by them, or none can.
    """
    trials = Trials.planned(specs)
    if seeds.claims and (unknown := [name for name in seeds.claims if name not in CLAIMS]):
        raise SpecError(
            [f"seeds.claims: {UnknownName('claim', name, CLAIMS, listing='resablate claims')}" for name in unknown]
        )
    listed = {name: CLAIMS[name] for name in seeds.claims or CLAIMS}
    compared = {name: claim.compared(trials) for name, claim in listed.items() if _is_asked(claim, asked)}
    able = {name: found for name, found in compared.items() if found}
    if seeds.claims and (unable := [listed[name] for name in listed if name not in able]):
        raise SpecError(
            [f"seeds.claims: this sweep cannot decide {claim.id}, which needs {claim.needs}" for claim in unable]
        )
    if not able:
        raise SpecError(
            "seeds: no claim compares the trainings of this sweep, so nothing could be decided; write seeds as an axis,"
            " or see `resablate claims` for what each claim needs"
        )
    return Family({name: CLAIMS[name] for name in able}, able, plan_rounds(seeds.most, first=seeds.first))


def rounds_notes(found: Family, seeds: SeedRounds, specs: Sequence[TrainSpec]) -> list[str]:
    """What a reader of a sweep should know of its rounds, one line each."""
    cells = {spec.cell for spec in specs}
    alone = len(cells - found.cells)
    least, most = len(cells) * seeds.first, alone * seeds.first + (len(cells) - alone) * seeds.most
    looks, claims = ", ".join(map(str, found.rounds.seeds)), ", ".join(found.claims)
    notes = [
        f"seeds: up to {len(found.rounds.seeds)} rounds, with {looks} seeds of each of {len(cells)} cells, until"
        f" {claims} {'is' if len(found.claims) == 1 else 'are'} decided: {least} to {most} trainings"
    ]
    if alone:
        notes.append(f"seeds: no claim compares {alone} of the cells, which get {seeds.first} seeds each")
    return notes


def _is_asked(claim: Claim, asked: Sequence[AskedAnalysis]) -> bool:
    """Whether every question that the claim needs is asked."""
    return all(any(_answers(one, name, needed) for one in asked) for name, needed in claim.questions.items())


def _answers(asked: AskedAnalysis, name: str, needed: Mapping[str, object]) -> bool:
    values, epochs = asked.analysis.values, needed.get("epochs", ())
    arguments = all(values.get(key) == value for key, value in needed.items() if key != "epochs")
    return asked.analysis.name == name and arguments and set(asked.epochs).issuperset(epochs)  # pyright: ignore[reportArgumentType]


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


def joined_seeds(sweeps: Sequence[SweepSpec]) -> SeedRounds | None:
    """The rounds by which the results of several sweeps are looked at together; None where none came in rounds.

    One plan for all cells: that with the most seeds, and of those the one that begins with the fewest. It was fixed
    before the first training, whichever it is, and every look takes the first seeds of each cell, so the level holds.
    Sweeps that name the claims on which they spend their level spend it on all of these; where one names none, every
    claim takes part.
    """
    plans = [sweep.seeds for sweep in sweeps if sweep.seeds]
    if not plans:
        return None
    widest = max(plans, key=lambda plan: (plan.most, -plan.first))
    if any(sweep.seeds is None or sweep.seeds.claims is None for sweep in sweeps):
        return widest.model_copy(update={"claims": None})
    named = dict.fromkeys(name for plan in plans for name in plan.claims or ())
    return widest.model_copy(update={"claims": tuple(named)})


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
