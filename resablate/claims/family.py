"""What the rounds of seeds decide together, at one level: the claims, and the sweep's own comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resablate.claims import CLAIMS
from resablate.claims.arms import listed
from resablate.claims.claim import Claim, Compared
from resablate.claims.selection import missing_arms
from resablate.claims.sweep_comparisons import effects_of
from resablate.claims.trials import Trials
from resablate.errors import SpecError, UnknownName
from resablate.question import AskedAnalysis
from resablate.spec import TrainSpec
from resablate.statistics import Rounds, plan_rounds
from resablate.sweep import SeedRounds, SweepSpec

OWN = "own"
"""In `seeds.claims`: the sweep's own comparisons, which take part as well where no claim is named."""


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
    def has_own(self) -> bool:
        """Whether a sweep's own comparisons are among them."""
        return any(claim.own for claim in self.claims.values())

    @property
    def cells(self) -> set[str]:
        """All that some claim compares."""
        return {cell.key for compared in self.compared.values() for one in compared for cell in one.cells}


def rounds_family(
    sweeps: Sequence[SweepSpec], specs: Iterable[TrainSpec], asked: Sequence[AskedAnalysis]
) -> Family | None:
    """What the rounds of one sweep, or of several together, decide; None where no seeds come in rounds.

    Args:
        sweeps: whose rounds they are; the own comparisons of one alone may take part.
        specs: one training of each cell, or more.
        asked: what is asked of each.

    Raises:
        SpecError: as `family`.
    """
    seeds = joined_seeds(sweeps)
    if seeds is None:
        return None
    known = list(specs)
    takes_own = len(sweeps) == 1 and (seeds.claims is None or OWN in seeds.claims)
    effects = effects_of(sweeps[0], known) if takes_own else ()
    own = {name: claim for effect in effects for name, claim in effect.claims.items()}
    return family(seeds, known, asked, own=own)


def family(
    seeds: SeedRounds, specs: Iterable[TrainSpec], asked: Sequence[AskedAnalysis], *, own: Mapping[str, Claim] = {}
) -> Family:
    """The claims that these cells decide, of those that `seeds` names, or of all; and a sweep's own comparisons.

    Args:
        seeds: the plan.
        specs: one training of each cell, or more.
        asked: what is asked of each.
        own: the sweep's own comparisons that take part, by id.

    Raises:
        SpecError: if a claim is unknown or cannot be decided by them, or nothing can.
    """
    named, trials = seeds.claims or (), Trials.planned(specs)
    known = {name: CLAIMS[name] for name in named or CLAIMS if name in CLAIMS}
    compared = {name: claim.compared(trials) for name, claim in own.items()}
    compared |= {name: claim.compared(trials) for name, claim in known.items() if _is_asked(claim, asked)}
    able = {name: found for name, found in compared.items() if found}
    needs = {
        **{name: _needs(claim) for name, claim in known.items()},
        OWN: "a grid with two values of an axis besides seeds",
    }
    decided = {*able, *([OWN] if own else [])}
    undecided = [name for name in named if name not in decided and name in needs]
    lacking = [f"seeds.claims: this sweep cannot decide {name}, which needs {needs[name]}" for name in undecided]
    if problems := [*unknown_claims(named), *lacking]:
        raise SpecError(problems)
    if not able:
        raise SpecError(
            "seeds: no claim compares the trainings of this sweep, and it is no grid with two values of an axis to"
            " compare, so nothing could be decided; write seeds as an axis, or see `resablate claims` for what each"
            " claim needs"
        )
    claims = {**own, **known}
    return Family({name: claims[name] for name in able}, able, plan_rounds(seeds.most, first=seeds.first))


def unknown_claims(names: Iterable[str]) -> list[str]:
    """What is wrong with names that a sweep's seeds come until: those of no claim, each with what is near it."""
    listing, known = f"resablate claims; {OWN} is the sweep's comparisons", [*CLAIMS, OWN]
    return [
        f"seeds.claims: {UnknownName('claim', name, known, listing=listing)}" for name in names if name not in known
    ]


def _needs(claim: Claim) -> str:
    """The trainings with what all of them have in common, such as a depth, and the questions."""
    return missing_arms(claim.rule.arms, claim.where) + (f"; asks {claim.asked}" if claim.questions else "")


def decided_names(found: Family) -> str:
    """What seeds come until it is decided: `the sweep's 3 own comparisons, H1 and V2`."""
    own = sum(claim.own for claim in found.claims.values())
    names = [f"the sweep's {own} own comparisons" if own > 1 else "the sweep's own comparison"] if own else []
    return listed([*names, *(name for name, claim in found.claims.items() if not claim.own)])


def rounds_notes(found: Family, seeds: SeedRounds, specs: Sequence[TrainSpec]) -> list[str]:
    """What a reader of a sweep should know of its rounds, one line each."""
    cells = {spec.cell for spec in specs}
    alone = len(cells - found.cells)
    least, most = len(cells) * seeds.first, alone * seeds.first + (len(cells) - alone) * seeds.most
    looks = ", ".join(map(str, found.rounds.seeds))
    notes = [
        f"seeds: up to {len(found.rounds.seeds)} rounds, with {looks} seeds of each of {len(cells)} cells, until"
        f" {decided_names(found)} {'is' if len(found.claims) == 1 else 'are'} decided: {least} to {most} trainings"
    ]
    if alone:
        notes.append(f"seeds: none of this compares {alone} of the cells, which get {seeds.first} seeds each")
    return notes


def _is_asked(claim: Claim, asked: Sequence[AskedAnalysis]) -> bool:
    """Whether every question that the claim needs is asked."""
    return all(any(_answers(one, name, needed) for one in asked) for name, needed in claim.questions.items())


def _answers(asked: AskedAnalysis, name: str, needed: Mapping[str, Any]) -> bool:
    values, epochs = asked.analysis.values, needed.get("epochs", ())
    arguments = all(values.get(key) == value for key, value in needed.items() if key != "epochs")
    # Before the first step is one moment; which others there are depends on how long the sweep trains.
    moments = len(asked.epochs) >= len(epochs) and (0 in asked.epochs or 0 not in epochs)
    return asked.analysis.name == name and arguments and moments


def joined_seeds(sweeps: Sequence[SweepSpec]) -> SeedRounds | None:
    """The rounds by which the results of several sweeps are looked at together; None where none came in rounds.

    One plan for all cells: that with the most seeds, and of those the one that begins with the fewest. It was fixed
    before the first training, whichever it is, and every look takes the first seeds of each cell, so the level holds.
    Sweeps that name the claims on which they spend their level spend it on all of these; where one names none, every
    claim takes part. What a sweep alone compares takes no part.
    """
    plans = [sweep.seeds for sweep in sweeps if sweep.seeds]
    if len(sweeps) == 1 or not plans:
        return plans[0] if plans else None
    widest = max(plans, key=lambda plan: (plan.most, -plan.first))
    if any(sweep.seeds is None or sweep.seeds.claims is None for sweep in sweeps):
        return widest.model_copy(update={"claims": None})
    named = dict.fromkeys(name for plan in plans for name in plan.claims or () if name != OWN)
    return widest.model_copy(update={"claims": tuple(named) or None})
