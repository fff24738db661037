"""Who wakes without the lease of a sweep writes neither the study of its search nor the store of its checkpoints.

The process was stopped for longer than a lease is kept, and none of its beats has come since.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from resablate.plan import SweepPlan
from resablate.scheduling import lease_keeper, run
from resablate.storage.spool import spooled
from resablate.tracking import MemoryTracker
from resablate.tracking.leases import this_process
from resablate.trial import Trial
from tests.scheduling.test_inline import before_epoch, run_tiny
from tests.scheduling.tiny import tiny_plan

AXES = {"learning_rate": {"low": 0.01, "high": 1, "log": True}}
STOPPED_SECONDS = 50


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryTracker:
    memory = MemoryTracker()
    monkeypatch.setattr(run, "open_tracker", lambda uri: memory)
    monkeypatch.setenv("RESABLATE_CHECKPOINTS", f"file://{tmp_path}/store")
    monkeypatch.setattr("resablate.figures.draw_all", lambda result: {})
    return memory


@pytest.fixture
def taken_over(memory: MemoryTracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, Any]]:
    """To be called while the sweep runs: it is stopped, and another process runs it when it wakes.

    Returns:
        What lies where the two meet.
    """
    clock, now = lease_keeper.running_seconds, [0.0]
    monkeypatch.setattr(lease_keeper, "running_seconds", lambda: clock() + now[0])

    def take_over() -> dict[str, Any]:
        MemoryTracker(memory).claim_sweep("tiny")
        now[0] += STOPPED_SECONDS
        return shared(tmp_path)

    return take_over


def shared(folder: Path) -> dict[str, Any]:
    """The study, and the files of the store."""
    with closing(sqlite3.connect(folder / "optuna.db")) as database:
        return {"study": list(database.iterdump())} | {
            str(path): path.read_bytes() for path in (folder / "store").rglob("*") if path.is_file()
        }


def searched(**search: Any) -> SweepPlan:
    return tiny_plan(AXES, analyses={}, epochs=3, search={"method": "tpe", "trials": 3, **search})


@pytest.mark.parametrize("moment", ["in its second trial", "before its first end"])
def test_a_driver_that_wakes_without_its_lease_leaves_study_and_store_alone(
    moment: str,
    taken_over: Callable[[], dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    epochs, when, before = [0], {"in its second trial": 5, "before its first end": 2}[moment], dict[str, Any]()

    def wakes(trial: Trial) -> None:
        epochs[0] += 1
        if epochs[0] == when:
            before.update(taken_over())

    with monkeypatch.context() as patch:
        before_epoch(patch, wakes)
        outcome, _ = run_tiny(searched())
    assert outcome.stopped_by == f"the lease of sweep 'tiny' is lost: {this_process()} runs it now"
    assert len([name for name in before if "checkpoint" in name]) == 1
    assert shared(tmp_path) == before
    assert epochs[0] in (3, 6), "the trial that ran when it woke is the last one"
    assert "storing checkpoints is put off until it is known that this process still runs the sweep" in caplog.text


def test_the_next_one_ends_the_search_with_each_point_once(
    memory: MemoryTracker, taken_over: Callable[[], dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = [0]

    def wakes(trial: Trial) -> None:
        epochs[0] += 1
        if epochs[0] == 5:
            taken_over()

    with monkeypatch.context() as patch:
        before_epoch(patch, wakes)
        run_tiny(searched())
    spool = tmp_path / ".resablate" / "tiny" / "spool"
    assert len(spooled(spool)) == 1, "what it brought to its end waits there"
    assert [name for name in shared(tmp_path) if name != "study"] != []
    outcome, text = run_tiny(searched())
    assert (outcome.reused, outcome.remaining, outcome.failed) == (2, 0, False), text
    assert spooled(spool) == {}
    assert [name for name in shared(tmp_path) if name != "study"] == []
    assert len(memory.load_sweep("tiny").results) == 3
