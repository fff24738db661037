"""What a trial's process does at each step, with neither Ray nor Tune around it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
import torch
from ray.exceptions import GetTimeoutError

from resablate import datasets
from resablate.datasets import load_dataset
from resablate.errors import ResourceError
from resablate.failures import DeviceLost
from resablate.measurement import EpochMetrics
from resablate.result import TrialResult
from resablate.scheduling import ray_trainable
from resablate.scheduling.ray_sink import may_write
from resablate.scheduling.ray_trainable import PackTrainable, RayTrialContext, pack_config, requests_of
from resablate.scheduling.result_writer import ResultWriter
from resablate.tracking import MemoryTracker
from resablate.trial import Trial, run_trial
from tests.scheduling.tiny import final_plan

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
    pytest.mark.usefixtures("handlers_as_before"),
]
PLAN = final_plan({"seed": [0]}, epochs=3, analyses={})


class Remote:
    """A method as an actor's handle has it, called at once."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.remote = call


class LocalWriter:
    """A ResultWriter that is called like a ResultWriterActor."""

    def __init__(self, folder: Path) -> None:
        self.memory = MemoryTracker()
        self.writer = ResultWriter(self.memory, spool=folder / "spool")
        self.writer.start(PLAN.sweep, trials=PLAN.trials, command="")
        self.start_trial = Remote(self.writer.start_trial)
        self.epoch = Remote(self.writer.epoch)
        self.finish_trial = Remote(self._finish)
        self.ended = Remote(lambda keys: {})
        self.warned: list[str] = []
        self.warn = Remote(lambda warned: self.warned.append(warned.text))
        self.confirmed = True
        self.may_write = Remote(lambda: self.confirmed)

    def _finish(self, result: str, weights: Mapping[str, bytes]) -> tuple[str, str]:
        filed = self.writer.finish_trial(TrialResult.from_json(result), weights=weights)
        return filed.status, filed.reason


@pytest.fixture(autouse=True)
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """References are what they stand for."""
    monkeypatch.setattr(ray, "get", lambda reference, timeout=None: reference)
    monkeypatch.setattr(datasets, "_cached", {})
    monkeypatch.setattr("resablate.figures.draw_all", lambda result: {})


@pytest.fixture
def writer(tmp_path: Path) -> LocalWriter:
    return LocalWriter(tmp_path)


@pytest.fixture
def context(writer: LocalWriter, tmp_path: Path) -> RayTrialContext:
    return RayTrialContext(
        writer=writer,
        datasets={PLAN.trials[0].dataset: load_dataset("digits")},
        folder=str(tmp_path / "trials"),
        data_root=None,
        threads=1,
        gpu_share=0,
        prunable=False,
        pruner=None,
        store="",
    )


def begun(context: RayTrialContext) -> PackTrainable:
    """A process that is to run the trial."""
    trainable = PackTrainable.__new__(PackTrainable)
    trainable.setup(pack_config([PLAN.request(PLAN.trials[0])]), context=context)
    return trainable


def to_the_end(trainable: PackTrainable) -> list[dict[str, Any]]:
    """What each step tells Tune."""
    told = [trainable.step()]
    while not told[-1]["done"]:
        told.append(trainable.step())
    return told


@pytest.fixture
def steps(context: RayTrialContext, writer: LocalWriter) -> Callable[[], list[dict[str, Any]]]:
    """Runs the trial step by step and gives what each step told Tune."""

    def run() -> list[dict[str, Any]]:
        told = to_the_end(begun(context))
        assert writer.writer.end("finished") == []
        return told

    return run


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception, *, times: int) -> list[int]:
    """Have the second epoch fail so often; the epochs that are begun."""
    tried: list[int] = []
    run_epoch = Trial.run_epoch

    def run(self: Trial) -> EpochMetrics:
        tried.append(self.training.epoch)
        if self.training.epoch == 1 and tried.count(1) <= times:
            raise error
        return run_epoch(self)

    monkeypatch.setattr(Trial, "run_epoch", run)
    return tried


def outcome(told: list[dict[str, Any]]) -> TrialResult:
    """What the last step says of the whole trial."""
    return TrialResult.from_json(told[-1]["outcomes"][0])


def test_a_trial_is_its_epochs_and_an_end(steps: Callable[[], list[dict[str, Any]]], tmp_path: Path) -> None:
    told = steps()
    assert [step["epoch"] for step in told] == [1, 2, 3, 3]
    assert [step["done"] for step in told] == [False, False, False, True]
    expected = run_trial(*PLAN.request(PLAN.trials[0]))
    assert outcome(told).test_error == expected.test_error
    assert [row.epoch for step in told for rows in step["epochs"].values() for row in rows] == [1, 2, 3], "each once"
    assert [step["val_error"] for step in told[:-1]] == [metrics.val_error for metrics in expected.history]
    assert [path.parent.name for path in tmp_path.rglob("*") if path.is_file()] == ["workers.lock"]


