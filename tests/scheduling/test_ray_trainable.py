"""What a trial's process does at each step, with neither Ray nor Tune around it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray
import torch

from resablate import datasets
from resablate.datasets import load_dataset
from resablate.measurement import EpochMetrics
from resablate.result import TrialResult
from resablate.scheduling.result_writer import ResultWriter
from resablate.scheduling.ray_trainable import RayTrialContext, TrialTrainable
from resablate.tracking import MemoryTracker
from resablate.trial import Trial, run_trial
from tests.scheduling.tiny import tiny_plan

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*")]
PLAN = tiny_plan({"seed": [0]}, epochs=3, analyses=[])


class Remote:
    """A method as an actor's handle has it, called at once."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.remote = call


class LocalFiling:
    """A ResultWriter that is called like a ResultWriterActor."""

    def __init__(self, folder: Path) -> None:
        self.memory = MemoryTracker()
        self.filing = ResultWriter(self.memory, spool=folder / "spool")
        self.filing.start(PLAN.sweep, trials=PLAN.trials, command="")
        self.start_trial = Remote(self.filing.start_trial)
        self.epoch = Remote(self.filing.epoch)
        self.finish_trial = Remote(self._finish)

    def _finish(self, result: str, weights: bytes | None) -> tuple[str, str]:
        filed = self.filing.finish_trial(TrialResult.from_json(result), weights=weights)
        return filed.status, filed.reason


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, Any]]]:
    """Runs the trial step by step and gives what each step told Tune."""
    monkeypatch.setattr(ray, "get", lambda reference: reference)
    monkeypatch.setattr(datasets, "_held", {})
    monkeypatch.setattr("resablate.figures.draw_all", lambda result: {})
    filing = LocalFiling(tmp_path)
    context = RayTrialContext(
        filing=filing,
        datasets={"digits": load_dataset("digits")},
        folder=str(tmp_path / "trials"),
        data_root=None,
        threads=1,
        gpu_share=0,
        prunable=False,
        store="",
    )

    def run() -> list[dict[str, Any]]:
        trainable = TrialTrainable.__new__(TrialTrainable)
        trainable.setup({"asked": {"trial": PLAN.trials[0].changes()}}, context=context)
        told = [trainable.step()]
        while not told[-1]["done"]:
            told.append(trainable.step())
        assert filing.filing.end("finished") == []
        return told

    return run


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception, *, times: int) -> list[int]:
    """Have the second epoch fail so often; the epochs that are begun."""
    begun: list[int] = []
    run_epoch = Trial.run_epoch

    def run(self: Trial) -> EpochMetrics:
        begun.append(self.training.epoch)
        if self.training.epoch == 1 and begun.count(1) <= times:
            raise error
        return run_epoch(self)

    monkeypatch.setattr(Trial, "run_epoch", run)
    return begun


def outcome(told: list[dict[str, Any]]) -> TrialResult:
    """What the last step says of the whole trial."""
    return TrialResult.from_json(told[-1]["outcome"])


def test_a_trial_is_its_epochs_and_an_end(steps: Callable[[], list[dict[str, Any]]], tmp_path: Path) -> None:
    told = steps()
    assert [step["epoch"] for step in told] == [1, 2, 3, 3]
    assert [step["done"] for step in told] == [False, False, False, True]
    expected = run_trial(PLAN.trials[0])
    assert outcome(told).test_error == expected.test_error
    assert [row.epoch for step in told for row in step["epochs"]] == [1, 2, 3], "each once"
    assert [step["val_error"] for step in told[:-1]] == [metrics.val_error for metrics in expected.history]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["workers.lock"]


def test_memory_that_was_short_for_a_moment(
    steps: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = failing(monkeypatch, torch.OutOfMemoryError("CUDA out of memory."), times=1)
    told = steps()
    assert begun == [0, 1, 1, 2]
    assert (outcome(told).status, outcome(told).reason) == ("finished", "")
    assert [row.epoch for step in told for row in step["epochs"]] == [1, 2, 3]
    monkeypatch.undo()
    assert outcome(told).test_error == run_trial(PLAN.trials[0]).test_error


@pytest.mark.parametrize(
    ("error", "attempts", "reason"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), 2, "out of GPU memory: OutOfMemoryError: CUDA out of memory."),
        (OSError(28, "No space left on device"), 1, "disk full: OSError: [Errno 28] No space left on device"),
    ],
)
def test_what_stays_short_fails_the_trial(
    steps: Callable[[], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    attempts: int,
    reason: str,
) -> None:
    begun = failing(monkeypatch, error, times=9)
    told = steps()
    assert begun == [0, *[1] * attempts]
    assert (outcome(told).status, outcome(told).reason, told[-1]["done"]) == ("failed", reason, True)


def test_the_data_that_the_driver_read_are_used(
    steps: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial does not read them again, wherever it runs."""

    def read(name: str, data_root: Path | None) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(datasets, "_load", read)
    assert outcome(steps()).status == "finished"
