"""The answer that a report opens with: one line for each claim, as plain values and small pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from resablate.claims.answer import OPPOSITES, Answer, Shown
from resablate.claims.answering import Answers
from resablate.claims.arms import flat
from resablate.claims.claim import Part
from resablate.claims.effects_told import ToldEffect, decided_first, published_answers, told_effects
from resablate.claims.open_claims import open_claims
from resablate.claims.rounds import LEVEL
from resablate.claims.trials import Trials
from resablate.figures import Closing
from resablate.spec import TrainSpec
from resablate.statistics import Verdict, decide, deciding_look

_WIDTH, _HEIGHT, _MARGIN = 180, 26, 6
"""Of a picture, in pixels."""
_SHOWN_LINES = 4
"""Comparisons of an axis that stand open on the page."""
_IN_PERCENT = {"fraction": "points", "share": "%"}


def answer_content(found: Answers, specs: Iterable[TrainSpec]) -> dict[str, Any]:
    """What both pages say of the claims.

    Claims of which something was compared have a line each; what is not tested is told by what is missing.

    Args:
        found: what results say.
        specs: the trainings that there are.
    """
    answers = published_answers(found)
    compared = [answer for answer in answers if answer.shown is not None]
    return {
        "level": f"{100 * LEVEL:g} %",
        "family": found.tested,
        "untested": _taking_no_part(found),
        "shown_lines": _SHOWN_LINES,
        "effects": [_effect(told) for told in told_effects(found)],
        "decided": _decided(compared),
        "answers": [_line(answer) for answer in decided_first(compared)],
        "sharing": _sharing(found),
        "open": [
            (heading, [(a.claim.id, a.claim.statement, a.what_would_decide) for a in group])
            for heading, group in open_claims(
                answers, [flat(cell.spec) for cell in Trials.planned(specs).cells]
            ).items()
        ],
        "tally": _tally(answers),
    }


def _decided(compared: Sequence[Answer]) -> list[tuple[str, str]]:
    """Verdict, and the claim with its number: of the published claims that are decided."""
    return [
        (answer.word, f"{answer.claim.id}: {answer.claim.statement.rstrip('.')} ({answer.numbers})")
        for answer in decided_first(compared)
        if not answer.verdict.is_open
    ]


def _tally(answers: Sequence[Answer]) -> str:
    """How many claims have each verdict."""
    counts = {verdict: sum(answer.verdict is verdict for answer in answers) for verdict in Verdict}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)


def _taking_no_part(found: Answers) -> int:
    """How many have a number in the tables, and are not tested."""
    if found.followed:
        return 0
    return sum(not answer.judgement.comparison.testable for answer in found.answers if answer.shown)


def _sharing(found: Answers) -> list[str]:
    """What shares the level: the own comparisons by number and values, published claims by their sentence."""
    own = {
        answer.claim.id: f"{told.effect.measure.name}: {told.compared(answer)}"
        for told in told_effects(found)
        for answer in told.answers
    }
    return [own.get(a.claim.id, f"{a.claim.id}: {a.claim.statement}") for a in found.sharing]


def _effect(told: ToldEffect) -> dict[str, Any]:
    """What an axis does to a number: a sentence, and a line for each comparison; what is noted of all is told once."""
    lines = [_line(answer) | {"statement": told.compared(answer)} for answer in told.answers]
    noted = [line["notes"] for line in lines]
    common = [note for note in noted[0] if all(note in notes for notes in noted)] if len(noted) > 1 else []
    for line in lines:
        line["notes"] = [note for note in line["notes"] if note not in common]
    return {"head": told.head, "told": told.told, "lines": lines, "notes": common}


def _line(answer: Answer) -> dict[str, Any]:
    return {
        "id": answer.claim.id,
        "own": answer.claim.own,
        "statement": answer.claim.statement,
        "source": answer.claim.source,
        "rule": answer.claim.rule.text,
        "verdict": answer.word,
        "style": str(answer.verdict).replace(" ", "-"),
        "numbers": answer.numbers,
        "where": answer.shown.name if answer.shown else "",
        "seeds": answer.seeds,
        "method": answer.method,
        "published": answer.published,
        "notes": answer.notes,
        "decides": answer.what_would_decide,
        "picture": interval_picture(answer),
        "parts": _parts(answer),
    }


def _parts(answer: Answer) -> list[tuple[str, str]]:
    """Each comparison of a claim of several, and what it comes to by itself; the setting of all is told elsewhere."""
    parts, decided = answer.judgement.parts, answer.decision.parts
    settings = {name.rpartition(": ")[0] for name in decided}
    head = f"{settings.pop()}: " if len(settings) == 1 else ""
    return [
        (
            name.removeprefix(head),
            _in_rounds(parts[name], answer.decision.level, len(parts)) if parts[name].looks else str(part.verdict),
        )
        for name, part in decided.items()
    ]


def _in_rounds(part: Part, level: float, count: int) -> str:
    """`supported at 2 seeds`: a comparison needs the claim's whole level; what contradicts is corrected."""
    evidence = part.comparison.evidence
    verdict = decide(replace(evidence, contradicted=count * evidence.contradicted), level)
    look = deciding_look(part.looks, level, count=count)
    return f"{verdict} at {max(look.comparison.estimate.seeds, default=0)} seeds"


