"""Which trainings are of one shape."""

from typing import Any

import pytest

from resablate.check import check_trial
from resablate.component import PER_MEMBER
from resablate.component_tables import TABLES
from resablate.pack_size import unpackable
from resablate.packs import in_packs, shape_key
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


def trials(*, seeds: int, depths: tuple[int, ...] = (8,), rates: tuple[float, ...] = (0.1,)) -> list[TrainSpec]:
    """Seeds outside: replicates of a cell do not follow each other."""
    return [
        check_trial(TrainSpec.parse({"seed": seed, "depth": depth, "learning_rate": rate}))
        for seed in range(seeds)
        for depth in depths
        for rate in rates
    ]


def test_packs_hold_one_shape_and_seeds_of_a_cell_first() -> None:
    given = trials(seeds=4, depths=(8, 14), rates=(0.1, 0.2))
    packs = in_packs(given, lambda alike: 2)
    assert [{(spec.depth, spec.learning_rate) for spec in pack} for pack in packs] == [
        {(depth, rate)} for depth in (8, 14) for rate in (0.1, 0.2)
    ]
    assert [[spec.seed for spec in pack] for pack in packs] == [[0, 1, 2, 3]] * 4
    mixed = in_packs(given, lambda alike: 3)  # of 8 trials of each shape
    assert sorted(len(pack) for pack in mixed) == [2, 2, 3, 3, 3, 3]
    assert all(len({spec.depth for spec in pack}) == 1 for pack in mixed)
    assert sorted(spec.key for pack in mixed for spec in pack) == sorted(spec.key for spec in given)


def test_packs_of_one_keep_the_order() -> None:
    given = trials(seeds=3, depths=(8, 14))
    assert in_packs(given, len) == [(spec,) for spec in given]


@pytest.mark.parametrize(("count", "sizes"), [(7, [1] * 7), (4, [1, 2, 2, 2]), (3, [2, 2, 3]), (1, [7])])
def test_packs_are_as_equal_as_can_be(count: int, sizes: list[int]) -> None:
    assert sorted(len(pack) for pack in in_packs(trials(seeds=7), lambda alike: count)) == sizes


def test_no_trials_are_no_packs() -> None:
    assert in_packs([], len) == []
