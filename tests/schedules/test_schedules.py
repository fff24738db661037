import math

import pytest

from resablate.schedules import SCHEDULES
from resablate.schedules.constant import constant
from resablate.schedules.one_cycle import one_cycle
from resablate.schedules.steps import steps

TOTAL = 64_000


@pytest.mark.parametrize(
    ("iteration", "rate"),
    [
        (0, 0.01),
        (399, 0.01),
        (400, 0.1),
        (31_999, 0.1),
        (32_000, 0.01),
        (47_999, 0.01),
        (48_000, 0.001),
        (63_999, 0.001),
    ],
)
def test_he_s_recipe(iteration: int, rate: float) -> None:
    """He et al. 2016, appendix."""
    assert steps(iteration, TOTAL, learning_rate=0.1, warmup_iterations=400) == pytest.approx(rate, rel=1e-12)


@pytest.mark.parametrize(("epoch", "rate"), [(0, 0.1), (80, 0.1), (81, 0.01), (121, 0.01), (122, 0.001), (163, 0.001)])
def test_the_recipe_in_epochs(epoch: int, rate: float) -> None:
    """164 epochs of 391 steps with drops at 81 and 122, as in the authors' code: on the first step of the epoch."""
    total = 164 * 391
    found = [steps(epoch * 391 + step, total, learning_rate=0.1, milestones=(81 / 164, 122 / 164)) for step in (0, 390)]
    assert found == pytest.approx([rate, rate], rel=1e-12)


def test_the_warm_up_counts_iterations_and_not_parts() -> None:
    rates = [steps(i, 10, learning_rate=1, warmup_iterations=3, warmup_learning_rate=0.5) for i in range(5)]
    assert rates == [0.5, 0.5, 0.5, 1, 1]
    assert steps(0, 10, learning_rate=1) == 1, "none by default"


def test_every_milestone_multiplies() -> None:
    rates = [steps(i, 8, learning_rate=8, milestones=(0.25, 0.5, 0.75), decay_factor=0.5) for i in range(8)]
    assert rates == [8, 8, 4, 4, 2, 2, 1, 1]
    assert [steps(i, 8, learning_rate=8, milestones=()) for i in range(8)] == [8] * 8


def test_one_cycle() -> None:
    rates = [one_cycle(i, 100, learning_rate=0.1) for i in range(100)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[15] == pytest.approx(0.055)
    assert rates[30] == max(rates) == pytest.approx(0.1)
    assert rates[65] == pytest.approx(0.05)
    assert rates[99] == pytest.approx(0.05 * (1 + math.cos(math.pi * 69 / 70)))
    assert 0 < rates[99] < 1e-4
    assert rates[:31] == sorted(rates[:31])
    assert rates[30:] == sorted(rates[30:], reverse=True)


@pytest.mark.parametrize("total", [1, 2, 3])
@pytest.mark.parametrize("name", SCHEDULES)
def test_the_shortest_runs_have_a_rate(name: str, total: int) -> None:
    rates = [SCHEDULES[name](i, total, learning_rate=0.1) for i in range(total)]
    assert all(0 <= rate <= 0.1 for rate in rates)
    assert max(rates) > 0


def test_constant() -> None:
    assert {constant(i, 7, learning_rate=0.3) for i in range(7)} == {0.3}


def test_the_arguments_of_the_rows() -> None:
    """He et al. 2016, appendix, without their warm-up."""
    assert dict(SCHEDULES.arguments("steps")) == {
        "milestones": (0.5, 0.75),
        "decay_factor": 0.1,
        "warmup_iterations": 0,
        "warmup_learning_rate": 0.01,
    }
    assert not SCHEDULES.arguments("one_cycle")
    assert not SCHEDULES.arguments("constant")
    assert SCHEDULES.types("steps").keys() == SCHEDULES.arguments("steps").keys()
