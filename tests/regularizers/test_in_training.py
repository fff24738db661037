"""The regularizers inside a training."""

from typing import Any

import pytest
import torch

from resablate.component import Component
from resablate.model import build_network
from resablate.regularizers import REGULARIZERS
from resablate.training import Training
from tests.networks import make_examples, make_generator

NAMES = [name for name in REGULARIZERS if name != "none"]


def train(regularizer: Component, **changed: Any) -> Training:
    examples = make_examples(96, dtype=torch.float32)
    fields: dict[str, Any] = {
        "depth": 10,
        "transition": "bare",
        "ordering": "full_preactivation",
        "width": 4,
        "in_channels": 1,
        "num_classes": 3,
        "generator": make_generator(),
    }
    keywords: dict[str, Any] = {"epochs": 2, "batch_size": 32, "learning_rate": 0.1, "seed": 0, **changed}
    training = Training(build_network(**fields), train=examples, val=examples, regularizer=regularizer, **keywords)
    while not training.done:
        training.run_epoch()
    return training


def losses(training: Training) -> list[float]:
    return [row.train_loss for row in training.history]


@pytest.mark.parametrize("name", NAMES)
def test_a_strength_changes_the_training(name: str) -> None:
    assert losses(train(Component(name, {"strength": 0.5}))) != losses(train(Component("none")))


@pytest.mark.parametrize("name", NAMES)
def test_strength_zero_moves_nothing(name: str) -> None:
    """A gradient of zeros is added, or a weight moved by no part of a way, which no rounding changes."""
    assert losses(train(Component(name, {"strength": 0.0}))) == losses(train(Component("none")))


@pytest.mark.parametrize("name", NAMES)
def test_a_training_that_breaks_has_diverged_and_not_failed(name: str) -> None:
    """Decompositions refuse numbers that are not finite; the loss is what says so."""
    known = {"frequency": 1.0} if name == "procrustes" else {}
    assert train(Component(name, {"strength": 1.0, **known}), learning_rate=1e30).diverged
