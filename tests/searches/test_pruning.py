"""Which trials a pruning stops, and when: Ray's schedulers, fed by hand."""

import math
import random
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, HyperBandScheduler, TrialScheduler

from resablate.searches.pruning import PRUNINGS

NUMBERS = count()
LENGTHS = range(1, 301)
"""Numbers of epochs; He et al. (2016) train 164."""


@dataclass(eq=False)
class Stub:
    """As much of Tune's trial as a scheduler looks at."""

    status: str = Trial.RUNNING
    is_saving: bool = False
    trial_id: str = field(default_factory=lambda: str(next(NUMBERS)))


class Controller:
    """As much of Tune's controller as a scheduler calls."""

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler
        self.stopped: list[Any] = []

    def stop_trial(self, trial: Any) -> None:
        trial.status = Trial.TERMINATED
        self.stopped.append(trial)
        self.scheduler.on_trial_remove(self, trial)

    def get_live_trials(self) -> list[Any]:
        return []  # none that waits for another


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


def stops(scheduler: Any, epochs: int, curves: int = 40) -> set[int]:
    """Epochs after which trials that train beside each other, one epoch each in turn, are stopped.

    Two of three errors fall steadily, and every third one stays where it is, so that there is somebody to stop at any
    time; the noise makes the order another one after every epoch.
    """
    controller: Any = Controller(scheduler)
    source = random.Random(0)
    pauses = isinstance(scheduler, HyperBandScheduler)
    done = {Stub(): 0 for _ in range(curves)}
    for trial in done:
        scheduler.on_trial_add(controller, trial)
    found: set[int] = set()
    while running := [trial for trial in done if trial.status == Trial.RUNNING]:
        for place, trial in enumerate(running):
            done[trial] += 1
            error = 1 - place / curves if place % 3 == 0 else 1 - 1.9 * done[trial] / epochs
            result = {"epoch": done[trial], "val_error": error + source.gauss(0, 0.02)}
            decision = TrialScheduler.STOP
            if done[trial] < epochs:  # the last epoch is told with the end
                decision = scheduler.on_trial_result(controller, trial, result)
                found |= {done[trial]} if decision == TrialScheduler.STOP else set()
            if decision == TrialScheduler.PAUSE:
                trial.status = Trial.PAUSED
            elif decision == TrialScheduler.STOP:
                trial.status = Trial.TERMINATED
                scheduler.on_trial_complete(controller, trial, result)
        while pauses and (resumed := scheduler.choose_trial_to_run(controller)):
            resumed.status = Trial.RUNNING
    assert {trial.status for trial in done} == {Trial.TERMINATED}, "nobody waits for ever"
    return found | {done[trial] for trial in controller.stopped}


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


def test_the_rungs_of_asha_are_at_a_sixteenth_and_a_quarter() -> None:
    """Read from Ray's scheduler: a trial stands on a rung after the first epoch that is no earlier."""
    for epochs in LENGTHS:
        scheduler: Any = PRUNINGS["asha"](epochs)
        [bracket] = scheduler._brackets
        rungs = sorted(math.ceil(rung) for rung, _ in bracket._rungs)
        assert rungs == [-(-epochs // 16), -(-epochs // 4)], epochs
        assert scheduler._stop_last_trials is False, "a trial that trained its last epoch is tested"
        assert epochs == 1 or max(rungs) <= epochs / 2, "of one epoch the only one is told with the end"


def test_asha_of_164_epochs() -> None:
    curves = [[place / 100] * 164 for place in range(40)]
    assert set(stopped_after("asha", curves)) == {None, 11}
    late = [[(place if epoch > 11 else -place) / 100 for epoch in range(1, 165)] for place in range(40)]
    assert set(stopped_after("asha", late)) == {None, 41}


def test_the_rungs_of_hyperband_are_no_later_than_a_third() -> None:
    """Read from Ray's scheduler: bracket s halves s times, after r0 epochs, then after three times as many."""
    for epochs in LENGTHS:
        scheduler: Any = PRUNINGS["hyperband"](epochs)
        rungs: set[int] = set()
        for halvings in range(scheduler._s_max_1):
            if first := scheduler._get_r0(halvings):
                bracket = scheduler._create_bracket(halvings)
                assert (bracket._halves, bracket._cumul_r, bracket.stop_last_trials) == (halvings, first, False)
                rungs |= {first * 3**k for k in range(halvings)}
        assert all(rung <= epochs / 3 for rung in rungs), epochs
        assert epochs < 3 or max(rungs) > epochs / 3 - 1, epochs


@pytest.mark.parametrize("name", PRUNINGS)
def test_nobody_is_stopped_close_to_the_end(name: str) -> None:
    latest = {"none": 0.0, "asha": 1 / 4, "hyperband": 1 / 3, "median": 3 / 4}[name]
    for epochs in (*range(2, 9), 16, 17, 33, 64, 164):
        found = stops(PRUNINGS[name](epochs), epochs)
        assert max(found, default=0) <= math.ceil(epochs * latest), epochs
        assert name == "hyperband" or min(found, default=epochs) >= epochs / 16, epochs


def test_when_the_prunings_stop_trials_of_164_epochs() -> None:
    found = {name: stops(PRUNINGS[name](164), 164) for name in PRUNINGS}
    assert found["none"] == set()
    assert found["asha"] == {11, 41}
    assert found["hyperband"] == {18, 54}, "brackets whose first rung is 2 or 6 are larger than 40 trials"
    assert min(found["median"]) == 11
    assert 60 < max(found["median"]) <= 123


def test_a_rung_close_to_the_end_would_show() -> None:
    """Rungs at 10, 40 and 160 of 164 epochs, and at 18, 54 and 162 of 163."""
    scheduler = ASHAScheduler("epoch", "val_error", "min", max_t=164, grace_period=10, stop_last_trials=False)
    assert max(stops(scheduler, 164)) == 160
    assert max(stops(HyperBandScheduler("epoch", "val_error", "min", max_t=164), 163)) == 162


def test_median_lets_everybody_go_on_after_three_quarters() -> None:
    steady, worse = [0.5] * 16, [0.6] * 16
    spoiled = [*([0.5] * 12), *([0.0] * 4)]  # so good at the end that the median falls below the best of the others
    assert stopped_after("median", [steady, steady, steady, worse])[-1] == 1
    assert stopped_after("median", [spoiled, spoiled, spoiled, steady]) == [None] * 4


@pytest.mark.parametrize("name", PRUNINGS)
def test_a_scheduler_answers_all_that_tune_asks(name: str) -> None:
    scheduler = PRUNINGS[name](16)
    assert isinstance(scheduler.debug_string(), str)
    assert isinstance(scheduler.supports_buffered_results, bool)
    assert scheduler.metric in (None, "val_error")
    scheduler.set_search_properties(None, None)
