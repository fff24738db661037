"""A sweep's own comparisons where its seeds come in rounds until the published claims that it names are decided.

The claims have the whole level, and their looks say how many seeds a cell gets. So every own comparison is looked at
whenever the claims are, over all looks for which its cells have the seeds, and each look has its share: that holds
whatever the seeds were stopped on. Once a side of every claim has been called, the level that they have left goes on to
the own comparisons (Holm); before that each is told by itself, with its interval, and is not tested.

Source: Westfall & Krishen, "Optimally weighted, fixed sequence and gatekeeper multiple testing procedures", Journal of
Statistical Planning and Inference 99 (2001), for a family that is tested once all of another have been rejected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile

from resablate.claims.answer import Answer
from resablate.claims.arms import listed
from resablate.claims.claim import Claim, Judgement, comparison_name, untested
from resablate.claims.family import Family
from resablate.claims.rounds import LEVEL, Looks, Trainings, rounds_judgement
from resablate.claims.sweep_comparisons import Effect
from resablate.claims.trials import Trials
from resablate.statistics import Look, Rounds, Standing, Verdict, holm_levels

_SIDES = (Verdict.SUPPORTED, Verdict.CONTRADICTED)


def own_answers(
    effects: Sequence[Effect], published: Sequence[Answer], rounds: Rounds, trainings: Trainings
) -> list[Answer]:
    """The sweep's own comparisons over the looks that their cells have.

    Args:
        effects: what the axes of the sweep do.
        published: the answers to the claims that the level is spent on.
        rounds: when they are looked at.
        trainings: of each cell, None for one that has not ended.
    """
    claims = {name: claim for effect in effects for name, claim in effect.claims.items()}
    judgements = _judgements(claims, rounds, trainings)
    able = [name for name, judgement in judgements.items() if judgement.comparison.testable]
    if able and is_left(published):
        levels = holm_levels([judgements[name].comparison.side_p_value for name in able], level=LEVEL)
        own = dict(zip(able, map(float, levels), strict=True))
    else:
        own = {}
    return [_answer(claim, judgements[name], own.get(name), published) for name, claim in claims.items()]


def is_left(published: Sequence[Answer]) -> bool:
    """Whether the level goes on to the own comparisons: a side of every claim has been called."""
    return all(answer.verdict in _SIDES for answer in published)


def own_note(effects: Sequence[Effect], claims: Sequence[str], *, left: bool) -> str:
    """What a reader is told of the own comparisons, of which there is one or more, in a sentence or two."""
    axes = list(dict.fromkeys(effect.axis for effect in effects))
    verb = "is" if len(claims) == 1 else "are"
    head = f"Seeds come until {listed(claims)} {verb} decided, and the level is spent on that first"
    if left:
        return f"{head}; a side of each has been called, so the sweep's own comparisons have the level now."
    return (
        f"{head}; the sweep's own comparisons, those by {listed(axes)}, have it once a side of each has been called."
        " Until then they are not tested: each number stands by itself, with an interval that holds whenever the seeds"
        " stop."
    )


def _judgements(claims: Mapping[str, Claim], rounds: Rounds, trainings: Trainings) -> dict[str, Judgement]:
    ended = {cell: list(takewhile(lambda one: one is not None, found)) for cell, found in trainings.items()}
    planned = Trials.planned(next(filter(None, found)).spec for found in ended.values() if any(found))
    family = Family(claims, {name: claim.compared(planned) for name, claim in claims.items()}, rounds)
    looks, counts = Looks(family, ended), {cell: len(found) for cell, found in ended.items()}
    made: dict[str, dict[tuple[str, ...], list[Look]]] = {
        name: {comparison_name(one): [] for one in family.compared[name]} for name in claims
    }
    for index, share in enumerate(rounds.shares):
        for name, found in (looks(index, counts) or {}).items():
            for key, comparison in found.items():
                made[name][key].append(Look(index, share, comparison))
    standing = Standing(rounds, len(rounds.seeds) - 1, True, counts, frozenset(), frozenset(), made)
    return {name: rounds_judgement(name, looks, standing) for name in claims}


def _answer(claim: Claim, judgement: Judgement, level: float | None, published: Sequence[Answer]) -> Answer:
    if level is not None:
        return Answer(claim, judgement, judgement.comparison.decide(level))
    waiting = [answer.claim.id for answer in published if answer.verdict not in _SIDES]
    # What lacks a training says so itself; of what has been compared the level alone is missing.
    to_come = f"a side of {listed(waiting)}, which the level is spent on first" if waiting and judgement.parts else ""
    return Answer(claim, judgement, untested(judgement.missing or "the level").decide(LEVEL), to_come)