def closings(found: Answers) -> list[Closing]:
    """How the intervals of the claims closed, where seeds came in rounds."""
    if found.followed is None:
        return []
    decided, rounds = found.followed.standing.decided_at, found.followed.family.rounds
    return [
        _closing(answer, shown, decided.get(answer.claim.id), rounds.seeds)
        for answer in found.answers
        if (shown := answer.shown) and shown.part.looks
    ]


def _closing(answer: Answer, shown: Shown, decided: int | None, rounds: Sequence[int]) -> Closing:
    part = shown.part
    # Of several numbers of the same cells each look has the least certain one: those that are the same number.
    looks = [look for look in part.looks if (seen := part.at(look)).noun == part.noun and seen.unit == part.unit]
    scale, unit = (100, f" ({_IN_PERCENT[part.unit]})") if part.unit in _IN_PERCENT else (1, "")
    # What the level of the claim is corrected by where one of several comparisons contradicts it.
    level = shown.level / shown.look.share if shown.look else answer.decision.level
    ends = [part.ends(look.comparison.estimate.interval(level * look.share)) for look in looks]
    indices = [look.index for look in looks]
    return Closing(
        claim=answer.claim.rule.measures[0].name if answer.claim.own else answer.claim.id,
        compared=shown.name,
        axis=f"{part.noun}{unit}",
        reference=scale * part.reference,
        margin=scale * part.margin,
        seeds=tuple(rounds[index] for index in indices),
        values=tuple(scale * float(look.comparison.estimate.value) for look in looks),
        lows=tuple(scale * low for low, _ in ends),
        highs=tuple(scale * high for _, high in ends),
        verdict=answer.word,
        decided=indices.index(shown.look.index) if decided is not None and shown.look else None,
        most=rounds[-1],
    )


def interval_picture(answer: Answer) -> Markup:
    """The interval against what it is compared with, and the margin about that: an inline SVG; empty without one."""
    if (shown := answer.shown) is None:
        return Markup("")
    part, value, low, high, reference = shown.part, shown.value, shown.low, shown.high, shown.part.reference
    if not all(map(math.isfinite, (value, low, high))):
        return Markup("")
    if value < 0 and part.noun in OPPOSITES:  # as the number beside it is told
        value, low, high, reference = -value, -high, -low, -reference
    margin_low, margin_high = reference - part.margin, reference + part.margin
    least, most = min(low, margin_low), max(high, margin_high)
    span = (most - least) or 1.0

    def place(number: float) -> str:
        return f"{_MARGIN + (_WIDTH - 2 * _MARGIN) * (number - least) / span:.1f}"

    middle = _HEIGHT // 2
    band = ""
    if part.margin:
        width = float(place(margin_high)) - float(place(margin_low))
        band = f'<rect class="margin" x="{place(margin_low)}" y="3" width="{width:.1f}" height="{_HEIGHT - 6}"/>'
    line = place(reference)
    return Markup(  # numbers alone, and words of ours
        f'<svg class="interval" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img" '
        'aria-label="The interval against the value it is compared with">'
        f'{band}<line class="reference" x1="{line}" x2="{line}" y1="1" y2="{_HEIGHT - 1}"/>'
        f'<line class="range" x1="{place(low)}" x2="{place(high)}" y1="{middle}" y2="{middle}"/>'
        f'<circle class="value" cx="{place(value)}" cy="{middle}" r="4"/></svg>'
    )
