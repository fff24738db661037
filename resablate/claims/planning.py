"""The smallest sweep that has the trainings and questions that claims need."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from resablate.check import check_trial
from resablate.claims import zaeemzadeh2020
from resablate.claims.arms import Arm, Fields, listed, plain
from resablate.claims.claim import Claim, Rule
from resablate.claims.conjunctions import Every
from resablate.claims.numbers import Grows, Trend
from resablate.claims.sooner import Sooner
from resablate.claims.trials import Trials
from resablate.component import Component
from resablate.datasets import DATASETS
from resablate.errors import SpecError
from resablate.spec import TrainSpec
from resablate.sweep_blocks import FIRST_SEEDS

LEVEL = 0.05
LEAST_SEEDS = 3
"""Of each cell, where no effect was published: from so many on, nothing leans on a prior."""
PAPER_DEPTH = 110
"""Layers of most networks of the papers."""
_BOTTLENECK_DEPTH = 164
_SHALLOW = 20
_LONGEST_NAME = 100
RECIPE: Mapping[str, Any] = {
    "augmentation": "crop_flip",
    "epochs": 200,
    "iterations": 64_000,
    "batch_size": 128,
    "schedule": {"name": "steps", "warmup_iterations": 400},
}
"""He et al. 2016, appendix: 64,000 steps, 0.01 for 400 of them, then 0.1, divided by 10 at 32,000 and 48,000; on all
50,000 images, less their mean by pixel (arXiv 1512.03385, section 4.2)."""
PROCRUSTES_RECIPE: Mapping[str, Any] = {"augmentation": "crop_flip", "epochs": 300, "batch_size": 128}
"""Zaeemzadeh et al. 2020, the released code: 0.1, divided by 10 at epochs 150 and 225; images less their mean by
channel."""


@dataclass(frozen=True)
class ClaimPlan:
    """A sweep for claims.

    Args:
        content: of the sweep file.
        notes: what a reader should know, a sentence each.
    """

    content: dict[str, Any]
    notes: tuple[str, ...]


def plan_claims(
    claims: Sequence[Claim], *, dataset: str | None = None, depth: int | None = None, seeds: int | None = None
) -> ClaimPlan:
    """The smallest sweep that has what the claims need.

    Args:
        claims: at least one.
        dataset: a row of DATASETS; that of the papers where None.
        depth: layers of the networks, where a claim is not about one depth; that of the papers where None.
        seeds: of each cell; as many as decide the published effects with 80 % power where None.

    Raises:
        SpecError: if a claim needs what does not exist, or is about another data set, or no network has that depth.
    """
    _check(claims, dataset)
    base = _base(claims, dataset)
    reference = TrainSpec.parse(base)
    cases = [_difference(spec, reference) for spec in _cells(claims, base, depth)]
    shared = {name: value for name, value in cases[0].items() if all(case.get(name) == value for case in cases)}
    base = {**base, **shared}
    cases = [{name: value for name, value in case.items() if name not in shared} for case in cases]
    # A field that some case changes stands in every case, and in the base no more.
    both = {name: _written(reference, name) for name in base if any(name in case for case in cases)}
    base = {name: value for name, value in base.items() if name not in both}
    cases = [{**deepcopy(both), **case} for case in cases]  # a file of equal mappings, not of references to one
    count, notes = _seeds(claims, reference.dataset.name, seeds)
    names = [claim.id for claim in claims]
    content: dict[str, Any] = {
        "name": f"claims_{'_'.join(names)}"[:_LONGEST_NAME],
        "question": _question(claims, reference.dataset.name),
        "base": base,
        **_space(cases, reference, list(range(count))),
        "analyses": _questions(claims),
    }
    return ClaimPlan({name: part for name, part in content.items() if part != {} or name == "analyses"}, notes)


def until_decided(planned: ClaimPlan, claims: Sequence[Claim], *, most: int | None = None) -> ClaimPlan:
    """The same sweep with seeds in rounds until these claims are decided.

    Args:
        planned: the sweep with a fixed number of seeds.
        claims: those that it is for.
        most: seeds that a cell gets at most; a third more than the fixed number where None: the last look keeps half of
            the level, for which a third more make up.

    Raises:
        SpecError: if that is one round.
    """
    axes = dict(planned.content["axes"])
    fixed = len(axes.pop("seed"))
    if most is not None and most <= FIRST_SEEDS:
        raise SpecError(
            f"--seeds {most}: with --until-decided these are the most that a cell gets, and the first round has"
            f" {FIRST_SEEDS}; give {FIRST_SEEDS + 1} or more, or leave one of the two out"
        )
    most = most or max(-(-4 * fixed // 3), FIRST_SEEDS + 1)
    seeds = {"until": "decided", "most": most, "claims": [claim.id for claim in claims]}
    content = {name: part for name, part in planned.content.items() if name != "axes"}
    return ClaimPlan({**content, **({"axes": axes} if axes else {}), "seeds": seeds}, planned.notes)


def _question(claims: Sequence[Claim], dataset: str) -> str:
    if len(claims) == 1:
        return f"Does {claims[0].id} hold on {dataset}: {claims[0].statement.removesuffix('.')}?"
    return f"Do {listed([claim.id for claim in claims])} hold on {dataset}?"


def _cells(claims: Sequence[Claim], base: Mapping[str, Any], depth: int | None) -> list[TrainSpec]:
    """One training of each cell, canonical."""
    specs: dict[str, TrainSpec] = {}
    problems: dict[str, None] = {}
    # Those of a special network last: what the others train may do for them.
    for claim in sorted(claims, key=lambda claim: bool(claim.base)):
        if claim.base and claim.compared(Trials.planned(specs.values())) and not _compares_arms(claim.rule):
            continue
        try:
            listed = list(_trainings(claim.rule, claim.where, depth))
        except SpecError as error:
            problems.update(dict.fromkeys(f"{claim.id}: {problem}" for problem in error.problems))
            continue
        for arm, fields in listed:
            try:
                spec = check_trial(TrainSpec.parse(arm.follow(_merged({**base, **claim.base}, fields))))
            except SpecError as error:
                problems.update(dict.fromkeys(f"{claim.id}: {problem}" for problem in error.problems))
                continue
            specs.setdefault(spec.cell, spec)
    if problems:
        raise SpecError(problems)
    return list(specs.values())


def _compares_arms(rule: Rule) -> bool:
    """Whether a rule is about more than one kind of network, so that each of them has to be there."""
    return len(rule.arms) > 1 or isinstance(rule, Every | Trend | Grows)


def _merged(base: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `fields` in its place; a component that is already there keeps its arguments."""
    same = {name for name, value in base.items() if isinstance(value, Mapping) and fields.get(name) == value["name"]}
    return {**base, **{name: value for name, value in fields.items() if name not in same}}


