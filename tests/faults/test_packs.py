"""Packs that are interrupted at any epoch continue in other groupings: nothing is lost, and nothing is done twice."""

import random
import signal

import pytest

from tests.faults.conftest import MakeSweep
from tests.faults.sweeps import SweepProcess, everything_is_in_order, slow_plan

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")
SEEDS, EPOCHS = 5, 6


def regroup(sweep: SweepProcess, size: int) -> None:
    """Have the next submission pack so many trials at most."""
    sweep.plan = slow_plan(SEEDS, resources={"pack": size})


def trained(sweep: SweepProcess) -> int:
    """Epochs in the newest checkpoints of all trials under way, and those of trials that ended."""
    return sum(sweep.epochs().values()) + EPOCHS * sweep.said().count("finished, test error")


@pytest.mark.slow
@pytest.mark.parametrize("chance", [0, 1])
@pytest.mark.parametrize("where", ["inline", pytest.param("ray", marks=pytest.mark.ray)])
def test_packs_continue_in_another_grouping(make_sweep: MakeSweep, where: str, chance: int) -> None:
    source = random.Random(chance)
    sweep = make_sweep(where, seeds=SEEDS)
    known: dict[str, list[float]] = {}
    for size in source.sample([1, 2, 3, 4, 5], 2):
        regroup(sweep, size)
        sweep.start()
        enough = trained(sweep) + source.randint(3, 2 * SEEDS)
        sweep.until(lambda enough=enough: trained(sweep) >= enough)
        sweep.kill(source.choice([signal.SIGKILL, signal.SIGTERM]))
        sweep.ended()
        assert sweep.gone()
        for key, seconds in sweep.times().items():
            before = known.get(key, [])
            assert seconds[: len(before)] == before, "epochs of an earlier submission were not trained again"
            known[key] = seconds
    regroup(sweep, source.randint(2, SEEDS))
    assert sweep.run() == 0, sweep.said()
    results = {result.key: result for result in sweep.results()}
    assert set(results) == {spec.key for spec in sweep.plan.trials}
    for result in results.values():
        assert result.status == "finished"
        assert [row.epoch for row in result.history] == list(range(1, EPOCHS + 1))
        assert {"test", "lesion", "norm_preservation"} == {m.question.analysis.name for m in result.measurements}
    for key, seconds in known.items():
        assert [row.wall_seconds for row in results[key].history][: len(seconds)] == seconds
    everything_is_in_order(sweep)
