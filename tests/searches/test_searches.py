import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import pytest

from resablate.errors import SpecError
from resablate.plan import plan_sweep
from resablate.searches import SEARCHES
from resablate.searches.study import distributions
from resablate.sweep import SweepSpec, parse_sweep


def make_sweep(axes: dict[str, Any], cases: Sequence[dict[str, Any]] = (), **search: Any) -> SweepSpec:
    return parse_sweep({"name": "x", "axes": axes, "cases": list(cases), "search": search})


def drawn(axes: dict[str, Any], trials: int = 400, seed: int = 0) -> list[dict[str, Any]]:
    return SEARCHES["random"](make_sweep(axes, method="random", trials=trials, seed=seed))


def test_grid_is_every_combination_once() -> None:
    points = SEARCHES["grid"](make_sweep({"depth": [8, 14], "seed": [0, 1, 2]}))
    assert [(point["depth"], point["seed"]) for point in points] == [(d, s) for d in (8, 14) for s in (0, 1, 2)]


def test_grid_refuses_a_range_and_a_number_of_trials_at_once() -> None:
    sweep = make_sweep({"seed": [0], "learning_rate": {"low": 0.1, "high": 1}}, trials=4)
    with pytest.raises(SpecError) as caught:
        SEARCHES["grid"](sweep)
    assert caught.value.problems == [
        "axes.learning_rate: is a range, and method: grid needs a list; write a list or use method: random",
        "search.trials: grid runs every point; remove trials: 4",
    ]


def test_random_needs_a_number_of_trials() -> None:
    with pytest.raises(SpecError, match=r"search.trials: method: random needs the number of trials"):
        SEARCHES["random"](make_sweep({"seed": [0]}, method="random"))


def test_random_draws_uniformly() -> None:
    values = [point["optimizer.momentum"] for point in drawn({"optimizer.momentum": {"low": 0.2, "high": 0.6}})]
    assert all(0.2 <= value <= 0.6 for value in values)
    counts, _ = np.histogram(values, bins=4, range=(0.2, 0.6))
    assert counts.min() > 70  # 100 expected, s.d. 9


def test_random_draws_uniformly_in_the_logarithm() -> None:
    values = [point["learning_rate"] for point in drawn({"learning_rate": {"low": 1e-6, "high": 1e-2, "log": True}})]
    assert all(1e-6 <= value <= 1e-2 * (1 + 1e-12) for value in values)
    counts, _ = np.histogram(np.log10(values), bins=4, range=(-6, -2))
    assert counts.min() > 70


def test_random_chooses_from_lists() -> None:
    axes = {"shortcut": ["identity", "none", {"name": "dropout", "rate": 0.2}, {"name": "dropout", "rate": 0.4}]}
    counts = Counter(point["shortcut"] for point in drawn(axes))
    assert len(counts) == 4
    assert min(counts.values()) > 70


@pytest.mark.parametrize("axis", ["width", "dataset.train_examples", "schedule.warmup_iterations", "epochs"])
def test_a_range_of_whole_numbers_gives_whole_numbers(axis: str) -> None:
    values = {point[axis] for point in drawn({axis: {"low": 4, "high": 9}})}
    assert values == set(range(4, 10))
    assert all(type(value) is int for value in values)


def chi_square(counts: Sequence[int], expected: Sequence[float]) -> float:
    """Sum of squared deviations, each in units of its expected count."""
    return sum((count - mean) ** 2 / mean for count, mean in zip(counts, expected, strict=True))


LOG_SHARES = [math.log((value + 0.5) / (value - 0.5)) / math.log(64.5 / 3.5) for value in range(4, 65)]


@pytest.mark.parametrize("method", ["random", "quasi_random", "optuna"])
@pytest.mark.parametrize(
    ("span", "whole", "shares"),
    [
        ({"low": 4, "high": 9}, range(4, 10), [1 / 6] * 6),
        ({"low": 0, "high": 1}, range(2), [1 / 2] * 2),
        ({"low": 3.5, "high": 9.9}, range(4, 10), [1 / 6] * 6),
        ({"low": 4, "high": 64, "log": True}, range(4, 65), LOG_SHARES),
    ],
)
def test_whole_numbers_of_a_range_have_their_fair_shares(
    method: str, span: dict[str, Any], whole: range, shares: list[float]
) -> None:
    """Chi-square with k degrees of freedom has mean k and variance 2 k; quasi-random points deviate less.

    Five standard deviations above are never reached by chance. Six numbers of which the ends have half the weight give
    485 for 6,000 draws and 85 for 1,000; the bound is 21.
    """
    sweep = make_sweep({"dataset.train_examples": span}, method="random", trials=6_000)
    if method == "optuna":
        sampler = optuna.samplers.RandomSampler(seed=0)
        study = optuna.create_study(sampler=sampler)
        values = [study.ask(distributions(sweep)).params["dataset.train_examples"] for _ in range(1_000)]
    else:
        values = [point["dataset.train_examples"] for point in SEARCHES[method](sweep)]
    counts = Counter(values)
    assert set(counts) <= set(whole)
    assert all(type(value) is int for value in values)
    freedom = len(whole) - 1
    found = chi_square([counts[value] for value in whole], [share * len(values) for share in shares])
    assert found < freedom + 5 * math.sqrt(2 * freedom)


