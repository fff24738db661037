"""What a trial costs, before it is run: parameters, multiply-adds, seconds.

Seconds are those of one CPU core, or of a GPU: work that is counted, times the speed of a machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import comb
from typing import Any

from resablate.check import planned_epochs, planned_steps, steps_per_epoch
from resablate.component import Component
from resablate.datasets import DATASETS, split_sizes
from resablate.machine_speed import TYPICAL, MachineSpeed, Work, regime
from resablate.model import NetworkCost, network_cost
from resablate.pack_size import fastest_size, sizes_to_try
from resablate.question import Question
from resablate.spec import TrainSpec
from resablate.training.evaluation import EVALUATION_BATCH, LESION_BATCH
from resablate.trial import network_fields

_SHARE_OF_A_SET = 0.35
"""Of a forward pass, for each set of blocks removed: part is removed, and beginnings are shared."""
_CACHED = 65_536
_AT_ONCE = ("test", "test_time_rules")
"""Analyses that see examples in batches of an evaluation; others in those of lesions."""
_BY_PIXEL = ("multiply_adds", "activations", "narrow_multiply_adds")
"""What of a network's cost grows with the image."""


def trial_cost(spec: TrainSpec) -> NetworkCost:
    """Parameters and multiply-adds (of one image) of the trial's network, without building it in memory."""
    dataset = DATASETS[spec.dataset.name]
    side = int(spec.dataset.values.get("train_crop", 0))
    shape: dict[str, Any] = {name: _shaping(value) for name, value in network_fields(spec).items()}
    return network_cost(
        **shape,
        in_channels=dataset.channels,
        num_classes=dataset.num_classes,
        size=(side, side) if dataset.streamed else dataset.size,
    )


@lru_cache(maxsize=_CACHED)
def _shaping(value: Component | int) -> Component | int:
    """A component without its fractions, which scale what a network of ours computes and leave its shape as it is.

    So that networks that differ in the bias of their gates are counted once.
    """
    if not isinstance(value, Component) or value.identity:
        return value
    return Component(value.name, {name: part for name, part in value.values.items() if not isinstance(part, float)})


def estimate_seconds(
    spec: TrainSpec, questions: Sequence[Question], *, speed: MachineSpeed = TYPICAL, members: int = 1
) -> float:
    """Seconds that a trial takes on one CPU core or one GPU: an estimate.

    Args:
        spec: what is trained.
        questions: what is asked of its network.
        speed: of the machine.
        members: trials that train as one with it, itself included; its share of their time counts.
    """
    cost = trial_cost(spec)
    values = spec.dataset.values
    count = DATASETS[spec.dataset.name].train_count
    _, examples = split_sizes(
        count, val_fraction=values.get("val_fraction", 0.0), train_examples=values.get("train_examples")
    )
    steps = pass_work(cost, examples, batch=spec.batch_size)
    epoch = _steps_seconds(steps, members, speed) / speed.gain(regime_of(spec), steps.of_images(members))
    trained = epoch * planned_steps(spec) / steps_per_epoch(spec)
    held_out = min(count, values.get("train_examples") or count) - examples
    evaluated = planned_epochs(spec) * speed.forward.seconds(pass_work(cost, held_out))
    return trained + evaluated + sum(_question_seconds(spec, question.analysis, cost, speed) for question in questions)


def _steps_seconds(work: Work, members: int, speed: MachineSpeed) -> float:
    """Seconds of one member's share of steps, whose work is `work` where it trains alone."""
    if members == 1:
        return speed.step.seconds(work)
    return speed.packed.seconds(work.of_images(members)) / members


def expected_pack_size(spec: TrainSpec, at_most: int, *, speed: MachineSpeed = TYPICAL) -> int:
    """How many trainings of the shape of `spec` are expected to train fastest as one.

    Args:
        spec: canonical, of a shape that can be packed.
        at_most: trainings that there are.
        speed: of the machine.
    """
    work = step_work(spec)
    alone = speed.step.seconds(work)
    return fastest_size({size: _steps_seconds(work, size, speed) / alone for size in (1, *sizes_to_try(at_most))})


