"""What would decide the claims that no kept study supports, and what that costs on the papers' own data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from resablate.claims import CLAIMS
from resablate.claims.answer import Answer
from resablate.claims.claim import Claim
from resablate.claims.conjunctions import Missing
from resablate.claims.planning import plan_claims
from resablate.forecast import planned_seconds
from resablate.machine_speed import TYPICAL_GPU
from resablate.plan import plan_sweep
from resablate.statistics import Verdict
from resablate.sweep import parse_sweep

HOUR = 3600
_COMPARED_WITH = "compared with "
_ORDER = (Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.EQUIVALENT, Verdict.UNDECIDED, Verdict.NOT_TESTED)
"""The verdicts that say most, first."""


def table_row(cells: Iterable[str]) -> str:
    """A line of a table in Markdown."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def compared_with(answer: Answer) -> str:
    """`compared with no shortcut`: what is claimed of every other is said of those that were trained; else empty."""
    notes = [note for note in answer.judgement.notes if _COMPARED_WITH in note]
    return "; ".join(dict.fromkeys(_COMPARED_WITH + note.partition(_COMPARED_WITH)[2] for note in notes))


def counted(answers: Mapping[str, Sequence[Answer]]) -> str:
    """A sentence: how many claims are supported, contradicted, undecided and not tested, and which.

    Args:
        answers: study -> what it says of published claims.
    """
    groups: dict[str, list[str]] = {}
    for claim in CLAIMS.values():
        found = [answer for _, answer in _of(claim, answers)]
        supported = bool(found) and found[0].verdict is Verdict.SUPPORTED
        rivals = compared_with(found[0]) if supported else ""
        groups.setdefault(_in_words(found), []).append(f"{claim.id} {rivals} alone" if rivals else claim.id)
    order = sorted(groups, key=lambda words: _ORDER.index(Verdict(words.partition(" here ")[0])))
    told = [f"{len(groups[words])} {words} ({', '.join(groups[words])})" for words in order]
    return f"Of {len(CLAIMS)} published claims: {'; '.join(told)}."


def _in_words(found: Sequence[Answer]) -> str:
    """`supported`; `supported here and contradicted there`, where studies differ. The answers are in order."""
    decided = dict.fromkeys(answer.verdict.value for answer in found if not answer.verdict.is_open)
    if len(decided) > 1:
        return f"{' here and '.join(decided)} there"
    return found[0].verdict.value if found else Verdict.NOT_TESTED.value


def _of(claim: Claim, answers: Mapping[str, Sequence[Answer]]) -> list[tuple[str, Answer]]:
    """Study and answer to a claim, those that say most first."""
    found = [(name, each) for name, of_study in answers.items() for each in of_study if each.claim.id == claim.id]
    return sorted(found, key=lambda row: _ORDER.index(row[1].verdict))


def open_rows(answers: Mapping[str, Sequence[Answer]]) -> Iterator[str]:
    """A line for each claim that no study supports, or not all that test it.

    Args:
        answers: study -> what it says of published claims.
    """
    yield "| claim | here | what it takes here | trainings on the paper's data | hours of one H200 |"
    yield "| --- | --- | --- | --: | --: |"
    for claim in CLAIMS.values():
        found = _of(claim, answers)
        if {answer.verdict for _, answer in found} - {Verdict.NOT_TESTED} != {Verdict.SUPPORTED}:
            yield table_row((f"{claim.id}: {claim.statement}", *_here(claim, found), *_cost(claim)))


def _here(claim: Claim, found: Sequence[tuple[str, Answer]]) -> tuple[str, str]:
    """What the studies say, and what would decide it on their data."""
    tested = [row for row in found if row[1].verdict is not Verdict.NOT_TESTED]
    if not tested:
        return "not tested", claim.needs if isinstance(claim.rule, Missing) else f"train {claim.needs}"
    studies: dict[str, list[str]] = {}
    for name, answer in tested:
        studies.setdefault(answer.word, []).append(name)
    words = "; ".join(f"{word} ({', '.join(names)})" for word, names in studies.items())
    if not any(answer.verdict.is_open for _, answer in tested):
        return words, "decided of these networks"
    takes = [(name, answer.what_would_decide) for name, answer in tested if answer.what_would_decide]
    return words, "; ".join(f"{name}: {what}" if len(takes) > 1 else what for name, what in takes)


def _cost(claim: Claim) -> tuple[str, str]:
    """Trainings that `resablate claims --plan` plans, and their hours."""
    if not claim.rule.arms:
        return "no part for it", ""
    plan = plan_sweep(parse_sweep(plan_claims([claim]).content))
    hours = planned_seconds(plan, TYPICAL_GPU) / HOUR
    return str(plan.trial_count), f"{hours:.0f}" if hours >= 10 else f"{hours:.2g}"
