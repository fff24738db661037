"""Which trainings are of one shape."""

from typing import Any

import pytest

from resablate.check import check_trial
from resablate.component import PER_MEMBER
from resablate.component_tables import TABLES
from resablate.pack_size import unpackable
from resablate.packs import shape_key
from resablate.spec import TrainSpec

BASE: dict[str, Any] = {"shortcut": "exclusive_gate", "regularizer": "procrustes", "depth": 8}


def shape(**fields: Any) -> str:
    return shape_key(check_trial(TrainSpec.parse(BASE | fields)))


@pytest.mark.parametrize(
    "fields",
    [
        {"seed": 7},
        {"learning_rate": 0.3},
        {"optimizer.momentum": 0.5, "optimizer.weight_decay": 0.1},
        {"regularizer.strength": 0.25},
        {"shortcut.bias": 0},
    ],
)
def test_a_pack_may_hold_other_numbers(fields: dict[str, Any]) -> None:
    assert shape(**fields) == shape()


def test_a_pack_may_hold_other_scales() -> None:
    scaled = [shape(shortcut={"name": "constant_scale", "carried_factor": factor}) for factor in (0.5, 0.25)]
    assert scaled[0] == scaled[1] != shape()


@pytest.mark.parametrize(
    "fields",
    [
        {"depth": 14},
        {"width": 8},
        {"batch_size": 64},
        {"epochs": 3},
        {"iterations": 9},
        {"shortcut": "identity"},
        {"shortcut.batch_norm": True},
        {"optimizer": "adamw"},
        {"optimizer.nesterov": True},
        {"regularizer.layers": "transitions"},
        {"regularizer": "none"},
        {"dataset.train_examples": 256},
        {"precision": "bf16"},
    ],
)
def test_another_network_data_set_or_arithmetic_is_another_shape(fields: dict[str, Any]) -> None:
    assert shape(**fields) != shape()


def test_only_numbers_are_per_member() -> None:
    """What is marked becomes a vector with one number for each member."""
    for field, table in TABLES.items():
        for row in table:
            for name, hint in table.types(row).items():
                if PER_MEMBER in getattr(hint, "__metadata__", ()):
                    assert hint.__origin__ is float, (field, row, name)


def why(**fields: Any) -> str:
    return unpackable(check_trial(TrainSpec.parse(BASE | fields)))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"network": "vgg", "regularizer": "none"},
        {"network": "imagenet_resnet", "depth": 18},
        {"block_sampling": {"name": "stochastic_depth", "final_survival": 1.0}},
        {"precision": "bf16", "memory_format": "channels_last", "optimizer": "adamw"},
    ],
)
def test_what_packs(fields: dict[str, Any]) -> None:
    assert not why(**fields)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"compile": True}, "compile: a network that is compiled trains alone"),
        ({"block_sampling": "fixed_count", "block_sampling.count": 2}, "each member leaves out blocks of its own"),
    ],
)
def test_what_does_not_pack_is_named(fields: dict[str, Any], reason: str) -> None:
    assert reason in why(**fields)
