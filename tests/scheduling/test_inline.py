"""Sweeps in this process: what fails is filed and passed by, what is interrupted continues."""

import errno
import io
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from resablate.errors import DatasetError, ResourceError, TrackingError
from resablate.failures import DeviceLost
from resablate.plan import SweepPlan
from resablate.result import TrialResult
from resablate.scheduling import SweepOutcome, run, run_sweep
from resablate.tracking import MemoryTracker
from resablate.trial import Trial, run_trial
from tests.scheduling.tiny import final_plan, numbers, tiny_plan

SEEDS = {"seed": [0, 1, 2]}


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes a second for each result and is not the subject."""
    monkeypatch.setattr("resablate.figures.draw_all", lambda result: {})


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> MemoryTracker:
    """The tracker that every sweep of the test uses."""
    memory = MemoryTracker()
    monkeypatch.setattr(run, "open_tracker", lambda uri: memory)
    return memory


def run_tiny(plan: SweepPlan, *, data_root: Path | None = None, **request: Any) -> tuple[SweepOutcome, str]:
    text = io.StringIO()
    outcome = run_sweep(
        plan,
        scheduler="inline",
        command="resablate sweep tiny.yaml --inline",
        console=Console(file=text, width=200),
        data_root=data_root,
        **request,
    )
    return outcome, text.getvalue()


def test_what_another_process_brought_to_its_end_leaves_no_checkpoint(memory: MemoryTracker, tmp_path: Path) -> None:
    plan = tiny_plan({"seed": [0]}, analyses={}, epochs=1)
    run_tiny(plan)
    [key] = memory.complete_keys()
    checkpoint = tmp_path / ".resablate" / "tiny" / "trials" / key / "checkpoint-000001.safetensors"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"of a process that lost its lease")
    run_tiny(plan)
    assert not checkpoint.parent.exists()


def results(memory: MemoryTracker, sweep: str = "tiny") -> list[TrialResult]:
    return memory.load_sweep(sweep).results


def before_epoch(monkeypatch: pytest.MonkeyPatch, act: Callable[[Trial], None]) -> None:
    """Have `act` called before every epoch of every trial."""
    prepare = Trial.before_epoch

    def acting(self: Trial) -> None:
        act(self)
        prepare(self)

    monkeypatch.setattr(Trial, "before_epoch", acting)


def test_a_sweep_runs_files_and_cleans_up_after_itself(memory: MemoryTracker, tmp_path: Path) -> None:
    outcome, shown = run_tiny(tiny_plan(SEEDS))
    assert outcome.counts == {"finished": 3}
    assert (outcome.planned, outcome.reused, outcome.failed) == (3, 0, False)
    assert [result.spec.seed for result in results(memory)] == [0, 1, 2]
    assert [len(result.history) for result in results(memory)] == [2, 2, 2]
    assert all(run.files["weights.safetensors"] for run in memory.runs)
    assert memory.submissions[0].status == "finished"
    assert shown.count("finished, test error") == 3
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [], "no checkpoint, no spool"


def test_what_is_complete_is_not_run_again(memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch) -> None:
    run_tiny(tiny_plan({"seed": [0, 2]}))

    def only_new(trial: Trial) -> None:
        assert trial.spec.seed == 1

    before_epoch(monkeypatch, only_new)
    outcome, shown = run_tiny(tiny_plan(SEEDS, name="larger"))
    assert (outcome.reused, outcome.counts, outcome.failed) == (2, {"finished": 1}, False)
    assert "2 of 3 trials are complete already" in shown
    assert [result.spec.seed for result in results(memory, "larger")] == [0, 1, 2]

    outcome, _ = run_tiny(tiny_plan(SEEDS, name="larger"))
    assert (outcome.reused, outcome.counts, outcome.failed) == (3, {}, False)


def test_a_trial_that_fails_is_filed_with_its_reason_and_the_next_one_runs(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(trial: Trial) -> None:
        if trial.spec.seed == 1 and trial.training.epoch == 1:
            raise RuntimeError("no more memory\nand a second line")

    with monkeypatch.context() as patch:
        before_epoch(patch, fail)
        outcome, shown = run_tiny(tiny_plan(SEEDS))
    assert outcome.counts == {"finished": 2, "failed": 1}
    assert outcome.failed
    assert not outcome.interrupted
    assert [(result.status, result.reason) for result in results(memory)] == [
        ("finished", ""),
        ("failed", "RuntimeError: no more memory"),
        ("finished", ""),
    ]
    assert "failed, RuntimeError: no more memory;" in shown
    assert memory.submissions[0].status == "failed"

    outcome, shown = run_tiny(tiny_plan(SEEDS))
    assert (outcome.reused, outcome.not_repeated, outcome.counts) == (2, {"failed": 1}, {})
    assert (outcome.failed, outcome.interrupted, outcome.remaining) == (True, False, 0)
    assert "1 of 3 trials failed before and are not run again; --retry failed runs them" in shown

    outcome, _ = run_tiny(tiny_plan(SEEDS), retry=["failed"])
    assert (outcome.reused, outcome.not_repeated, outcome.counts, outcome.failed) == (2, {}, {"finished": 1}, False)
    assert len(memory.runs) == 3, "the failed record was taken up again"


def test_a_failure_under_another_sweep_keeps_nothing_from_running(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(trial: Trial) -> None:
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        before_epoch(patch, fail)
        run_tiny(tiny_plan({"seed": [0]}))
    outcome, _ = run_tiny(tiny_plan({"seed": [0]}, name="another"))
    assert (outcome.not_repeated, outcome.counts) == ({}, {"finished": 1})


@pytest.mark.parametrize(
    ("error", "attempts", "reason"),
    [
        (MemoryError("1 GiB"), 2, "out of memory: MemoryError: 1 GiB"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
            2,
            "out of memory: RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to"
            " allocate 8 bytes.",
        ),
        (torch.OutOfMemoryError("CUDA out of memory."), 2, "out of GPU memory: OutOfMemoryError: CUDA out of memory."),
        (OSError(errno.ENOSPC, "No space left"), 1, "disk full: OSError: [Errno 28] No space left"),
        (ValueError("a bug\nin two lines"), 1, "ValueError: a bug"),
    ],
)
def test_a_failure_is_tried_again_as_it_deserves(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch, error: Exception, attempts: int, reason: str
) -> None:
    begun: list[int] = []

    def fail(trial: Trial) -> None:
        if trial.spec.seed == 1 and trial.training.epoch == 1:
            begun.append(trial.training.epoch)
            raise error

    before_epoch(monkeypatch, fail)
    outcome, _ = run_tiny(tiny_plan(SEEDS))
    assert outcome.counts == {"finished": 2, "failed": 1}
    assert results(memory)[1].reason == reason
    assert len(begun) == attempts


def test_memory_that_is_there_again_costs_nothing(memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second attempt continues from the checkpoint, and the numbers are those of an undisturbed trial."""
    epochs: list[int] = []

    def fail_once(trial: Trial) -> None:
        epochs.append(trial.training.epoch)
        if epochs == [0, 1]:
            raise MemoryError

    plan = tiny_plan({"seed": [0]}, epochs=3)
    with monkeypatch.context() as patch:
        before_epoch(patch, fail_once)
        outcome, _ = run_tiny(plan)
    assert outcome.counts == {"finished": 1}
    assert epochs == [0, 1, 1, 2]
    [disturbed] = results(memory)
    memory.runs.clear()
    run_tiny(plan)
    assert numbers(disturbed) == numbers(results(memory)[0])


