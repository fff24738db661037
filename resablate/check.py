"""A trial's names and arguments against the tables, and its canonical form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from resablate.analyses import ANALYSES
from resablate.datasets import DATASETS, NORMALIZATIONS, split_sizes
from resablate.errors import SpecError, nearest
from resablate.model import BLOCKS, NETWORKS, STAGE_PREACTIVATIONS, TRANSITIONS
from resablate.orderings import ORDERINGS
from resablate.registry import Registry, accepted, arguments
from resablate.regularizers import REGULARIZERS, SV_LAYERS, SV_STEMS
from resablate.shortcuts import SHORTCUTS
from resablate.spec import TrialSpec
from resablate.training import AUGMENTATIONS, BLOCK_SAMPLINGS, CROP_FILLS, SCHEDULES, WEIGHT_DECAYS

_TABLES: Mapping[str, Registry[Any]] = {
    "network": NETWORKS,
    "shortcut": SHORTCUTS,
    "ordering": ORDERINGS,
    "block": BLOCKS,
    "transition": TRANSITIONS,
    "stage_preactivation": STAGE_PREACTIVATIONS,
    "dataset": DATASETS,
    "augmentation": AUGMENTATIONS,
    "crop_fill": CROP_FILLS,
    "normalization": NORMALIZATIONS,
    "weight_decay_on": WEIGHT_DECAYS,
    "block_sampling": BLOCK_SAMPLINGS,
    "schedule": SCHEDULES,
    "regularizer": REGULARIZERS,
    "sv_layers": SV_LAYERS,
    "sv_stem": SV_STEMS,
}
"""Field of TrialSpec -> the table that its value is a row of."""
_FEWEST_EXAMPLES = 2


def check_trial(spec: TrialSpec) -> TrialSpec:
    """`spec` in its canonical form: knobs that have no effect under the others are back at their defaults.

    Raises:
        SpecError: with every name that is in no table and every argument that its shortcut does not take.
    """
    found = unknown_names(spec)
    if spec.shortcut in SHORTCUTS:
        found += argument_problems(spec)
    if spec.dataset in DATASETS:
        found += _split_problems(spec)
    if spec.regularizer == "procrustes" and spec.sv_strength > 1:
        found.append(f"sv_strength: procrustes moves by a part of the way, at most 1; got {spec.sv_strength:g}")
    if found:
        raise SpecError(found)
    return _canonical(spec)


def unknown_names(spec: TrialSpec) -> list[str]:
    """One line for each name in `spec` that is in no table, and for a depth that its network cannot have."""
    found = [problem for field, table in _TABLES.items() for problem in _unknown(table, [getattr(spec, field)])]
    if not _unknown(NETWORKS, [spec.network]) + _unknown(BLOCKS, [spec.block]):
        found += _depth_problems(spec)
    return found + _unknown(ANALYSES, spec.analyses)


def _depth_problems(spec: TrialSpec) -> list[str]:
    check = NETWORKS[spec.network].check_depth
    try:
        check(depth=spec.depth, **accepted(check, dict(spec)))
    except ValueError as error:
        return [f"depth: {error}"]
    return []


def _unknown(table: Registry[Any], names: Iterable[str]) -> list[str]:
    problems: list[str] = []
    for name in names:
        try:
            table[name]
        except SpecError as error:
            problems += error.problems
    return problems


def argument_problems(spec: TrialSpec) -> list[str]:
    """One line for each argument that the trial's shortcut does not take, or takes with other values."""
    module = SHORTCUTS[spec.shortcut]
    takes = arguments(module)
    choices = f"takes {', '.join(takes)}" if takes else "takes no argument"
    problems = [
        f"shortcut {spec.shortcut!r} {choices}; got {name}={value!r}{nearest(name, takes)}"
        for name, value in spec.shortcut_args.items()
        if name not in takes
    ]
    for name, value in spec.shortcut_args.items():
        if name in takes and not _same_kind(value, takes[name]):
            kind = "true or false" if isinstance(takes[name], bool) else "a number"
            problems.append(f"shortcut {spec.shortcut!r}: {name} must be {kind}; got {value!r}")
    if not problems:
        try:
            with torch.device("meta"):
                known: dict[str, Any] = dict(spec.shortcut_args)
                module(in_channels=1, out_channels=1, stride=1, **known)
        except ValueError as error:
            problems.append(f"shortcut {spec.shortcut!r}: {error}")
    return problems


