"""Every way to build a residual network trains: one step of each combination, at the least depth and width."""

import itertools

import pytest
import torch

from resablate.datasets import Examples
from resablate.model import BLOCKS, TRANSITIONS, build_network
from resablate.training import Training
from tests.networks import (
    ORDER_NAMES,
    SHORTCUT_NAMES,
    SMALLEST_DEPTHS,
    make_generator,
    make_images,
    smallest_depth,
)

IMAGES, LABELS = make_images(8, dtype=torch.float32)
EXAMPLES = Examples(IMAGES, LABELS)


def test_every_block_is_here() -> None:
    assert set(SMALLEST_DEPTHS) == set(BLOCKS)


@pytest.mark.parametrize(
    ("block", "transition", "ordering"), list(itertools.product(SMALLEST_DEPTHS, TRANSITIONS, ORDER_NAMES))
)
@pytest.mark.parametrize("shortcut", SHORTCUT_NAMES)
def test_a_step_moves_every_parameter(shortcut: str, ordering: str, block: str, transition: str) -> None:
    network = build_network(
        shortcut=shortcut,
        ordering=ordering,
        block=block,
        transition=transition,
        depth=smallest_depth(block, transition),
        width=3,
        in_channels=1,
        num_classes=3,
        generator=make_generator(),
    )
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    training = Training(
        network,
        train=EXAMPLES,
        val=EXAMPLES.take(slice(2)),
        epochs=1,
        batch_size=len(EXAMPLES),
        learning_rate=0.1,
        optimizer={"name": "sgd", "momentum": 0.0, "weight_decay": 0.0},
        schedule="constant",
        augmentation="none",
        regularizer="none",
        seed=0,
    )
    row = training.run_epoch()
    assert not training.diverged
    assert row.learning_rate == 0.1
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert not torch.equal(parameter, before[name]), name
