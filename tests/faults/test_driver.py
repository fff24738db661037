"""The process that runs a sweep is killed, terminated or interrupted, and its command repeated."""

import os
import re
import signal

import pytest

from tests.faults.conftest import MakeSweep, Numbers
from tests.faults.sweeps import SweepProcess, epoch_times, everything_is_in_order, runs_of
from tests.scheduling.tiny import numbers

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")


def in_the_middle(sweep: SweepProcess) -> None:
    """Wait until one trial has ended and another has trained some of its epochs."""
    sweep.until(lambda: "[1/" in sweep.said())
    sweep.until(lambda: sweep.reached(2))


def goes_on(sweep: SweepProcess, times: dict[str, list[float]], numbers_undisturbed: Numbers) -> str:
    """Repeat the command: what ended is left alone, the rest continues, and the numbers are an undisturbed run's."""
    assert sweep.run() == 0, sweep.said()
    said = sweep.said()
    assert re.search(r"[12] of 3 trials are complete already", said)
    results = {result.key: result for result in sweep.results()}
    for key, seconds in times.items():
        again = [metrics.wall_seconds for metrics in results[key].history]
        assert again[: len(seconds)] == seconds, "epochs before the end of the process were not trained again"
    assert [numbers(result) for result in sweep.results()] == numbers_undisturbed
    everything_is_in_order(sweep)
    return said


def killed(sweep: SweepProcess) -> None:
    """Run it, and kill its driver in the middle."""
    sweep.start()
    in_the_middle(sweep)
    sweep.kill()
    assert sweep.ended() == -signal.SIGKILL


@pytest.mark.ray
@pytest.mark.slow
def test_a_driver_that_is_killed_on_ray(make_sweep: MakeSweep, numbers_undisturbed: Numbers) -> None:
    sweep = make_sweep("ray")
    killed(sweep)
    goes_on(sweep, sweep.times(), numbers_undisturbed)


def test_a_driver_that_is_killed_in_the_middle_of_a_checkpoint(
    make_sweep: MakeSweep, numbers_undisturbed: Numbers
) -> None:
    sweep = make_sweep("inline")
    killed(sweep)
    before, newest = sorted(sweep.folder.rglob("checkpoint-*.safetensors"))[-2:]
    os.truncate(newest, newest.stat().st_size // 2)
    said = goes_on(sweep, {newest.parent.name: epoch_times(before)}, numbers_undisturbed)
    assert f"{newest}: damaged checkpoint passed over" in said


@pytest.mark.parametrize(
    ("where", "number", "code"),
    [
        ("inline", signal.SIGTERM, 143),
        pytest.param("inline", signal.SIGINT, 130, marks=pytest.mark.slow),
        pytest.param("inline", signal.SIGHUP, 129, marks=pytest.mark.slow),
        pytest.param("ray", signal.SIGINT, 130, marks=[pytest.mark.ray, pytest.mark.slow]),
        pytest.param("ray", signal.SIGTERM, 143, marks=[pytest.mark.ray, pytest.mark.slow]),
    ],
)
def test_a_driver_that_is_told_to_stop(
    make_sweep: MakeSweep, where: str, number: signal.Signals, code: int, numbers_undisturbed: Numbers
) -> None:
    """SIGTERM goes to the driver, as from a scheduler; Ctrl-C to all its processes, as from a terminal."""
    sweep = make_sweep(where)
    sweep.start()
    in_the_middle(sweep)
    if number == signal.SIGINT:
        assert sweep.process is not None
        os.killpg(sweep.process.pid, number)
    else:
        sweep.kill(number)
    assert sweep.ended() == code
    said = sweep.said()
    reason = {signal.SIGINT: "Ctrl-C", signal.SIGHUP: "the end of its terminal"}.get(number, "SIGTERM")
    assert f"stopped by {reason}; what was running continues from its last epoch" in said
    assert "run the same command again to continue" in said
    assert "Traceback" not in said
    assert sweep.gone()
    statuses = [run.info.status for run in runs_of(sweep.uri)]
    assert "RUNNING" not in statuses
    assert statuses.count("KILLED") >= 2, "the sweep, and what was under way"
    assert sweep.spooled() == set()
    goes_on(sweep, sweep.times(), numbers_undisturbed)
