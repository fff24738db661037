"""The answers of one sweep or several: decided at once, or as their seeds came in rounds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from resablate.claims import CLAIMS
from resablate.claims.answer import Answer, answer_claims
from resablate.claims.claim import Claim, Judgement, untested
from resablate.claims.family import decided_names, joined_seeds, rounds_family
from resablate.claims.measures import ERROR, Measure
from resablate.claims.own_in_rounds import is_left, own_answers, own_note
from resablate.claims.rounds import Followed, follow_rounds, trainings_of
from resablate.claims.sweep_comparisons import Effect, effects_of
from resablate.claims.trials import Trials
from resablate.claims.winner import chosen_cell, winner_effect, winner_of
from resablate.errors import SpecError
from resablate.result import COMPLETE, TrialResult
from resablate.spec import TrainSpec
from resablate.statistics import Standing, Verdict
from resablate.sweep import SweepSpec


@dataclass(frozen=True)
class Answers:
    """What results say about claims.

    Args:
        answers: one for each claim.
        followed: the rounds that they were decided in; None where seeds did not come in rounds.
        notes: what a search came to, or why there are no answers, a sentence each.
        effects: what the axes of the sweep do: its own comparisons, whose answers are among the others.
        remarks: what a reader should know besides the answers: of rounds, and of the cell that validation would choose.
    """

    answers: tuple[Answer, ...]
    followed: Followed | None = None
    notes: tuple[str, ...] = ()
    effects: tuple[Effect, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def tested(self) -> int:
        """How many claims share the level."""
        return len(self.sharing)

    @property
    def sharing(self) -> tuple[Answer, ...]:
        """The claims that share the level: those of rounds, and the own comparisons once it has gone on to them."""
        if self.followed:
            names = {*self.followed.family.claims, *self._own_with_level}
            return tuple(answer for answer in self.answers if answer.claim.id in names)
        return tuple(answer for answer in self.answers if answer.judgement.comparison.testable)

    @property
    def _own_with_level(self) -> list[str]:
        own = [answer for answer in self.answers if answer.claim.own and answer.judgement.comparison.testable]
        return [answer.claim.id for answer in own if answer.verdict is not Verdict.NOT_TESTED]


def answer_sweeps(
    sweeps: Sequence[SweepSpec], results: Iterable[TrialResult], missing: Iterable[TrainSpec] = ()
) -> Answers:
    """Every claim decided over the results of one sweep or several, at one level for all together.

    Where seeds came in rounds, each look spends its share of the level, and a claim that a look decided is decided.

    Args:
        sweeps: whose results they are.
        results: of trainings that have ended.
        missing: trainings of the sweeps that have not.
    """
    known, seeds = list(results), joined_seeds(sweeps)
    if seeds is None:
        return _at_once(sweeps, known, list(missing))
    left = list(missing)
    specs = [*(result.spec for result in known), *left]
    asked = [analysis for sweep in sweeps for analysis in sweep.analyses]
    try:
        found = rounds_family(sweeps, specs, asked)
    except SpecError as error:  # a claim of a version to come, or results of a part of the sweep
        return Answers((), notes=tuple(error.problems))
    assert found is not None  # there are rounds
    # The rounds of one sweep go on; of several, what a cell has is what there is.
    to_come = seeds.most if len(sweeps) == 1 else 0
    followed = follow_rounds(found, trainings_of(known, left, to_come=to_come))
    answers = tuple(_answer(name, claim, followed) for name, claim in found.claims.items())
    others = (
        [] if seeds.claims else [_not_compared(claim) for name, claim in CLAIMS.items() if name not in found.claims]
    )
    remarks = _remarks(sweeps, followed, named=seeds.claims is not None)
    effects = effects_of(sweeps[0], specs) if len(sweeps) == 1 else ()
    if found.has_own:
        return Answers((*answers, *others), followed, (), effects, remarks)
    trials = Trials(known)
    effects = tuple(effect for effect in effects if _may_be_told(effect, trials))
    own = own_answers(effects, answers, found.rounds, trainings_of(known, left)) if effects else []
    if effects:
        remarks = (*remarks, own_note(effects, list(found.claims), left=is_left(answers)))
    return Answers((*own, *answers, *others), followed, (), effects, remarks)


def _at_once(sweeps: Sequence[SweepSpec], results: Sequence[TrialResult], missing: Sequence[TrainSpec]) -> Answers:
    """All claims, and of one sweep alone its own comparisons, or that of its search's winner, decided together."""
    if len(sweeps) > 1:
        return Answers(answer_claims(results))
    winner = winner_of(results, sweeps[0])
    effects = effects_of(sweeps[0], [*(result.spec for result in results), *missing])
    trials = Trials(results)
    effects = tuple(effect for effect in effects if _may_be_told(effect, trials))
    if winner and winner.claim:
        effects = (winner_effect(winner.claim),)
    own = {name: claim for effect in effects for name, claim in effect.claims.items()}
    answers = answer_claims(results, claims={**own, **CLAIMS})
    if winner:
        return Answers(answers, notes=winner.sentences, effects=effects)
    # Which of many cells is lowest is no answer: it comes after what was compared.
    chosen = chosen_cell(results, sweeps[0])
    return Answers(answers, notes=() if effects else chosen, effects=effects, remarks=chosen if effects else ())


