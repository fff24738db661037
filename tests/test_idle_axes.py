"""Axes that change nothing are told before anything runs, with what keeps them from it."""

import time
from typing import Any

import pytest

from resablate.plan import plan_sweep
from resablate.sweep import parse_sweep

SAME = ": all its values make the same training"


def warnings(**content: Any) -> list[str]:
    notes = plan_sweep(parse_sweep({"name": "x", **content})).notes
    return [note.removeprefix("warning: ") for note in notes if note.startswith("warning: ")]


@pytest.mark.parametrize(
    ("base", "axis", "values", "reason"),
    [
        ({"optimizer.momentum": 0}, "optimizer.nesterov", [True, False], ", as optimizer.momentum is 0"),
        ({}, "schedule.warmup_learning_rate", [0.1, 0.2], ", as schedule.warmup_iterations is 0"),
        ({"schedule.decay_factor": 1}, "schedule.milestones", [[0.5], [0.7]], ", as schedule.decay_factor is 1"),
        (
            {"regularizer": {"name": "procrustes", "frequency": 0}},
            "regularizer.strength",
            [0.1, 1],
            ", as regularizer.frequency is 0",
        ),
        ({"network": "vgg", "depth": 8}, "ordering", ["original", "full_preactivation"], ", as network is vgg"),
        ({"network": "vgg", "depth": 8}, "shortcut", ["identity", "none"], ", as network is vgg"),
        ({"epochs": 1}, "iterations", [1000, 2000], ""),  # digits have 11 steps in an epoch
        ({}, "dataset.train_examples", [1437, 5000], ""),
    ],
)
def test_an_axis_without_effect_is_told_with_its_reason(
    base: dict[str, Any], axis: str, values: list[Any], reason: str
) -> None:
    for others in ({}, {"seed": [0, 1]}, {"learning_rate": [0.1, 0.2], "seed": [0, 1]}):
        assert warnings(base=base, axes={**others, axis: values}) == [f"{axis} changes nothing{reason}{SAME}"]


def test_a_range_of_a_search_without_effect_is_told() -> None:
    base = {"regularizer": {"name": "procrustes", "frequency": 0}}
    axes = {"regularizer.strength": {"low": 0.1, "high": 1}, "learning_rate": {"low": 0.1, "high": 1}}
    for search in ({"method": "tpe"}, {"method": "random"}):
        told = warnings(base=base, axes=axes, search={**search, "trials": 3, "minimize": "val_loss"})
        assert told == [f"regularizer.strength changes nothing, as regularizer.frequency is 0{SAME}"]


def test_equal_cases_are_told() -> None:
    cases = [{"optimizer.momentum": 0, "optimizer.nesterov": nesterov} for nesterov in (True, False)]
    assert warnings(cases=cases, axes={"seed": [0, 1]}) == [f"cases changes nothing, as optimizer.momentum is 0{SAME}"]


@pytest.mark.parametrize(
    "axes",
    [
        {"optimizer.momentum": [0, 0.9], "optimizer.nesterov": [True, False]},
        {"shortcut": ["identity", "exclusive_gate"], "shortcut.bias": [-3, -6]},
        {"iterations": [5, 2000]},
        {"regularizer": ["none", "procrustes"], "regularizer.strength": [0.1, 1]},
        {"seed": [0]},
    ],
)
def test_an_axis_that_changes_something_somewhere_is_not(axes: dict[str, Any]) -> None:
    assert warnings(base={"epochs": 1}, axes=axes) == []


@pytest.mark.parametrize(
    ("base", "told"),
    [
        ({"optimizer.momentum": 0, "optimizer.nesterov": True}, "optimizer.nesterov true changes nothing, as"),
        (
            {"optimizer": {"name": "sgd", "momentum": 0, "nesterov": True}},
            "optimizer.nesterov true changes nothing, as",
        ),
        ({"batch_size": 64, "norm.ghost_batch_size": 64}, "norm.ghost_batch_size 64 changes nothing, as batch_size is"),
        (
            {"dataset.train_examples": 64, "batch_size": 32, "norm.ghost_batch_size": 32},  # 128 examples are too many
            "norm.ghost_batch_size 32 changes nothing, as batch_size is 32",
        ),
        ({"norm.ghost_batch_size": 128}, "norm.ghost_batch_size 128 changes nothing, as batch_size is 128"),
        ({"network": "vgg", "depth": 8, "shortcut": "none"}, "shortcut none changes nothing, as network is vgg"),
        ({"dataset.train_examples": 5000}, "dataset.train_examples 5000 changes nothing"),
        ({"schedule.warmup_learning_rate": 0.5}, "schedule.warmup_learning_rate 0.5 changes nothing, as schedule.wa"),
    ],
)
def test_a_value_without_effect_is_told(base: dict[str, Any], told: str) -> None:
    [note] = warnings(base=base, axes={"seed": [0, 1]})
    assert note.startswith(told)


@pytest.mark.parametrize(
    "content",
    [
        {"base": {"optimizer.nesterov": False, "schedule.milestones": [0.5], "batch_size": 64}},
        {"base": {"optimizer.nesterov": True}, "axes": {"optimizer.momentum": [0, 0.9]}},
        {"base": {"regularizer.strength": 0.1}, "axes": {"regularizer": ["none", "procrustes"]}},
        {"base": {"batch_size": 64, "norm.ghost_batch_size": 32}},
    ],
)
def test_a_value_with_an_effect_somewhere_is_not(content: dict[str, Any]) -> None:
    assert warnings(**content) == []


def test_a_large_sweep_with_one_is_planned_about_as_fast() -> None:
    def seconds(base: dict[str, Any]) -> float:
        started = time.process_time()
        warnings(base=base, axes={"seed": list(range(500)), "optimizer.nesterov": [True, False]})
        return time.process_time() - started

    seconds({})
    assert seconds({"optimizer.momentum": 0}) < 10 * seconds({})


def test_a_component_that_needs_its_arguments_is_no_idle_one() -> None:
    """A bare transition fits the depth; the network without it does not."""
    base = {"depth": 22, "network": {"name": "resnet", "block": "bottleneck", "transition": "bare"}}
    assert warnings(base=base) == []