def test_a_lost_gpu_ends_the_sweep_which_continues_in_a_new_process(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No later trial is begun: it would fail at once, and be left alone from then on."""
    begun: list[tuple[int, int]] = []

    def fault(trial: Trial) -> None:
        begun.append((trial.spec.seed, trial.training.epoch))
        if begun[-1] == (1, 1):
            raise RuntimeError("CUDA error: an illegal memory access was encountered\nand advice")

    with monkeypatch.context() as patch:
        before_epoch(patch, fault)
        with pytest.raises(DeviceLost, match=r"GPU failed during trial \w+, .* had to end: RuntimeError: CUDA error: "):
            run_tiny(tiny_plan(SEEDS))
    assert begun[-1] == (1, 1)
    assert [kept.status for kept in memory.runs] == ["finished", None]
    assert memory.submissions[0].status == "interrupted"
    begun.clear()
    before_epoch(monkeypatch, lambda trial: begun.append((trial.spec.seed, trial.training.epoch)))
    outcome, _ = run_tiny(tiny_plan(SEEDS))
    assert (outcome.reused, outcome.counts, begun) == (1, {"finished": 2}, [(1, 1), (2, 0), (2, 1)])


def test_a_disk_that_fails_ends_the_trial_and_its_checkpoints_wait(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write, key = Path.write_bytes, final_plan(SEEDS).trials[1].key

    def full(path: Path, content: bytes) -> int:
        if "spool" in path.parts and path.parent.name == key:
            raise OSError(errno.EIO, "Input/output error")
        return write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        outcome, shown = run_tiny(tiny_plan(SEEDS))
    assert (outcome.counts, outcome.filing_problems) == ({"finished": 2, "failed": 1}, ())
    assert "seed 1: failed, OSError: [Errno 5] Input/output error" in shown
    assert list(tmp_path.rglob("checkpoint-*")), "it needs not be trained again"

    def nothing_to_train(trial: Trial) -> None:
        raise AssertionError("it was trained")

    before_epoch(monkeypatch, nothing_to_train)
    outcome, _ = run_tiny(tiny_plan(SEEDS), retry=["failed"])
    assert (outcome.counts, outcome.failed) == ({"finished": 1}, False)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_a_full_disk_pauses_the_sweep_until_there_is_room(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """At checkpoints, at answers on the way and at the result: the numbers are those of an undisturbed sweep."""
    plan = final_plan({"seed": [0]}, analyses={"norm_preservation": {"examples": 32, "epochs": [1]}})
    undisturbed = [numbers(run_trial(*plan.request(spec), folder=tmp_path / "x" / spec.key)) for spec in plan.trials]
    shutil.rmtree(tmp_path / "x")
    write, refused = Path.write_bytes, Counter[str]()

    def full(path: Path, content: bytes) -> int:
        refused[path.stem] += 1
        if refused[path.stem] % 3:
            write(path, content[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr("resablate.storage.files._FULL_SECONDS", 0.01)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        outcome, _ = run_tiny(plan)
    assert (outcome.counts, outcome.failed) == ({"finished": 1}, False)
    assert [numbers(result) for result in results(memory)] == undisturbed
    assert {"checkpoint-000001", "analyses-000001", "after-epoch-000001", "weights", "result", "files"} <= set(refused)
    told = [line for line in caplog.messages if "No space left on device; waiting until there is room" in line]
    assert len(told) == sum(refused.values()) / 3, "once for each file"


def test_no_more_trials_than_asked_for(memory: MemoryTracker) -> None:
    outcome, _ = run_tiny(tiny_plan(SEEDS), max_trials=2)
    assert (outcome.counts, outcome.remaining) == ({"finished": 2}, 1)
    assert (outcome.failed, outcome.interrupted) == (False, False)
    assert memory.submissions[0].status == "finished"
    outcome, _ = run_tiny(tiny_plan(SEEDS), max_trials=2)
    assert (outcome.reused, outcome.counts, outcome.remaining) == (2, {"finished": 1}, 0)


@pytest.mark.parametrize("stop", ["the end of its time budget", "SIGTERM", "Ctrl-C"])
def test_what_stops_a_sweep_leaves_its_checkpoints(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    done: list[tuple[int, int]] = []

    def wait_for_it(trial: Trial) -> None:
        done.append((trial.spec.seed, trial.training.epoch))
        if done[-1] == (1, 1):
            if stop != "the end of its time budget":
                os.kill(os.getpid(), signal.SIGTERM if stop == "SIGTERM" else signal.SIGINT)
            time.sleep(30)

    budget = {"time_budget": 5.0} if "budget" in stop else {}
    with monkeypatch.context() as patch:
        before_epoch(patch, wait_for_it)
        begun = time.monotonic()
        patch.setattr(time, "sleep", sleeper(until=lambda: time.monotonic() > begun + 30))
        outcome, _ = run_tiny(tiny_plan(SEEDS), **budget)
    assert (outcome.stopped_by, outcome.interrupted, outcome.counts) == (stop, True, {"finished": 1})
    assert outcome.remaining == 2
    assert [run.status for run in memory.runs] == ["finished", None]
    assert memory.submissions[0].status == "interrupted"
    assert signal.getsignal(signal.SIGTERM) is before

    done.clear()
    before_epoch(monkeypatch, lambda trial: done.append((trial.spec.seed, trial.training.epoch)))
    outcome, _ = run_tiny(tiny_plan(SEEDS))
    assert done == [(1, 1), (2, 0), (2, 1)]
    assert (outcome.counts, outcome.failed) == ({"finished": 2}, False)


def sleeper(until: Callable[[], bool]) -> Callable[[float], None]:
    """A sleep that sees signals as training does: between two instructions, not in the middle of a system call."""

    def sleep(seconds: float) -> None:
        while not until():
            pass

    return sleep


def test_a_data_set_that_breaks_in_one_trial_fails_that_trial(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # It was there when the sweep was submitted.
    monkeypatch.setattr(SweepPlan, "identified", lambda plan, root: plan)
    monkeypatch.setattr(run, "load_dataset", lambda name, root: None)
    outcome, _ = run_tiny(tiny_plan({"dataset": ["fashion_mnist", "digits"]}), data_root=tmp_path / "gone")
    assert outcome.counts == {"failed": 1, "finished": 1}
    assert results(memory)[0].reason == f"DatasetError: --data-root {tmp_path / 'gone'}: no such folder"


def test_an_interrupted_sweep_continues_where_it_was_with_the_same_numbers(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    undisturbed = MemoryTracker()
    with monkeypatch.context() as patch:
        patch.setattr(run, "open_tracker", lambda uri: undisturbed)
        run_tiny(tiny_plan(SEEDS, epochs=4))

    def interrupt(trial: Trial) -> None:
        if trial.spec.seed == 1 and trial.training.epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        before_epoch(patch, interrupt)
        outcome, _ = run_tiny(tiny_plan(SEEDS, epochs=4))
    assert outcome.interrupted
    assert outcome.failed
    assert outcome.counts == {"finished": 1}
    assert outcome.filing_problems == ()
    assert memory.submissions[0].status == "interrupted"
    assert [result.status for result in results(memory)] == ["finished"]

    trained: list[tuple[int, int]] = []
    before_epoch(monkeypatch, lambda trial: trained.append((trial.spec.seed, trial.training.epoch)))
    outcome, _ = run_tiny(tiny_plan(SEEDS, epochs=4))
    assert trained == [(1, 2), (1, 3), (2, 0), (2, 1), (2, 2), (2, 3)]
    assert (outcome.reused, outcome.counts, outcome.failed) == (1, {"finished": 2}, False)
    assert [numbers(r) for r in results(memory)] == [numbers(r) for r in results(undisturbed)]
    assert len(memory.runs) == 3
    assert sorted(memory.runs[1].epochs) == [1, 2, 3, 4]
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_results_that_the_tracker_did_not_take_are_filed_and_not_run_again(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise TrackingError("the server is gone")

    def fail(trial: Trial) -> None:
        if trial.spec.seed == 1:
            raise RuntimeError("no more memory")

    with monkeypatch.context() as patch:
        patch.setattr(MemoryTracker, "finish_trial", refuse)
        before_epoch(patch, fail)
        outcome, _ = run_tiny(tiny_plan(SEEDS))
    assert outcome.counts == {"finished": 2, "failed": 1}
    assert outcome.filing_problems == ("TrackingError: the server is gone",)
    assert outcome.failed
    assert results(memory) == []

    def only_failed(trial: Trial) -> None:
        assert trial.spec.seed == 1

    before_epoch(monkeypatch, only_failed)
    outcome, _ = run_tiny(tiny_plan(SEEDS), retry=["failed"])
    assert (outcome.reused, outcome.counts, outcome.failed) == (2, {"finished": 1}, False)
    assert [result.status for result in results(memory)] == ["finished"] * 3
    assert len(memory.runs) == 3


def test_trials_compute_on_as_many_threads_as_they_have_cpus(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    before, seen = torch.get_num_threads(), set[int]()

    def look(trial: Trial) -> None:
        seen.add(torch.get_num_threads())
        raise KeyboardInterrupt

    before_epoch(monkeypatch, look)
    run_tiny(tiny_plan(SEEDS, resources={"cpus": before + 1}))
    assert seen == {before + 1}
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("resources", "says"),
    [
        ({"cpus": 1000}, r"asks for 1000 CPUs and 0 GPUs, but this machine has \d+ CPUs and \d+ GPUs"),
        ({"gpus": 64}, r"asks for 1 CPUs and 64 GPUs, but this machine has \d+ CPUs and \d+ GPUs"),
    ],
)
def test_resources_beyond_this_machine(memory: MemoryTracker, resources: dict[str, float], says: str) -> None:
    with pytest.raises(ResourceError, match=says):
        run_tiny(tiny_plan(SEEDS, resources=resources))
    assert memory.submissions == []


def test_a_missing_data_set_is_found_before_anything_is_filed(memory: MemoryTracker, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="gone: no such folder"):
        run_tiny(tiny_plan({"dataset": ["digits", "fashion_mnist"]}), data_root=tmp_path / "gone")
    assert memory.submissions == []
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_runs_in_one_process_at_a_time(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refused: list[str] = []

    def submit_again(trial: Trial) -> None:
        if not refused:
            with pytest.raises(ResourceError) as caught:
                run_tiny(tiny_plan(SEEDS))
            refused.append(str(caught.value))

    before_epoch(monkeypatch, submit_again)
    outcome, _ = run_tiny(tiny_plan(SEEDS))
    assert f"sweep 'tiny' is being run by process {os.getpid()} in this folder" in refused[0]
    assert outcome.counts == {"finished": 3}
    assert len(memory.runs) == 3
    assert not any(tmp_path.rglob("lock"))


def test_a_folder_that_cannot_be_made_is_one_clear_error(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RESABLATE_HOME", str(tmp_path / "file"))
    with pytest.raises(ResourceError, match=r"tiny: not writable, and checkpoints need a folder"):
        run_tiny(tiny_plan(SEEDS))
    assert memory.submissions == []


@pytest.mark.parametrize("chance", range(3))
def test_interrupted_packs_continue_in_another_grouping(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chance: int
) -> None:
    """The driver ends after any epoch, before any member has stored it, again and again."""
    source, epochs, stored = random.Random(chance), 4, list[tuple[str, int]]()
    sizes = source.sample([1, 2, 3, 4, 5], 4)
    after_epoch = Trial.after_epoch

    def interrupt(trial: Trial) -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop()
        after_epoch(trial)
        stored.append((trial.spec.key, trial.training.epoch))

    monkeypatch.setattr(Trial, "after_epoch", interrupt)
    for size in sizes:
        left = [None] * (99 if size == sizes[-1] else source.randint(1, 7))
        planned = tiny_plan({"seed": list(range(5))}, epochs=epochs, resources={"pack": size})
        outcome, _ = run_tiny(planned)
    assert (outcome.remaining, outcome.failed) == (0, False)
    assert Counter(stored) == dict.fromkeys([(run.spec.key, n + 1) for run in memory.runs for n in range(epochs)], 1)
    assert [[row.epoch for row in result.history] for result in results(memory)] == [[1, 2, 3, 4]] * 5
    assert [kept.status for kept in memory.runs] == ["finished"] * 5
    assert 1 < max(result.pack_size for result in results(memory)) <= max(sizes)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_pack_that_is_interrupted_continues_bit_for_bit(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same grouping: every sum is one of the same terms in the same order."""
    planned = tiny_plan(SEEDS, epochs=3, shortcut="dropout", resources={"pack": 3})
    run_tiny(planned)
    undisturbed = [numbers(result) for result in results(memory)]
    assert [result.pack_size for result in results(memory)] == [3] * 3
    memory.runs.clear()
    after_epoch, left = Trial.after_epoch, [None] * 6

    def interrupt(trial: Trial) -> None:
        after_epoch(trial)
        left.pop()
        if not left:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trial, "after_epoch", interrupt)
        outcome, _ = run_tiny(planned)
    assert (outcome.counts, outcome.interrupted) == ({}, True)
    outcome, _ = run_tiny(planned)
    assert outcome.counts == {"finished": 3}
    assert [numbers(result) for result in results(memory)] == undisturbed


def test_a_member_that_fails_is_filed_alone(memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Trial.before_epoch

    def fail(trial: Trial) -> None:
        if trial.spec.seed == 1 and trial.training.epoch == 1:
            raise ValueError("a bug")
        before(trial)

    monkeypatch.setattr(Trial, "before_epoch", fail)
    outcome, shown = run_tiny(tiny_plan(SEEDS, resources={"pack": 3}))
    assert outcome.counts == {"finished": 2, "failed": 1}
    assert [(result.status, result.reason) for result in results(memory)] == [
        ("finished", ""),
        ("failed", "ValueError: a bug"),
        ("finished", ""),
    ]
    assert "1 pack of 3 trials" in shown
