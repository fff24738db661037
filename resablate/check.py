"""A trial's names and arguments against the tables, and its canonical form."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from typing import Any

import torch

from resablate.analyses import ANALYSES, LESION_ARITHMETICS, LESION_DESIGNS
from resablate.datasets import DATASETS, NORMALIZATIONS, VIEWS, split_sizes
from resablate.errors import SpecError, nearest
from resablate.model import BLOCKS, NETWORKS, STAGE_PREACTIVATIONS, TRANSITIONS, build_network
from resablate.orderings import ORDERINGS
from resablate.registry import Registry, filter_kwargs, keyword_defaults
from resablate.regularizers import REGULARIZERS, SV_LAYERS, SV_STEMS, chosen_convolutions
from resablate.shortcuts import SHORTCUTS
from resablate.spec import TrainSpec
from resablate.training import (
    AUGMENTATIONS,
    BLOCK_SAMPLINGS,
    CROP_FILLS,
    MEMORY_FORMATS,
    PRECISIONS,
    SCHEDULES,
    WEIGHT_DECAYS,
    survival_of,
)

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
    "precision": PRECISIONS,
    "memory_format": MEMORY_FORMATS,
    "block_sampling": BLOCK_SAMPLINGS,
    "schedule": SCHEDULES,
    "regularizer": REGULARIZERS,
    "sv_layers": SV_LAYERS,
    "sv_stem": SV_STEMS,
    "lesion_arithmetic": LESION_ARITHMETICS,
    "multi_lesion_design": LESION_DESIGNS,
}
"""Field of TrainSpec -> the table that its value is a row of."""
_FEWEST_EXAMPLES = 2
_DEFAULT = TrainSpec()


def check_trial(spec: TrainSpec) -> TrainSpec:
    """`spec` in its canonical form: knobs that have no effect under the others are back at their defaults.

    Raises:
        SpecError: with every name that is in no table and every argument that its shortcut does not take.
    """
    found = unknown_names(spec)
    if spec.shortcut in SHORTCUTS:
        found += argument_problems(spec)
    if spec.dataset in DATASETS:
        found += _split_problems(spec) + _view_problems(spec)
    if spec.regularizer == "procrustes" and spec.sv_strength > 1:
        found.append(f"sv_strength: procrustes moves by a part of the way, at most 1; got {spec.sv_strength:g}")
    if late := [epoch for epoch in spec.analysis_epochs if epoch > spec.epochs]:
        found.append(f"analysis_epochs: the trial has {spec.epochs} epochs, so nothing is analyzed after {late}")
    if spec.compile and spec.block_sampling != "all":
        found.append(
            "compile: with block_sampling all alone, since other samplings give every batch another network;"
            f" got {spec.block_sampling!r}"
        )
    if not found and spec.block_sampling != "all":
        found += _sampling_problems(spec)
    if found:
        raise SpecError(found)
    return _canonical(spec)


def unknown_names(spec: TrainSpec) -> list[str]:
    """One line for each name in `spec` that is in no table, and for a depth that its network cannot have."""
    found = [problem for field, table in _TABLES.items() for problem in _unknown(table, [getattr(spec, field)])]
    if not _unknown(NETWORKS, [spec.network]) + _unknown(BLOCKS, [spec.block]):
        found += _depth_problems(spec)
    return found + _unknown(ANALYSES, spec.analyses)


def _depth_problems(spec: TrainSpec) -> list[str]:
    check = NETWORKS[spec.network].check_depth
    try:
        check(depth=spec.depth, **filter_kwargs(check, dict(spec)))
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


def argument_problems(spec: TrainSpec) -> list[str]:
    """One line for each argument that the trial's shortcut does not take, or takes with other values."""
    module = SHORTCUTS[spec.shortcut]
    takes = keyword_defaults(module)
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
    if not problems and (refused := _refused(module, tuple(spec.shortcut_args.items()))):
        problems.append(f"shortcut {spec.shortcut!r}: {refused}")
    return problems