def test_memory_that_was_short_for_a_moment(
    steps: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = failing(monkeypatch, torch.OutOfMemoryError("CUDA out of memory."), times=1)
    told = steps()
    assert tried == [0, 1, 1, 2]
    assert (outcome(told).status, outcome(told).reason) == ("finished", "")
    assert [row.epoch for step in told for rows in step["epochs"].values() for row in rows] == [1, 2, 3]
    monkeypatch.undo()
    assert outcome(told).test_error == run_trial(*PLAN.request(PLAN.trials[0])).test_error


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
    tried = failing(monkeypatch, error, times=9)
    told = steps()
    assert tried == [0, *[1] * attempts]
    assert (outcome(told).status, outcome(told).reason, told[-1]["done"]) == ("failed", reason, True)


def test_the_data_that_the_driver_read_are_used(
    steps: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial does not read them again, wherever it runs."""

    def read(wanted: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(datasets, "_load", read)
    assert outcome(steps()).status == "finished"


def test_a_request_passes_through_tune_unchanged() -> None:
    asked = final_plan(
        {"seed": [3]},
        fields={"shortcut": "exclusive_gate", "shortcut.bias": -6},
        analyses={"norm_preservation": [{"epochs": [0, 2]}, {"examples": 32}], "lesion": {}},
    )
    [spec] = asked.trials
    [request] = requests_of(pack_config([asked.request(spec)]))
    assert request == asked.request(spec)
    assert request.spec.key == spec.key
    assert [question.id for question in request.questions] == [question.id for question in asked.questions(spec)]
    assert request.spec.dataset.values == spec.dataset.values, "defaults too"


BROKEN = {
    "hold_worker_lock": (PermissionError(13, "Permission denied"), "PermissionError: [Errno 13] Permission denied"),
    "limit_gpu_memory": (MemoryError("1 GiB"), "out of memory: MemoryError: 1 GiB"),
    "choose_device": (ResourceError("this process sees none"), "ResourceError: this process sees none"),
    "cache_dataset": (KeyError("images"), "KeyError: 'images'"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_wrong_with_the_process_is_the_trial_s_reason(
    context: RayTrialContext, writer: LocalWriter, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """An error that leaves `setup` is told as the death of the process, without its text."""
    error, reason = BROKEN[broken]

    def fail(*args: object, **told: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(ray_trainable, broken, fail)
        trainable = begun(context)
        told = to_the_end(trainable)
    assert len(told) == 1
    expected = ("failed", f"preparing the trial's process: {reason}")
    assert (outcome(told).status, outcome(told).reason) == expected
    assert told[0]["epochs"] == {}
    # The next trial of the process finds it mended, or fails as well.
    assert trainable.reset_config(pack_config([PLAN.request(PLAN.trials[0])]))
    assert outcome(to_the_end(trainable)).status == "finished"
    assert writer.writer.end("finished") == []
    assert [kept.status for kept in writer.memory.runs] == ["finished"]


def test_a_folder_that_is_no_folder_on_this_node(context: RayTrialContext, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = to_the_end(begun(replace(context, folder=str(tmp_path / "file" / "tiny" / "trials"))))
    assert outcome(told).reason.startswith("preparing the trial's process: ")
    assert str(tmp_path / "file") in outcome(told).reason


def test_what_a_trial_s_process_warns_of_goes_to_the_writer(context: RayTrialContext, writer: LocalWriter) -> None:
    folder = Path(context.folder) / PLAN.trials[0].key
    folder.mkdir(parents=True)
    (folder / "checkpoint-000001.safetensors").write_bytes(b"cut off")
    to_the_end(begun(context))
    assert any("damaged checkpoint passed over" in warned for warned in writer.warned), writer.warned


def test_a_lost_gpu_leaves_the_process_and_another_one_continues(
    context: RayTrialContext, writer: LocalWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        failing(patch, RuntimeError("CUDA error: an illegal memory access was encountered"), times=1)
        lost = begun(context)
        assert lost.step()["epoch"] == 1
        with pytest.raises(DeviceLost):
            lost.step()
    told = to_the_end(begun(context))
    assert [row.epoch for step in told for rows in step["epochs"].values() for row in rows] == [1, 2, 3]
    new = [sum(map(len, step["epochs"].values())) for step in told]
    assert new == [2, 1, 0], "the driver hears of the first epoch again"
    assert outcome(told).status == "finished"
    assert writer.writer.end("finished") == []
    assert [sorted(kept.epochs) for kept in writer.memory.runs] == [[1, 2, 3]]


def test_where_trials_are_pruned_the_last_epoch_and_the_end_are_one_step(context: RayTrialContext) -> None:
    told = to_the_end(begun(replace(context, prunable=True)))
    assert [(step["epoch"], step["done"]) for step in told] == [(1, False), (2, False), (3, True)]


def test_a_trial_writes_to_the_store_as_long_as_the_writer_knows_of_the_lease(
    context: RayTrialContext, writer: LocalWriter, tmp_path: Path
) -> None:
    """Its driver may have lost it, and another one's trials write there."""
    trainable = begun(replace(context, store=f"file://{tmp_path}/store"))
    names: list[list[str]] = []
    for writer.confirmed in (True, False, False):
        trainable.step()
        names.append([path.stem for path in (tmp_path / "store").rglob("*") if path.is_file()])
    assert names == [["checkpoint-000001"]] * 3
    to_the_end(trainable)
    assert [path.stem for path in (tmp_path / "store").rglob("*") if path.is_file()] == ["checkpoint-000001"]


def test_a_writer_that_does_not_say_is_one_that_does_not_know(
    context: RayTrialContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(reference: Any, timeout: float | None = None) -> Any:
        assert timeout
        raise GetTimeoutError

    assert may_write(context.writer)
    monkeypatch.setattr(ray, "get", silent)
    assert not may_write(context.writer)
