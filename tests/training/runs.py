"""A training that takes a fraction of a second."""

from typing import Any

import torch

from resablate.datasets import Splits, load_dataset, split_dataset
from resablate.measurement import EpochMetrics
from resablate.model import ResidualNetwork, build_network
from resablate.spec import TrainSpec
from resablate.training import Training
from tests.networks import make_generator


def make_splits(*, train_examples: int | None = 128, seed: int = 0, device: str = "cpu") -> Splits:
    return split_dataset(
        {"name": "digits", "val_fraction": 0.25, "train_examples": train_examples},
        load_dataset("digits"),
        generator=make_generator(seed),
        device=torch.device(device),
    )


def make_digits_network(**keywords: Any) -> ResidualNetwork:
    fields = {"depth": 8, "width": 4, "in_channels": 1, "generator": make_generator(), **keywords}
    return build_network(**fields)


def make_training(
    network: ResidualNetwork | None = None, *, splits: Splits | None = None, shortcut: Any = "identity", **changed: Any
) -> Training:
    splits = splits or make_splits()
    fields: dict[str, Any] = {
        "train": splits.train,
        "val": splits.val,
        "epochs": 4,
        "batch_size": 32,
        "learning_rate": 0.1,
        "schedule": "one_cycle",
        "seed": 0,
        **changed,
    }
    return Training(network or make_digits_network(shortcut=shortcut), **fields)


def small_spec(**fields: Any) -> TrainSpec:
    """The training of a trial that takes a second."""
    dataset = {"name": "digits", "train_examples": 96}
    return TrainSpec.parse({"dataset": dataset, "depth": 8, "width": 4, "epochs": 1, "batch_size": 32, **fields})


def run(training: Training) -> Training:
    while not training.done:
        training.run_epoch()
    return training


def numbers(history: list[EpochMetrics]) -> list[dict[str, float]]:
    """The history without the clock."""
    return [{name: value for name, value in vars(row).items() if name != "wall_seconds"} for row in history]


def same_bits(one: Training, two: Training) -> bool:
    ours, theirs = one.tensors(), two.tensors()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
