"""What would decide the claims that are not decided, put together by what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from resablate.claims.answer import Answer
from resablate.claims.arms import Arm, Params, Within, matches
from resablate.claims.claim import Claim
from resablate.claims.conjunctions import Missing
from resablate.statistics import Verdict

_IMAGENET = {"dataset": "image_folder", "network": "imagenet_resnet"}
TO_COME = "what has still to end"
SEEDS = "more seeds of the trainings that are here"
LEARNING = "a setting in which the networks learn"
QUESTIONS = "a question to the networks that are here"
EQUAL = "trainings of the same kinds that are equal in everything else, or at more depths"
NO_PART = "what resablate has no part for"
_FIRST, _LAST = (TO_COME, SEEDS, LEARNING, QUESTIONS), (EQUAL, NO_PART)
"""Headings; between them other trainings, the most claims first."""


def open_claims(answers: Sequence[Answer], trained: Sequence[Params]) -> dict[str, list[Answer]]:
    """What is missing -> the claims that it would decide, the nearest to a decision first.

    Args:
        answers: to published claims.
        trained: flat fields of each cell that there is.
    """
    groups: dict[str, list[Answer]] = {}
    for answer in answers:
        if answer.what_would_decide:
            groups.setdefault(_missing(answer, trained), []).append(answer)
    between = sorted(groups.keys() - {*_FIRST, *_LAST}, key=lambda heading: (-len(groups[heading]), heading))
    return {heading: groups[heading] for heading in (*_FIRST, *between, *_LAST) if heading in groups}


def _missing(answer: Answer, trained: Sequence[Params]) -> str:
    if isinstance(answer.claim.rule, Missing):
        return NO_PART
    if answer.to_come:
        return TO_COME
    if answer.verdict is Verdict.UNDECIDED:
        return LEARNING if answer.judgement.cannot_decide else SEEDS
    if heading := _lacking_trainings(answer.claim, trained):
        return heading
    asked = any(f"{name} of " in answer.missing or name == answer.missing for name in answer.claim.questions)
    return QUESTIONS if asked else EQUAL


def _lacking_trainings(claim: Claim, trained: Sequence[Params]) -> str:
    """Which trainings a claim lacks, by their fields; empty where each of its arms is there."""
    here = trained
    for name, condition in sorted(claim.where.items(), key=lambda item: item[0] not in _IMAGENET):
        here = [params for params in here if matches(params, {name: condition})]
        if not here:
            return _training({name: condition})
    absent = [arm for arm in claim.rule.arms if not any(arm.holds(params) for params in here)]
    if not absent:
        return ""
    different = _different(absent[0], here)
    return _training(different) if different else f"trainings with {absent[0].name}"


def _different(arm: Arm, here: Sequence[Params]) -> Mapping[str, object]:
    """The fields of an arm that no training has."""
    return {name: value for name, value in arm.fields.items() if not any(matches(p, {name: value}) for p in here)}


def _training(fields: Mapping[str, object]) -> str:
    """Trainings with such fields, in words."""
    if any(fields.get(name) == value for name, value in _IMAGENET.items()):
        return "ImageNet (data set image_folder)"
    depth = fields.get("depth")
    if isinstance(depth, Within):
        return f"networks of {depth.low:g} layers or more"
    if depth is not None:
        return "networks of other depths"
    names = dict.fromkeys(name.partition(".")[0].replace("_", " ") for name in fields)
    return f"trainings with another {' or '.join(names)}"