@pytest.mark.parametrize("method", ["random", "quasi_random"])
def test_cases_are_drawn_like_the_values_of_an_axis(method: str) -> None:
    cases = [{"network": "resnet", "depth": 20}, {"network": "vgg", "depth": 15}]
    sweep = make_sweep({"learning_rate": {"low": 0.1, "high": 1}}, cases, method=method, trials=64)
    points = SEARCHES[method](sweep)
    assert all(list(point) == ["case", "learning_rate"] for point in points)
    counts = Counter(point["case"] for point in points)
    assert set(counts) == {0, 1}
    assert min(counts.values()) > 16  # 32 expected, s.d. 4
    trials = plan_sweep(sweep).trials
    assert {(str(trial.network), trial.depth) for trial in trials} == {("resnet", 20), ("vgg", 15)}


def test_cases_are_crossed_with_the_axes_of_a_grid() -> None:
    points = SEARCHES["grid"](make_sweep({"seed": [0, 1]}, [{"depth": 20}, {"depth": 32, "width": 8}]))
    assert points == [{"case": case, "seed": seed} for case in (0, 1) for seed in (0, 1)]


def test_axes_are_independent() -> None:
    points = drawn({"optimizer.momentum": {"low": 0, "high": 0.9}, "learning_rate": {"low": 0.1, "high": 1}})
    pairs = np.array([[point["optimizer.momentum"], point["learning_rate"]] for point in points])
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 0.15


def test_the_search_s_seed_decides() -> None:
    axes = {"optimizer.momentum": {"low": 0.2, "high": 0.6}}
    assert drawn(axes, trials=3) == drawn(axes, trials=3)
    assert drawn(axes, trials=3) != drawn(axes, trials=3, seed=1)
    assert drawn(axes, trials=5)[:3] == drawn(axes, trials=3), "more trials keep the earlier ones"


def test_a_random_sweep_becomes_trials() -> None:
    axes = {"regularizer.strength": {"low": 1e-6, "high": 1, "log": True}, "regularizer": ["orthogonal_penalty"]}
    assert len(plan_sweep(make_sweep(axes, method="random", trials=7)).trials) == 7


def test_a_range_of_an_argument_is_drawn() -> None:
    axes = {"shortcut": ["exclusive_gate"], "shortcut.bias": {"low": -8, "high": -2}}
    plan = plan_sweep(make_sweep(axes, method="random", trials=5))
    assert len({trial.shortcut.values["bias"] for trial in plan.trials}) == 5


def spread(axes: dict[str, Any], trials: int, seed: int = 0) -> list[dict[str, Any]]:
    return SEARCHES["quasi_random"](make_sweep(axes, method="quasi_random", trials=trials, seed=seed))


def test_quasi_random_puts_one_point_into_every_part_of_every_axis() -> None:
    axes = {
        "optimizer.momentum": {"low": 0.2, "high": 0.6},
        "learning_rate": {"low": 1e-4, "high": 1, "log": True},
        "shortcut": ["identity", "none", "dropout", "conv1x1"],
        "width": {"low": 1, "high": 16},
    }
    points = spread(axes, 64)
    for axis, scaled in (
        ("optimizer.momentum", lambda v: (v - 0.2) / 0.4),
        ("learning_rate", lambda v: np.log10(v) / 4 + 1),
    ):
        counts, _ = np.histogram([scaled(point[axis]) for point in points], bins=64, range=(0, 1))
        assert list(counts) == [1] * 64
    assert set(Counter(point["shortcut"] for point in points).values()) == {16}
    assert Counter(point["width"] for point in points) == dict.fromkeys(range(1, 17), 4)
    assert all(type(point["width"]) is int for point in points)


def test_quasi_random_leaves_smaller_holes_than_random() -> None:
    """The star discrepancy of Sobol points is far below that of independent ones."""
    from scipy.stats import qmc

    axes = {"optimizer.momentum": {"low": 0, "high": 0.9}, "learning_rate": {"low": 0.1, "high": 1}}

    def discrepancy(points: list[dict[str, Any]]) -> float:
        unit = [(point["optimizer.momentum"] / 0.9, (point["learning_rate"] - 0.1) / 0.9) for point in points]
        return float(qmc.discrepancy(unit))

    assert max(discrepancy(spread(axes, 50, seed)) for seed in range(5)) < 0.3 * min(
        discrepancy(drawn(axes, 50, seed)) for seed in range(5)
    )


def test_quasi_random_depends_on_its_seed_and_keeps_its_beginning() -> None:
    axes = {"optimizer.momentum": {"low": 0.2, "high": 0.6}, "seed": [0, 1, 2]}
    assert spread(axes, 5) == spread(axes, 40)[:5]
    assert spread(axes, 5) != spread(axes, 5, seed=1)
    assert len(spread(axes, 1)) == 1