def _split_problems(spec: TrialSpec) -> list[str]:
    """Batch norm needs two examples to train on."""
    available = DATASETS[spec.dataset].train_count
    held_out, kept = split_sizes(available, val_fraction=spec.val_fraction, train_examples=spec.train_examples)
    if kept >= _FEWEST_EXAMPLES:
        return []
    return [
        f"train_examples: at least {_FEWEST_EXAMPLES} must be left to train on, but of {held_out + kept} images"
        f" val_fraction={spec.val_fraction} holds out {held_out}"
    ]


def _same_kind(value: object, default: object) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    return isinstance(value, int | float) or not isinstance(default, int | float)


def _canonical(spec: TrialSpec) -> TrialSpec:
    defaults = arguments(SHORTCUTS[spec.shortcut])
    effective = {name: value for name, value in spec.shortcut_args.items() if value != defaults[name]}
    regularizer = "none" if _regularizes_nothing(spec) else spec.regularizer
    chosen: list[tuple[Iterable[Callable[..., object]], Iterable[Callable[..., object]]]] = [
        ([row.build for row in NETWORKS.values()], [NETWORKS[spec.network].build]),
        (SCHEDULES.values(), [SCHEDULES[spec.schedule]]),
        (AUGMENTATIONS.values(), [AUGMENTATIONS[spec.augmentation]]),
        (
            [row.survival for row in BLOCK_SAMPLINGS.values()],
            [BLOCK_SAMPLINGS[spec.block_sampling].survival],
        ),
        (REGULARIZERS.values(), [REGULARIZERS[regularizer]]),
        ([row.run for row in ANALYSES.values()], [ANALYSES[name].run for name in spec.analyses]),
    ]
    # A knob may be taken by rows of several tables, as sv_target by regularizers and an analysis: one is enough.
    inert: set[str] = set()
    inert.update(*(_knobs(rows) for rows, _ in chosen))
    inert.difference_update(*(_knobs(used) for _, used in chosen))
    if not ORDERINGS[spec.ordering].preactivation or (
        spec.stage_preactivation == "own" and spec.transition != "projection"
    ):
        inert.add("stage_preactivation")
    if not spec.momentum:
        inert.add("nesterov")
    if not spec.weight_decay:
        inert.add("weight_decay_on")
    if not spec.warmup_iterations:
        inert.add("warmup_learning_rate")
    if regularizer == "none":
        inert |= {"regularizer", "sv_strength", "sv_layers"}
    if spec.sv_layers == "transitions":
        inert.add("sv_stem")
    if spec.decay_factor == 1:
        inert.add("milestones")
    elif not spec.milestones:
        inert.add("decay_factor")
    dataset = DATASETS[spec.dataset]
    if (spec.train_examples or 0) >= dataset.train_count:
        inert.add("train_examples")
    if (spec.lesion_examples or 0) >= dataset.test_count:
        inert.add("lesion_examples")
    kept = {name: value for name, value in dict(spec).items() if name not in inert}
    # Each analysis has its own generator, so their order has no effect.
    analyses = sorted(spec.analyses, key=ANALYSES.position)
    if "shortcut_args" not in inert:
        kept["shortcut_args"] = effective
    return TrialSpec.parse({**kept, "analyses": analyses})


def _regularizes_nothing(spec: TrialSpec) -> bool:
    if spec.regularizer == "none" or spec.sv_strength == 0:
        return True
    # Zero-padding has no convolution, and a vgg no transition but a maximum.
    return spec.sv_layers == "transitions" and (spec.network == "vgg" or spec.transition == "pad")


def _knobs(functions: Iterable[Callable[..., object]]) -> set[str]:
    return {name for function in functions for name in arguments(function)} & set(TrialSpec.model_fields)
