"""Which point of a sweep a trial belongs to, and what stands for a point in Optuna."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from resablate.component import Component
from resablate.plan import plan_sweep
from resablate.searches.points import corners, point_of
from resablate.searches.random import draw
from resablate.searches.study import distributions, params_of, point_from
from resablate.sweep import SweepSpec, parse_sweep

GATES = ["identity", "exclusive_gate", {"name": "exclusive_gate", "bias": -3}]
CASES = [
    {"network": "resnet", "depth": 20},
    {"network": "vgg", "depth": 15},
    {"network": "resnet", "depth": 20, "ordering": "full_preactivation"},
]


def make_sweep(
    axes: Mapping[str, Any], cases: Sequence[Mapping[str, Any]] = (), base: Mapping[str, Any] | None = None
) -> SweepSpec:
    parts = {"axes": dict(axes), "cases": [dict(case) for case in cases], "base": dict(base or {})}
    return parse_sweep({"name": "x", **parts, "search": {"method": "random", "trials": 40}})


SWEEPS = {
    "components": make_sweep({"shortcut": GATES, "depth": [8, 14]}),
    "dotted": make_sweep(
        {
            "shortcut": ["identity", "exclusive_gate", "dropout"],
            "shortcut.bias": {"low": -8, "high": -2},
            "optimizer.nesterov": [True, False],
            "schedule.milestones": [[0.3, 0.6], [0.5]],
            "dataset.train_examples": {"low": 400, "high": 1000},
        }
    ),
    "cases": make_sweep({"learning_rate": {"low": 1e-3, "high": 1, "log": True}, "seed": [0, 1]}, CASES),
    "cases of components": make_sweep(
        {"width": {"low": 8, "high": 16}},
        [{"shortcut": "exclusive_gate"}, {"shortcut": {"name": "exclusive_gate", "bias": -3}}, {"shortcut.bias": 1}],
        {"shortcut": "shortcut_only_gate"},
    ),
}


@pytest.mark.parametrize("name", SWEEPS)
def test_every_trial_is_found_back(name: str) -> None:
    """The point found may differ where an axis has no effect; the trial may not."""
    sweep = SWEEPS[name]
    plan = plan_sweep(sweep)
    for point in [*corners(sweep), *draw(sweep, 40)]:
        [spec] = plan.point_trials(point)
        found = point_of(spec, sweep)
        assert list(found) == list(sweep.space)
        assert [again.key for again in plan.point_trials(found)] == [spec.key]


@pytest.mark.parametrize("name", ["components", "cases", "cases of components"])
def test_the_very_point_where_every_axis_has_its_effect(name: str) -> None:
    sweep = SWEEPS[name]
    plan = plan_sweep(sweep)
    for point in draw(sweep, 40):
        assert point_of(plan.point_trials(point)[0], sweep) == point


def test_an_argument_that_a_component_does_not_take_falls_to_the_low_end() -> None:
    sweep = SWEEPS["dotted"]
    point = {**draw(sweep, 1)[0], "shortcut": Component("identity"), "shortcut.bias": -4.5}
    [spec] = plan_sweep(sweep).point_trials(point)
    assert point_of(spec, sweep) == {**point, "shortcut.bias": -8}


def test_an_argument_at_its_default_is_told_from_one_that_is_given() -> None:
    sweep = make_sweep({"shortcut": [{"name": "dropout", "rate": 0.5}, {"name": "dropout", "rate": 0.2}]})
    plan = plan_sweep(sweep)
    for place, value in enumerate(sweep.axes["shortcut"]):  # type: ignore[arg-type]
        assert point_of(plan.point_trials({"shortcut": value})[0], sweep) == {"shortcut": value}, place


def test_what_a_case_does_not_set_is_as_in_the_base() -> None:
    """Without the base's ordering the first case would be taken for every trial."""
    sweep = make_sweep({}, [{"depth": 20}, {"ordering": "original"}], {"ordering": "full_preactivation", "depth": 20})
    plan = plan_sweep(sweep)
    assert [point_of(plan.point_trials({"case": case})[0], sweep) for case in (0, 1)] == [{"case": 0}, {"case": 1}]


def test_an_argument_of_the_base_stands_for_every_component_that_takes_it() -> None:
    gates = ["identity", "exclusive_gate"]
    sweep = make_sweep({"shortcut": gates}, base={"shortcut.bias": -3})
    [spec] = plan_sweep(sweep).point_trials({"shortcut": sweep.axes["shortcut"][1]})  # type: ignore[index]
    assert spec.shortcut.values["bias"] == -3
    assert point_of(spec, sweep)["shortcut"].name == "exclusive_gate"


@pytest.mark.parametrize("name", SWEEPS)
def test_optuna_gives_every_point_back(name: str) -> None:
    sweep = SWEEPS[name]
    axes = distributions(sweep)
    assert list(axes) == list(sweep.space)
    for point in draw(sweep, 40):
        params = params_of(point, sweep)
        for axis, value in params.items():
            assert axes[axis]._contains(axes[axis].to_internal_repr(value)), axis
        assert point_from(json.loads(json.dumps(params)), sweep) == point


def test_a_dashboard_shows_what_a_choice_is() -> None:
    def choices(name: str, axis: str) -> tuple[Any, ...]:
        distribution: Any = distributions(SWEEPS[name])[axis]
        return tuple(distribution.choices)

    assert choices("components", "shortcut") == (
        "identity",
        "exclusive_gate",
        '{"name": "exclusive_gate", "bias": -3}',
    )
    assert choices("dotted", "schedule.milestones") == ("[0.3, 0.6]", "[0.5]")
    assert choices("dotted", "optimizer.nesterov") == (True, False)
    assert choices("cases", "case") == (
        '{"depth": 20, "network": "resnet"}',
        '{"depth": 15, "network": "vgg"}',
        '{"depth": 20, "network": "resnet", "ordering": "full_preactivation"}',
    )
    assert choices("cases of components", "case") == (
        '{"shortcut": "exclusive_gate"}',
        '{"shortcut": {"bias": -3, "name": "exclusive_gate"}}',
        '{"shortcut.bias": 1}',
    )


def test_corners_are_all_cases_values_and_ends() -> None:
    found = corners(make_sweep({"dataset.train_examples": {"low": 299.5, "high": 400.5}, "seed": [3, 4]}, CASES[:2]))
    assert found == [
        {"case": case, "dataset.train_examples": count, "seed": seed}
        for case in (0, 1)
        for count in (300, 400)
        for seed in (3, 4)
    ]