def _check(claims: Sequence[Claim], dataset: str | None) -> None:
    problems: list[str] = []
    for claim in claims:
        if not claim.rule.arms:
            problems.append(f"{claim.id}: nothing decides it yet: {claim.rule.text.removeprefix('not tested: ')}")
        fixed = claim.where.get("dataset")
        if dataset and fixed and fixed != dataset:
            problems.append(f"{claim.id}: is about {fixed} alone, got dataset {dataset!r}")
    if problems:
        raise SpecError(problems)


def _base(claims: Sequence[Claim], dataset: str | None) -> dict[str, Any]:
    """The fields that all trainings share: data and recipe."""
    if dataset is None and all("dataset" in claim.where for claim in claims):
        return dict(claims[0].base)
    name = dataset or "cifar10"
    DATASETS[name]
    if not name.startswith("cifar"):
        return {"dataset": name}
    held_out = {} if any(_compares_validation(claim.rule) for claim in claims) else {"val_fraction": 0}
    if all(claim in zaeemzadeh2020.CLAIMS for claim in claims):
        return {"dataset": {"name": name, **held_out}, **PROCRUSTES_RECIPE}
    return {"dataset": {"name": name, "normalization": "per_pixel", **held_out}, **RECIPE}


def _compares_validation(rule: Rule) -> bool:
    """Whether a rule needs images that are held out."""
    return isinstance(rule, Sooner) or (isinstance(rule, Every) and any(map(_compares_validation, rule.rules.values())))


def _trainings(rule: Rule, where: Fields, depth: int | None) -> Iterator[tuple[Arm, dict[str, Any]]]:
    """Arm and fields of every cell that a rule compares."""
    if isinstance(rule, Every):
        for name, part in rule.rules.items():
            yield from _trainings(part, {**where, **(rule.also or {}).get(name, {})}, depth)
        return
    shared = {name: value for name, value in plain(where).items() if name != "depth"}
    for arm in rule.arms:
        for training in arm.planned:
            for layers in _depths(rule, where, training, "depth" in arm.fields, depth):
                yield arm, {**shared, **training, "depth": layers}