def regime_of(spec: TrainSpec) -> str:
    """The way in which the steps of a trial compute, as `MachineSpeed.regimes` names it."""
    return regime(spec.precision.name, spec.memory_format.name)


def step_work(spec: TrainSpec) -> Work:
    """What one step of a trial asks of a machine."""
    return pass_work(trial_cost(spec), spec.batch_size, batch=spec.batch_size)


def pass_work(cost: NetworkCost, images: int, *, batch: int = EVALUATION_BATCH) -> Work:
    """What it asks to run a network on so many images, in batches."""
    narrow, batches = cost.narrow_multiply_adds, -(-images // batch)
    return Work(
        batches,
        batches * cost.layers,
        images * cost.activations,
        images * narrow,
        images * (cost.multiply_adds - narrow),
    )


def _question_seconds(spec: TrainSpec, analysis: Component, cost: NetworkCost, speed: MachineSpeed) -> float:
    """Seconds of one answer; 0 for an analysis that is not known here."""
    asked = analysis.values
    gradients: dict[str, Callable[[], float]] = {
        "path_gradient": lambda: _path_gradient(asked, cost, speed),
        "norm_preservation": lambda: speed.step.seconds(pass_work(cost, asked.get("examples") or 1, batch=32)),
        "spectrum": lambda: cost.multiply_adds * speed.spectrum,
    }
    if analysis.name in gradients:
        return gradients[analysis.name]()
    test_count = DATASETS[spec.dataset.name].test_count
    crop, trained_at = asked.get("crop"), spec.dataset.values.get("train_crop")
    seen = _scaled(cost, (crop / trained_at) ** 2) if crop and trained_at else cost
    examples = min(asked.get("examples") or test_count, test_count)
    back = speed.step.seconds(pass_work(seen, examples, batch=32)) if analysis.name == "saliency" else 0
    batch = EVALUATION_BATCH if analysis.name in _AT_ONCE else LESION_BATCH
    once = speed.forward.seconds(pass_work(seen, examples, batch=batch))
    return back + once * _passes(spec, analysis, cost.blocks)


def _scaled(cost: NetworkCost, pixels: float) -> NetworkCost:
    """The cost for images of so many times the pixels."""
    grown = {name: round(getattr(cost, name) * pixels) for name in _BY_PIXEL}
    return cost._replace(**grown)


def _passes(spec: TrainSpec, analysis: Component, blocks: int) -> float:
    """How often the whole network is run on the examples, as equal beginnings are computed once."""
    asked = analysis.values
    sizes = range(1, min(asked.get("largest", 0), blocks) + 1)
    passes = {
        "test": 1,
        "lesion": (blocks + 1) / 2,
        "saliency": (blocks + 1) / 2,
        "multi_lesion": _SHARE_OF_A_SET * sum(min(2 * asked.get("subsets", 1), comb(blocks, size)) for size in sizes),
        "reorder": asked.get("swaps", 1) * asked.get("samples", 1),  # orders have hardly a beginning in common
        "test_time_rules": 2 + (1 if spec.block_sampling.name == "all" else asked.get("subsets", 1)),
    }
    return passes.get(analysis.name, 0)


def _path_gradient(asked: Mapping[str, Any], cost: NetworkCost, speed: MachineSpeed) -> float:
    once = pass_work(cost, asked.get("examples") or 1)
    sampled = (cost.blocks + 1) * asked.get("samples", 0) * speed.sampled.seconds(once)
    vectors = (1 + asked.get("signs", 0)) * walked_vectors(cost.blocks)
    return speed.forward.seconds(once) + sampled + speed.walk.seconds(once.of_images(vectors))


def walked_vectors(blocks: int) -> float:
    """Vectors that the walk over all lengths takes through a block, on average: the last has one, the first has all."""
    return (blocks + 1) / 2
