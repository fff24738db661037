"""How long a trial takes, before it is run."""

from __future__ import annotations

from math import comb

from resablate.datasets import DATASETS
from resablate.model import NetworkCost
from resablate.spec import TrainSpec
from resablate.trial import trial_cost

# Seconds on one core of a 2020s x86 server, fitted to networks of depth 20 to 56 and width 8 to 64 on images of 8 to
# 32 pixels (within a third of what was measured there). An estimate to plan by, no promise.
_SECONDS_PER_LAYER_STEP = 3.2e-4
_SECONDS_PER_LAYER_PASS = 1.0e-4
_MULTIPLY_ADDS_PER_SECOND = 6.5e10
_SHARE_OF_A_SET = 0.35
"""Of a forward pass, for each set of blocks removed: part is removed, and beginnings are shared."""
_SPECTRUM_MULTIPLY_ADDS_PER_SECOND = 6.5e7  # each convolution about a hundred times, in float64


def estimate_cpu_seconds(spec: TrainSpec) -> float:
    """Seconds that the trial takes on one CPU core, by its multiply-adds and its number of layers: an estimate."""
    cost = trial_cost(spec)
    dataset = DATASETS[spec.dataset]
    examples = min(spec.train_examples or dataset.train_count, dataset.train_count)
    train = _gradients(spec.depth, examples, cost.multiply_adds, batch=spec.batch_size)
    tested_adds = cost.multiply_adds * ((spec.test_crop / spec.train_crop) ** 2 if dataset.streamed else 1)
    seconds = spec.epochs * train + _forward(spec.depth, dataset.test_count, tested_adds)
    wholes = _lesion_passes(spec, cost.blocks)
    for name, limit in (
        ("lesion", spec.lesion_examples),
        ("multi_lesion", spec.multi_lesion_examples),
        ("reorder", spec.reorder_examples),
    ):
        if name in spec.analyses:
            tested = min(limit or dataset.test_count, dataset.test_count)
            seconds += wholes[name] * _forward(spec.depth, tested, tested_adds)
    times = 1 + len(spec.analysis_epochs)
    if "path_gradient" in spec.analyses:
        seconds += times * _path_gradient(spec, cost)
    if "norm_preservation" in spec.analyses:
        seconds += times * _gradients(spec.depth, spec.norm_examples, cost.multiply_adds, batch=32)
    if "test_time_rules" in spec.analyses:
        networks = 2 + (1 if spec.block_sampling == "all" else spec.subset_samples)
        seconds += networks * _forward(spec.depth, dataset.test_count, cost.multiply_adds)
    if "spectrum" in spec.analyses:
        seconds += times * cost.multiply_adds / _SPECTRUM_MULTIPLY_ADDS_PER_SECOND
    return seconds


def _lesion_passes(spec: TrainSpec, blocks: int) -> dict[str, float]:
    """Passes through the whole network that the analyses of parts cost, as equal beginnings are computed once."""
    sizes = min(spec.multi_lesion_largest, blocks)
    sets = sum(min(2 * spec.multi_lesion_subsets, comb(blocks, size)) for size in range(1, sizes + 1))
    return {
        "lesion": (blocks + 1) / 2,
        "multi_lesion": sets * _SHARE_OF_A_SET,
        "reorder": spec.reorder_swaps * spec.reorder_samples,  # orders have hardly a beginning in common
    }


def _path_gradient(spec: TrainSpec, cost: NetworkCost) -> float:
    sampled = (cost.blocks + 1) * spec.path_samples
    # The walk takes one vector through the last block and one for each block through the first, and as many for signs.
    walked = (1 + spec.path_signs) * (cost.blocks + 1) / 2
    through = spec.path_examples * cost.multiply_adds / _MULTIPLY_ADDS_PER_SECOND
    return sampled * _gradients(spec.depth, spec.path_examples, cost.multiply_adds) + walked * through


def _gradients(layers: int, examples: int, multiply_adds: int, *, batch: int | None = None) -> float:
    """Forward and back once with so many examples."""
    batches = -(-examples // (batch or examples))
    return batches * layers * _SECONDS_PER_LAYER_STEP + 3 * examples * multiply_adds / _MULTIPLY_ADDS_PER_SECOND


def _forward(layers: int, examples: int, multiply_adds: float) -> float:
    batches = -(-examples // 256)
    return batches * layers * _SECONDS_PER_LAYER_PASS + examples * multiply_adds / _MULTIPLY_ADDS_PER_SECOND