def _depths(rule: Rule, where: Fields, training: Mapping[str, Any], fixed: bool, depth: int | None) -> list[int]:
    if isinstance(rule, Grows | Trend):
        return _up_to(rule, depth)
    own = training.get("depth")
    if own is not None and (fixed or depth is None or training.get("network") == "vgg"):
        return [own]
    if own is not None and depth is not None:  # a bare network has two layers more than the ResNet of as many blocks
        return [depth + own - _BOTTLENECK_DEPTH]
    least = plain({"depth": where["depth"]})["depth"] if "depth" in where else 0
    if depth is not None and depth < least:
        raise SpecError(f"counts networks of {least} layers or more, got depth {depth}")
    return [depth or max(least, PAPER_DEPTH)]


def _up_to(rule: Grows | Trend, greatest: int | None) -> list[int]:
    """The depths of a rule, or those below `greatest` and that one."""
    if greatest is None:
        return list(rule.depths)
    below = [layers for layers in rule.depths if layers < greatest]
    if isinstance(rule, Grows):
        return [*(below or [_SHALLOW]), greatest]
    if len(below) + 1 < rule.fewest:
        raise SpecError(
            f"needs {rule.fewest} depths or more, of {list(rule.depths)}, up to the greatest; got {greatest}"
        )
    return [*below, greatest]


def _difference(spec: TrainSpec, base: TrainSpec) -> dict[str, Any]:
    """The fields of a cell that differ from the base's, as a sweep file has them."""
    fields = dict(spec)
    return {
        name: _written(spec, name) for name, value in fields.items() if name != "seed" and value != getattr(base, name)
    }


def _space(cases: Sequence[dict[str, Any]], base: TrainSpec, seeds: list[int]) -> dict[str, Any]:
    """One axis where the cells differ in one field, else tied values."""
    names = {name for case in cases for name in case}
    if not names:
        return {"axes": {"seed": seeds}}
    if len(names) == 1:
        (name,) = names
        return {"axes": {name: [{**_itself(base, names), **case}[name] for case in cases], "seed": seeds}}
    return {"cases": [case or _itself(base, names) for case in cases], "axes": {"seed": seeds}}


def _itself(base: TrainSpec, names: Collection[str]) -> dict[str, Any]:
    """A case that is the base itself: one of the fields that others change, with the base's value."""
    name = min(names)
    return {name: _written(base, name)}


def _written(spec: TrainSpec, name: str) -> Any:
    """A field as a sweep file has it."""
    value = getattr(spec, name)
    return value.brief() if isinstance(value, Component) else value


def _questions(claims: Sequence[Claim]) -> dict[str, Any]:
    """Analysis -> arguments and epochs, those of all claims together."""
    found: dict[str, dict[str, Any]] = {}
    for claim in claims:
        for name, asked in claim.questions.items():
            known = found.setdefault(name, {})
            epochs = sorted({*known.get("epochs", ()), *asked.get("epochs", ())})
            known.update(asked)
            if epochs:
                known["epochs"] = epochs
    return found


def _seeds(claims: Sequence[Claim], dataset: str, given: int | None) -> tuple[int, tuple[str, ...]]:
    """Seeds of each cell, and how they came about."""
    examples = DATASETS[dataset].test_count or 10_000
    needed = {claim.id: claim.rule.seeds(LEVEL / len(claims), examples) for claim in claims}
    sure = [name for name, count in needed.items() if count == 1]
    unknown = [name for name, count in needed.items() if count is None]
    listed = ", ".join(f"{name} {count}" for name, count in needed.items() if count is not None and count > 1)
    notes = [f"one training tells {', '.join(sure)}: it follows from the network alone"] if sure else []
    if listed:
        notes.append(
            f"seeds for the published effects with 80 % power at {100 * LEVEL / len(claims):.2g} % each, by the prior"
            f" sd sqrt(error / 2m) of {examples:,} test examples: {listed}; a report's level is for all that it"
            " compares, unless seeds come in rounds for these claims (--until-decided)"
        )
    if unknown:
        why = f"no size and spread of an effect are known for {', '.join(unknown)}"
        notes.append(f"{why}, by which its seeds could be told" if given else f"{LEAST_SEEDS} seeds at least: {why}")
    known = [count for count in needed.values() if count is not None]
    counted = not unknown and max(known) == 1
    if given == 1 and not counted:
        notes.append("one seed of each decides nothing: it tells nothing of the noise of seeds; give 2 or more")
    return given or (1 if counted else max([LEAST_SEEDS, *known])), tuple(notes)