@lru_cache(maxsize=4096)
def _refused(module: Callable[..., object], given: tuple[tuple[str, object], ...]) -> str:
    """Why the shortcut does not take these values; empty if it does. To build it takes longer than all else here."""
    known: dict[str, Any] = dict(given)
    try:
        with torch.device("meta"):
            module(in_channels=1, out_channels=1, stride=1, **known)
    except ValueError as error:
        return str(error)
    return ""


def _split_problems(spec: TrainSpec) -> list[str]:
    """Batch norm needs two examples to train on, and a step a whole batch."""
    available = DATASETS[spec.dataset].train_count
    held_out, kept = split_sizes(available, val_fraction=spec.val_fraction, train_examples=spec.train_examples)
    if kept < _FEWEST_EXAMPLES:
        return [
            f"train_examples: at least {_FEWEST_EXAMPLES} must be left to train on, but of {held_out + kept} images"
            f" val_fraction={spec.val_fraction} holds out {held_out}"
        ]
    found: list[str] = []
    if kept < spec.batch_size:
        found.append(f"batch_size: at most the {kept} images that are left to train on; got {spec.batch_size}")
    steps = min(spec.epochs * -(-kept // spec.batch_size), spec.iterations or sys.maxsize)
    if spec.schedule == "steps" and spec.warmup_iterations >= steps:
        found.append(
            f"warmup_iterations: fewer than the run's {steps} steps, or nothing follows the warm-up;"
            f" got {spec.warmup_iterations}"
        )
    return found


def _sampling_problems(spec: TrainSpec) -> list[str]:
    """More blocks in a batch than the network has."""
    with torch.device("meta"):
        network = build_network(network=spec.network, **filter_kwargs(NETWORKS[spec.network].build, dict(spec)))
    try:
        survival_of(spec.block_sampling, len(network.chain), **dict(spec))
    except ValueError as error:
        return [str(error)]
    return []


def _view_problems(spec: TrainSpec) -> list[str]:
    """Images of one size are not cut from larger ones, and images of many sizes have no mean of each pixel."""
    streamed = [name for name, row in DATASETS.items() if row.streamed]
    if spec.dataset in streamed and spec.normalization == "per_pixel":
        return [f"normalization: {spec.dataset} has images of many sizes and so none by per_pixel; use per_channel"]
    if spec.dataset not in streamed and spec.augmentation in VIEWS:
        return [
            f"augmentation: {spec.augmentation} cuts its crops from images of many sizes, which {spec.dataset} does not"
            f" have (it goes with {', '.join(streamed)}; with all data sets go"
            f" {', '.join(name for name in AUGMENTATIONS if name not in VIEWS)})"
        ]
    return []


def _same_kind(value: object, default: object) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    return isinstance(value, int | float) or not isinstance(default, int | float)


def _canonical(spec: TrainSpec) -> TrainSpec:
    defaults = keyword_defaults(SHORTCUTS[spec.shortcut])
    # Each analysis has its own generator, so their order has no effect.
    form: dict[str, Any] = {
        "shortcut_args": {name: value for name, value in spec.shortcut_args.items() if value != defaults[name]},
        "analyses": tuple(sorted(spec.analyses, key=ANALYSES.position)),
        **{name: getattr(_DEFAULT, name) for name in _without_effect(spec)},
    }
    # Most points of a sweep are canonical as they are, and validating is half of what a point costs.
    return spec if all(getattr(spec, name) == value for name, value in form.items()) else spec.replace(**form)


def _without_effect(spec: TrainSpec) -> frozenset[str]:
    """Knobs that no chosen row of a table takes, and those that the values of others make idle."""
    regularizers = [] if _regularizes_nothing(spec) else [REGULARIZERS[spec.regularizer]]
    tables: dict[str, tuple[Iterable[Callable[..., object]], Iterable[Callable[..., object]]]] = {
        "network": ([row.build for row in NETWORKS.values()], [NETWORKS[spec.network].build]),
        "schedule": (SCHEDULES.values(), [SCHEDULES[spec.schedule]]),
        "augmentation": (AUGMENTATIONS.values(), [AUGMENTATIONS[spec.augmentation]]),
        "block_sampling": (
            [row.survival for row in BLOCK_SAMPLINGS.values()],
            [BLOCK_SAMPLINGS[spec.block_sampling].survival],
        ),
        "regularizer": (REGULARIZERS.values(), regularizers),
        "analyses": ([row.run for row in ANALYSES.values()], [ANALYSES[name].run for name in spec.analyses]),
    }
    taken_by_some = _knobs(row for rows, _ in tables.values() for row in rows)
    taken = _knobs(row for _, chosen in tables.values() for row in chosen)
    # An analysis may take a field that chooses a row, which then counts without it too.
    return (taken_by_some - taken - set(tables)) | _idle(spec)


def _idle(spec: TrainSpec) -> set[str]:
    """Knobs that the values of others make idle."""
    own_start = spec.stage_preactivation == "own" and spec.transition != "projection"
    idle: list[tuple[bool, Iterable[str]]] = [
        (not ORDERINGS[spec.ordering].preactivation or own_start, ["stage_preactivation"]),
        (not spec.momentum, ["nesterov"]),
        (not spec.weight_decay, ["weight_decay_on"]),
        (not spec.warmup_iterations, ["warmup_learning_rate"]),
        (_regularizes_nothing(spec), ["regularizer", "sv_strength", "sv_layers"]),
        (spec.sv_layers == "transitions", ["sv_stem"]),
        (spec.decay_factor == 1, ["milestones"]),
        (spec.decay_factor != 1 and not spec.milestones, ["decay_factor"]),
        (not any(ANALYSES[name].during_training for name in spec.analyses), ["analysis_epochs"]),
    ]
    return {name for condition, names in idle if condition for name in names} | _idle_with_data(spec)


def _idle_with_data(spec: TrainSpec) -> set[str]:
    dataset = DATASETS[spec.dataset]
    if dataset.streamed:  # how many images there are is not known before the folder is read
        return set()
    inert = {"train_crop", "test_crop"}
    if (spec.train_examples or 0) >= dataset.train_count:
        inert.add("train_examples")
    tested = {
        name: getattr(spec, name) or 0 for name in ("lesion_examples", "multi_lesion_examples", "reorder_examples")
    }
    return inert | {name for name, count in tested.items() if count >= dataset.test_count}


def _regularizes_nothing(spec: TrainSpec) -> bool:
    if spec.regularizer == "none" or spec.sv_strength == 0:
        return True
    if spec.sv_frequency == 0 and "sv_frequency" in keyword_defaults(REGULARIZERS[spec.regularizer]):
        return True
    if spec.sv_layers == "all":
        return False
    names = keyword_defaults(NETWORKS[spec.network].build)
    knobs = {name: value for name, value in dict(spec).items() if name in names and name != "shortcut_args"}
    return not _has_convolutions(spec.network, spec.sv_layers, tuple(sorted(spec.shortcut_args.items())), **knobs)


@lru_cache(maxsize=4096)
def _has_convolutions(
    network: str, sv_layers: str, shortcut_args: tuple[tuple[str, object], ...], **knobs: Any
) -> bool:
    with torch.device("meta"):
        built = build_network(network=network, in_channels=1, shortcut_args=dict(shortcut_args), **knobs)
    return bool(chosen_convolutions(built, sv_layers=sv_layers))


def _knobs(functions: Iterable[Callable[..., object]]) -> frozenset[str]:
    return frozenset[str]().union(*(_knobs_of(function) for function in functions))


@cache
def _knobs_of(function: Callable[..., object]) -> frozenset[str]:
    return frozenset(keyword_defaults(function)) & frozenset(TrainSpec.model_fields)
