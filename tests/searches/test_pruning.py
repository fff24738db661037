"""Which trials a pruning stops: Ray's schedulers, fed by hand."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from resablate.searches.pruning import PRUNINGS

NUMBERS = count()


@dataclass(eq=False)
class Stub:
    """As much of Tune's trial as a scheduler looks at."""

    status: str = Trial.RUNNING
    is_saving: bool = False
    trial_id: str = field(default_factory=lambda: str(next(NUMBERS)))


def stopped_after(name: str, curves: list[list[float]]) -> list[int | None]:
    """For each curve of errors, trained one after another, the epoch after which it was stopped."""
    epochs = len(curves[0])
    scheduler: Any = PRUNINGS[name](epochs)
    stopped: list[int | None] = []
    for curve in curves:
        trial = Stub()
        scheduler.on_trial_add(None, trial)
        decision, epoch = TrialScheduler.CONTINUE, 0
        while decision == TrialScheduler.CONTINUE and epoch + 1 < epochs:  # the last epoch is told with the end
            epoch += 1
            decision = scheduler.on_trial_result(None, trial, {"epoch": epoch, "val_error": curve[epoch - 1]})
        stopped.append(epoch if decision == TrialScheduler.STOP else None)
        if decision != TrialScheduler.STOP:
            scheduler.on_trial_complete(None, trial, {"epoch": epochs, "val_error": curve[-1]})
    return stopped


GOOD, FAIR, BAD = [0.1] * 16, [0.3] * 16, [0.9] * 16


@pytest.mark.parametrize("name", ["none", "asha", "median"])
def test_the_best_is_never_stopped(name: str) -> None:
    assert stopped_after(name, [BAD, FAIR, FAIR, FAIR, GOOD])[-1] is None


def test_none_stops_nothing() -> None:
    assert stopped_after("none", [GOOD, GOOD, GOOD, BAD]) == [None] * 4


def test_asha_stops_at_its_rungs_what_is_not_in_the_best_quarter() -> None:
    late = [0.05] * 3 + [0.9] * 13  # good at first, bad at the second rung, epoch 4
    assert stopped_after("asha", [GOOD, BAD, late, FAIR]) == [None, 1, 4, 1]


def test_median_stops_what_is_worse_than_the_middle_of_three() -> None:
    assert stopped_after("median", [GOOD, FAIR, FAIR, BAD, GOOD]) == [None, None, None, 1, None]


@pytest.mark.parametrize("name", PRUNINGS)
@pytest.mark.parametrize("epochs", [1, 2, 3, 12, 164])
def test_any_number_of_epochs(name: str, epochs: int) -> None:
    PRUNINGS[name](epochs)
