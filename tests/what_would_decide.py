"""What would decide the claims that no kept study supports, and what that costs on the papers' own data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from resablate.claims import CLAIMS
from resablate.claims.answer import Answer
from resablate.claims.claim import Claim
from resablate.claims.conjunctions import Missing
from resablate.claims.planning import plan_claims
from resablate.estimates import estimate_seconds
from resablate.machine_speed import TYPICAL_GPU
from resablate.plan import plan_sweep
from resablate.statistics import Verdict
from resablate.sweep import parse_sweep

HOUR = 3600
_COMPARED_WITH = "compared with "
_CERTAIN = (Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.EQUIVALENT, Verdict.UNDECIDED)
"""The verdicts that say most, first."""


def compared_with(answer: Answer) -> str:
    """`compared with no shortcut`: what is claimed of every other is said of those that were trained; else empty."""
    notes = [note for note in answer.judgement.notes if _COMPARED_WITH in note]
    return "; ".join(dict.fromkeys(_COMPARED_WITH + note.partition(_COMPARED_WITH)[2] for note in notes))


def counted(answers: Mapping[str, Sequence[Answer]]) -> str:
    """A sentence: how many claims are supported, contradicted, undecided and not tested, and which.

    Args:
        answers: study -> what it says of published claims.
    """
    found: dict[str, set[Verdict]] = {name: set() for name in CLAIMS}
    of_some: dict[str, str] = {}
    for answer in (each for of_study in answers.values() for each in of_study):
        found[answer.claim.id].add(answer.verdict)
        if answer.verdict is Verdict.SUPPORTED and (rivals := compared_with(answer)):
            of_some[answer.claim.id] = f" {rivals} alone"
    groups: dict[str, list[str]] = {}
    for name, verdicts in found.items():
        decided = [verdict.value for verdict in _CERTAIN if verdict in verdicts and not verdict.is_open]
        tested = Verdict.UNDECIDED if Verdict.UNDECIDED in verdicts else Verdict.NOT_TESTED
        groups.setdefault(" here and ".join(decided) + " there" * (len(decided) > 1) or tested.value, []).append(
            name + of_some.get(name, "")
        )
    told = [f"{len(names)} {word} ({', '.join(names)})" for word, names in sorted(groups.items(), key=_by_word)]
    return f"Of {len(CLAIMS)} published claims: {'; '.join(told)}."


def _by_word(group: tuple[str, list[str]]) -> int:
    words = [verdict.value for verdict in _CERTAIN]
    return words.index(group[0]) if group[0] in words else len(words) * (group[0] == Verdict.NOT_TESTED.value)


def open_rows(answers: Mapping[str, Sequence[Answer]]) -> Iterator[str]:
    """A line for each claim that no study supports.

    Args:
        answers: study -> what it says of published claims.
    """
    yield "| claim | here | what it takes here | trainings on the paper's data | hours of one H200 |"
    yield "| --- | --- | --- | --: | --: |"
    for claim in CLAIMS.values():
        of_claim = [(name, each) for name, found in answers.items() for each in found if each.claim.id == claim.id]
        of_claim.sort(key=lambda row: _rank(row[1]))
        if of_claim and of_claim[0][1].verdict is Verdict.SUPPORTED:
            continue
        cells = (f"{claim.id}: {claim.statement}", *_here(claim, of_claim), *_cost(claim))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _rank(answer: Answer) -> int:
    return _CERTAIN.index(answer.verdict) if answer.verdict in _CERTAIN else len(_CERTAIN)


def _here(claim: Claim, found: Sequence[tuple[str, Answer]]) -> tuple[str, str]:
    """What the studies say, and what would decide it on their data."""
    tested = [row for row in found if row[1].verdict in _CERTAIN]
    if not tested:
        return "not tested", claim.needs if isinstance(claim.rule, Missing) else f"train {claim.needs}"
    best = tested[0][1].verdict
    words = f"{tested[0][1].word} ({', '.join(name for name, answer in tested if answer.verdict is best)})"
    if not best.is_open:
        return words, "decided of these networks"
    takes = [(name, answer.what_would_decide) for name, answer in tested if answer.what_would_decide]
    return words, "; ".join(f"{name}: {what}" if len(takes) > 1 else what for name, what in takes)


def _cost(claim: Claim) -> tuple[str, str]:
    """Trainings that `resablate claims --plan` plans, and their hours."""
    if not claim.rule.arms:
        return "no part for it", ""
    plan = plan_sweep(parse_sweep(plan_claims([claim]).content))
    seconds = sum(estimate_seconds(spec, plan.questions(spec), speed=TYPICAL_GPU) for spec in plan.trials)
    hours = seconds / HOUR
    return str(plan.trial_count), f"{hours:.0f}" if hours >= 10 else f"{hours:.2g}"
