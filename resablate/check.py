"""A trial's components against the tables, and its canonical form."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch

from resablate.augmentations import AUGMENTATIONS, ERASINGS, MIXINGS
from resablate.component import Component
from resablate.component_tables import resolve, takes
from resablate.datasets import DATASETS, VIEWS, split_sizes
from resablate.errors import SpecError
from resablate.model import NETWORKS
from resablate.network_shape import NetworkShape, block_count, has_convolutions, why_refused
from resablate.orderings import ORDERINGS
from resablate.registry import filter_kwargs, with_arguments
from resablate.regularizers import REGULARIZERS
from resablate.shortcuts import build_shortcut
from resablate.spec import TrainSpec
from resablate.training import BLOCK_SAMPLINGS, why_not_recorded

_FEWEST_EXAMPLES = 2
_CACHED = 65_536
_SHALLOWEST_WITH_BOTTLENECKS = 50
"""Of the networks on ImageNet."""
_WITHOUT_SHIFTS = ("bias", "none")
"""Norms that have no shift for each channel."""


def check_trial(spec: TrainSpec) -> TrainSpec:
    """`spec` in its canonical form: every argument filled in, and what has no effect back at its default.

    Raises:
        SpecError: with every name that is in no table, every argument that a component does not take, and everything
            that does not go together; its `valid_part` is the trial where its data set is right, and tells what
            questions could be answered.
    """
    resolved = {field: resolve(component, field) for field, component in spec.components().items()}
    found = [problem for part in resolved.values() for problem in part.problems]
    filled = spec.model_copy(update={field: part.component for field, part in resolved.items()})
    if not resolved["network"].problems:
        found += _depth_problems(filled)
    for field in _REFUSING:
        if not resolved[field].problems and (refused := _refused(getattr(filled, field), field)):
            found.append(f"{field} {getattr(filled, field).name!r}: {refused}")
    if not resolved["dataset"].problems and not resolved["schedule"].problems:
        found += _split_problems(filled)
    if not resolved["schedule"].problems:
        found += _milestone_problems(filled)
    if not resolved["dataset"].problems and not resolved["augmentation"].problems:
        found += _view_problems(filled)
    if filled.compile and filled.block_sampling.name != "all":
        found.append(
            "compile: with block_sampling all alone, since other samplings give every batch another network;"
            f" got {filled.block_sampling.name!r}"
        )
    if not found:
        found += _build_problems(filled)
    if found:
        raise SpecError(found, valid_part=None if resolved["dataset"].problems else filled)
    return _canonical(filled)


def unknown_names(spec: TrainSpec) -> list[str]:
    """One line for each name and argument that is in no table, and for a depth that its network cannot have."""
    resolved = {field: resolve(component, field) for field, component in spec.components().items()}
    found = [problem for part in resolved.values() for problem in part.problems]
    if not resolved["network"].problems:
        found += _depth_problems(spec.model_copy(update={"network": resolved["network"].component}))
    return found


def why_kernel_by_kernel(spec: TrainSpec) -> str:
    """Why a GPU runs the steps of a checked trial kernel by kernel; empty where it replays a captured one."""
    sampling = spec.block_sampling
    survival = BLOCK_SAMPLINGS[sampling.name].chances(block_count(NetworkShape.of(spec)), sampling)
    return why_not_recorded(
        streamed=DATASETS[spec.dataset.name].streamed,
        every_block=all(chance == 1 for chance in survival),
        recordable=getattr(REGULARIZERS[spec.regularizer.name], "recordable", True),
    )


def _depth_problems(spec: TrainSpec) -> list[str]:
    check = NETWORKS[spec.network.name].check_depth
    try:
        check(depth=spec.depth, **filter_kwargs(check, spec.network.values))
    except ValueError as error:
        return [f"depth: {error}"]
    return []


_REFUSING: Mapping[str, Callable[[Component], object]] = {
    "shortcut": lambda row: build_shortcut(row, in_channels=1, out_channels=1, stride=1),
    "augmentation": lambda row: with_arguments(AUGMENTATIONS, row)(),
    "erasing": lambda row: with_arguments(ERASINGS, row)(),
    "mixing": lambda row: with_arguments(MIXINGS, row)(),
}
"""Fields whose rows may refuse values together, and what they make of them."""


@lru_cache(maxsize=_CACHED)
def _refused(row: Component, field: str) -> str:
    """Why a row does not take these values together; empty if it does."""
    try:
        with torch.device("meta"):
            _REFUSING[field](row)
    except ValueError as error:
        return str(error)
    return ""


def _split_problems(spec: TrainSpec) -> list[str]:
    """Batch norm needs two examples to train on, and a step a whole batch."""
    available = DATASETS[spec.dataset.name].train_count
    given = {name: spec.dataset.values.get(name) for name in ("val_fraction", "train_examples")}
    held_out, kept = split_sizes(
        available, val_fraction=given["val_fraction"] or 0.0, train_examples=given["train_examples"]
    )
    if kept < _FEWEST_EXAMPLES:
        return [
            f"dataset.train_examples: at least {_FEWEST_EXAMPLES} must be left to train on, but of {held_out + kept}"
            f" images val_fraction={given['val_fraction']} holds out {held_out}"
        ]
    found: list[str] = []
    if kept < spec.batch_size:
        found.append(f"batch_size: at most the {kept} images that are left to train on; got {spec.batch_size}")
    ghost = spec.norm.values.get("ghost_batch_size") or 0
    if ghost > spec.batch_size:
        found.append(
            f"norm.ghost_batch_size: a part of a batch, so at most its {spec.batch_size} examples (batch_size); got"
            f" {ghost}"
        )
    warmup = spec.schedule.values.get("warmup_iterations", 0)
    if warmup and warmup >= planned_steps(spec):
        found.append(
            f"schedule.warmup_iterations: fewer than the run's {planned_steps(spec)} steps, or nothing follows the"
            f" warm-up; got {warmup}"
        )
    return found


def _milestone_problems(spec: TrainSpec) -> list[str]:
    """In another order they would be the same training with another key."""
    milestones = list(spec.schedule.values.get("milestones", ()))
    if milestones == sorted(set(milestones)):
        return []
    return [f"schedule.milestones: must be rising parts of the run, each once; got {milestones}"]


def planned_steps(spec: TrainSpec) -> int:
    """Optimizer steps of the whole run, by the number of images that the table tells."""
    return min(spec.epochs * steps_per_epoch(spec), spec.iterations or sys.maxsize)


def planned_epochs(spec: TrainSpec) -> int:
    """Epochs of the whole run, the last of which `iterations` may cut off."""
    return -(-planned_steps(spec) // steps_per_epoch(spec))


def steps_per_epoch(spec: TrainSpec) -> int:
    """Optimizer steps in an epoch, by the number of images that the table tells."""
    values = spec.dataset.values
    _, kept = split_sizes(
        DATASETS[spec.dataset.name].train_count,
        val_fraction=values.get("val_fraction", 0.0),
        train_examples=values.get("train_examples"),
    )
    full, rest = divmod(kept, spec.batch_size)
    return max(1, full + (rest > 1))


def _view_problems(spec: TrainSpec) -> list[str]:
    """Images of one size are not cut from larger ones."""
    streamed = [name for name, row in DATASETS.items() if row.streamed]
    name = spec.augmentation.name
    if spec.dataset.name in streamed and spec.augmentation.values.get("fill") == "black":
        return [
            f"augmentation.fill: black is padded before images are normalized, which those of {spec.dataset.name} are"
            " when they are decoded; got 'black'"
        ]
    if spec.dataset.name not in streamed and name in VIEWS:
        return [
            f"augmentation: {name} cuts its crops from images of many sizes, which {spec.dataset.name} does not"
            f" have (it goes with {', '.join(streamed)}; with all data sets go"
            f" {', '.join(other for other in AUGMENTATIONS if other not in VIEWS)})"
        ]
    return []


def _build_problems(spec: TrainSpec) -> list[str]:
    """What the network refuses as a whole, and more blocks in a batch than it has."""
    if spec.norm.name in _WITHOUT_SHIFTS and spec.shortcut.values.get("batch_norm") and "bias" in spec.shortcut.values:
        return [
            f"shortcut.batch_norm: a gate's batch norm holds its bias, which norm {spec.norm.name} could not; got true"
        ]
    unusual = spec.norm != Component("batch") or spec.network.values.get("cardinality", 1) != 1
    if unusual and (refused := why_refused(NetworkShape.of(spec))):
        return [f"network: {refused}"]
    if (kernels := spec.network.values.get("convolution", "plain")) != "plain" and not _regularizes_nothing(spec):
        return [f"regularizer: {spec.regularizer.name} acts on plain kernels, but network.convolution is {kernels}"]
    if spec.block_sampling.name == "all":
        return []
    try:
        blocks = block_count(NetworkShape.of(spec))
        BLOCK_SAMPLINGS[spec.block_sampling.name].chances(blocks, spec.block_sampling)
    except ValueError as error:
        return [f"block_sampling: {error}"]
    return []


def _canonical(spec: TrainSpec) -> TrainSpec:
    """What has no effect under the rest back at its default."""
    changed: dict[str, Any] = {field: _default(field) for field in idle_fields(spec.network.name)}
    if spec.network.values.get("batch_norm") is False:
        changed["norm"] = _default("norm")
    if _regularizes_nothing(spec):
        changed["regularizer"] = _default("regularizer")
    for field, names in unused_arguments(spec).items():
        component = changed.get(field, getattr(spec, field))
        if used := [name for name in names if name in component.arguments]:
            changed[field] = _without(component, field, used)
    return spec.model_copy(update=changed) if changed else spec


def idle_fields(network: str) -> tuple[str, ...]:
    """The fields that a network of this name takes no account of: a VGG has no shortcuts."""
    optional = ("shortcut", "ordering", "initialization")
    taken = filter_kwargs(NETWORKS[network].build, dict.fromkeys(optional, None))
    return tuple(field for field in optional if field not in taken)


@lru_cache(maxsize=64)
def _default(field: str) -> Component:
    """The default of a field, with its arguments filled in."""
    return resolve(TrainSpec.model_fields[field].default, field).component


def _without(component: Component, field: str, names: Iterable[str]) -> Component:
    """`component` with these arguments back at their defaults."""
    defaults = takes(field, component.name)
    kept = {name: value for name, value in component.arguments.items() if name not in set(names)}
    return replace(component, arguments=kept, defaults={**component.defaults, **{n: defaults[n] for n in names}})


def unused_arguments(spec: TrainSpec) -> dict[str, list[str]]:
    """Field -> its arguments that the values of others leave without effect."""
    network, schedule, optimizer = spec.network.values, spec.schedule.values, spec.optimizer.values
    whole_batch = spec.norm.values.get("ghost_batch_size") == spec.batch_size
    own_start = network.get("stage_preactivation") == "own" and network.get("transition") != "projection"
    ordering = ORDERINGS[spec.ordering.name]
    unused: dict[str, list[tuple[bool, str]]] = {
        "network": [
            (not ordering.preactivation or own_start, "stage_preactivation"),
            (network.get("transition") == "bare", "stem_width"),
            (network.get("transition") == "bare", "stem"),
            (network.get("stem") == "doubled" and not ordering.preactivation, "stem"),
            (network.get("transition", "projection") != "projection", "projection"),
            (not _has_bottlenecks(spec), "bottleneck_stride"),
            (network.get("block", "bottleneck") != "bottleneck", "cardinality"),
        ],
        "optimizer": [
            (not optimizer.get("momentum", 1), "nesterov"),
            (not optimizer.get("weight_decay", 1), "weight_decay_on"),
        ],
        "schedule": [
            (not schedule.get("warmup_iterations", 1), "warmup_learning_rate"),
            (not schedule.get("warmup_iterations", 1), "warm_up"),
            (schedule.get("decay_factor") == 1, "milestones"),
            (schedule.get("decay_factor") != 1 and not schedule.get("milestones", [0]), "decay_factor"),
        ],
        "norm": [(whole_batch, "ghost_batch_size")],
        "regularizer": [(spec.regularizer.values.get("layers") == "transitions", "stem")],
        "dataset": [(_takes_all(spec.dataset), "train_examples")],
    }
    return {field: [name for idle, name in rules if idle] for field, rules in unused.items()}


def _has_bottlenecks(spec: TrainSpec) -> bool:
    values = spec.network.values
    return values["block"] == "bottleneck" if "block" in values else spec.depth >= _SHALLOWEST_WITH_BOTTLENECKS


def _takes_all(dataset: Component) -> bool:
    row = DATASETS[dataset.name]  # how many images a streamed one has is not known before the folder is read
    return not row.streamed and (dataset.values.get("train_examples") or 0) >= row.train_count


def _regularizes_nothing(spec: TrainSpec) -> bool:
    values = spec.regularizer.values
    if spec.regularizer.name == "none" or not values.get("strength", 1) or not values.get("frequency", 1):
        return True
    if values.get("layers", "all") == "all":
        return False
    return not has_convolutions(NetworkShape.of(spec), values["layers"])
