import math
from collections.abc import Callable

import pytest
import torch

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
        "warm_up": "constant",
    }
    assert not SCHEDULES.arguments("one_cycle")
    assert not SCHEDULES.arguments("constant")
    assert SCHEDULES.types("steps").keys() == SCHEDULES.arguments("steps").keys()


def rates_of(make: Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler], total: int) -> list[float]:
    """The rate of each step as one of torch's schedulers sets it, from 0.2."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.2)
    scheduler, found = make(optimizer), list[float]()
    for _ in range(total):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


schedulers = torch.optim.lr_scheduler
RISE = 10
OF_TORCH = {
    "cosine": (lambda o, n: schedulers.CosineAnnealingLR(o, n, eta_min=0.01), {"final_learning_rate": 0.01}),
    "linear": (
        lambda o, n: schedulers.LinearLR(o, start_factor=1, end_factor=0.05, total_iters=n),
        {"final_learning_rate": 0.01},
    ),
    "exponential": (lambda o, n: schedulers.ExponentialLR(o, 0.05 ** (1 / n)), {"final_factor": 0.05}),
}


@pytest.mark.parametrize("name", OF_TORCH)
def test_a_schedule_is_torch_s(name: str) -> None:
    make, arguments = OF_TORCH[name]
    expected = rates_of(lambda optimizer: make(optimizer, 50), 50)
    assert [SCHEDULES[name](i, 50, learning_rate=0.2, **arguments) for i in range(50)] == pytest.approx(expected)


@pytest.mark.parametrize("name", [*OF_TORCH, "steps"])
def test_a_linear_warm_up_is_torch_s(name: str) -> None:
    """LinearLR from a quarter of the rate, and then the schedule over the steps that are left."""
    arguments = OF_TORCH[name][1] if name in OF_TORCH else {"warm_up": "linear", "milestones": ()}
    rise = rates_of(lambda o: schedulers.LinearLR(o, start_factor=0.25, total_iters=RISE), RISE)
    known = {"learning_rate": 0.2, **arguments}
    warmed = [SCHEDULES[name](i, 50, warmup_iterations=RISE, warmup_learning_rate=0.05, **known) for i in range(50)]
    assert warmed[:RISE] == pytest.approx(rise)
    assert warmed[RISE:] == pytest.approx([SCHEDULES[name](i, 50 - RISE, **known) for i in range(50 - RISE)])