def _may_be_told(effect: Effect, trials: Trials) -> bool:
    """Whether a training has the number or may have it yet: nothing is compared that none has which was asked.

    A network may have no such layer. Whether a comparison is made hangs on what is there, not on how large it is.
    """
    cells = [cell for cell in trials.cells if any(_answered(result, effect.measure) for result in cell.results)]
    return (
        effect.measure is ERROR
        or not cells
        or any(one.sample is not None for one in trials.measured(cells, effect.measure))
    )


def _answered(result: TrialResult, measure: Measure) -> bool:
    """Whether the training has ended and, where the number is one of an analysis, answered that."""
    asked = {one.question.analysis.name for one in result.measurements if one.question.epoch is None}
    return result.status in COMPLETE and (not measure.analysis or measure.analysis in asked)


def _answer(name: str, claim: Claim, followed: Followed) -> Answer:
    judgement, standing = followed.judgements[name], followed.standing
    level = standing.levels.get(name, 0.0)
    decision = judgement.comparison.decide(level) if level else untested(judgement.missing).decide()
    to_come = "" if standing.finished or name in standing.decided_at else round_words(standing)
    return Answer(claim, judgement, decision, to_come)


def _not_compared(claim: Claim) -> Answer:
    judgement = Judgement({}, claim.needs)
    return Answer(claim, judgement, judgement.comparison.decide())


def round_words(standing: Standing) -> str:
    """`round 3 of 8 (4 seeds of each cell), 12 of 20 cells decided`."""
    rounds, cells, stuck = standing.rounds.seeds, len(standing.counts), len(standing.stuck)
    place = f"round {standing.index + 1} of {len(rounds)} ({rounds[standing.index]} seeds of each cell)"
    words = f"{place}, {cells - len(standing.open) - stuck} of {cells} cells decided"
    if stuck:
        words += f", {stuck} cannot be compared: a training of theirs failed or is not there, or a number is missing"
    return words


def _remarks(sweeps: Sequence[SweepSpec], followed: Followed, *, named: bool) -> tuple[str, ...]:
    rounds = followed.family.rounds
    early = len(rounds.seeds) - 1
    looks = f"each of the first {early} looks" if early > 1 else "the first look"
    shares = f"{100 * rounds.shares[0]:.3g} % of the level at {looks}"
    remarks = [
        f"Seeds came in rounds until decided, with looks at {', '.join(map(str, rounds.seeds))} seeds of each cell:"
        f" {shares}, {100 * rounds.shares[-1]:.3g} % at the last, so the level holds whenever it stops;"
        f" {round_words(followed.standing)}."
    ]
    if named:
        names = decided_names(followed.family)
        remarks.append(f"The level is spent on {names} alone, as the sweep says, and no other claim is tested.")
    if len(sweeps) > 1:
        remarks.append(
            "The results of several sweeps are looked at together by the plan of rounds with the most seeds, which was"
            " fixed before the first training, and each look takes the first seeds of every cell; what a cell has"
            " beyond the last look is not used."
        )
    return tuple(remarks)
