"""What a trial costs, before it is run: parameters, multiply-adds, seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import comb
from typing import Any

from resablate.check import planned_epochs, planned_steps, steps_per_epoch
from resablate.component import Component
from resablate.datasets import DATASETS, split_sizes
from resablate.model import NetworkCost, network_cost
from resablate.question import Question
from resablate.spec import TrainSpec
from resablate.trial import network_fields

# Seconds on one core of a 2020s x86 server, fitted to networks of depth 20 to 56 and width 8 to 64 on images of 8 to
# 32 pixels (within a third of what was measured there). An estimate to plan by, no promise.
_SECONDS_PER_LAYER_STEP = 3.2e-4
_SECONDS_PER_LAYER_PASS = 1.0e-4
_MULTIPLY_ADDS_PER_SECOND = 6.5e10
_SHARE_OF_A_SET = 0.35
"""Of a forward pass, for each set of blocks removed: part is removed, and beginnings are shared."""
_CACHED = 65_536
_SPECTRUM_MULTIPLY_ADDS_PER_SECOND = 6.5e7  # each convolution about a hundred times, in float64


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


def estimate_cpu_seconds(spec: TrainSpec, questions: Sequence[Question]) -> float:
    """Seconds that a trial takes on one CPU core, by its multiply-adds and its number of layers: an estimate.

    Args:
        spec: what is trained.
        questions: what is asked of its network.
    """
    cost = trial_cost(spec)
    values = spec.dataset.values
    count = DATASETS[spec.dataset.name].train_count
    _, examples = split_sizes(
        count, val_fraction=values.get("val_fraction", 0.0), train_examples=values.get("train_examples")
    )
    epoch = _gradients(spec.depth, examples, cost.multiply_adds, batch=spec.batch_size)
    trained = epoch * planned_steps(spec) / steps_per_epoch(spec)
    held_out = planned_epochs(spec) * _forward(
        spec.depth, min(count, values.get("train_examples") or count) - examples, cost.multiply_adds
    )
    return trained + held_out + sum(_question_seconds(spec, question.analysis, cost) for question in questions)


def _question_seconds(spec: TrainSpec, analysis: Component, cost: NetworkCost) -> float:
    """Seconds of one answer; 0 for an analysis that is not known here."""
    asked = analysis.values
    gradients: dict[str, Callable[[], float]] = {
        "path_gradient": lambda: _path_gradient(spec, asked, cost),
        "norm_preservation": lambda: _gradients(spec.depth, asked.get("examples") or 1, cost.multiply_adds, batch=32),
        "spectrum": lambda: cost.multiply_adds / _SPECTRUM_MULTIPLY_ADDS_PER_SECOND,
    }
    if analysis.name in gradients:
        return gradients[analysis.name]()
    test_count = DATASETS[spec.dataset.name].test_count
    crop, trained_at = asked.get("crop"), spec.dataset.values.get("train_crop")
    adds = cost.multiply_adds * ((crop / trained_at) ** 2 if crop and trained_at else 1)
    examples = min(asked.get("examples") or test_count, test_count)
    back = _gradients(spec.depth, examples, adds, batch=32) if analysis.name == "saliency" else 0
    return back + _forward(spec.depth, examples, adds) * _passes(spec, analysis, cost.blocks)


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


def _path_gradient(spec: TrainSpec, asked: Mapping[str, Any], cost: NetworkCost) -> float:
    examples = asked.get("examples") or 1
    sampled = (cost.blocks + 1) * asked.get("samples", 0)
    # The walk takes one vector through the last block and one for each block through the first, and as many for signs.
    walked = (1 + asked.get("signs", 0)) * (cost.blocks + 1) / 2
    through = examples * cost.multiply_adds / _MULTIPLY_ADDS_PER_SECOND
    return sampled * _gradients(spec.depth, examples, cost.multiply_adds) + walked * through


def _gradients(layers: int, examples: int, multiply_adds: float, *, batch: int | None = None) -> float:
    """Forward and back once with so many examples."""
    batches = -(-examples // (batch or examples))
    return batches * layers * _SECONDS_PER_LAYER_STEP + 3 * examples * multiply_adds / _MULTIPLY_ADDS_PER_SECOND


def _forward(layers: int, examples: int, multiply_adds: float) -> float:
    batches = -(-examples // 256)
    return batches * layers * _SECONDS_PER_LAYER_PASS + examples * multiply_adds / _MULTIPLY_ADDS_PER_SECOND
