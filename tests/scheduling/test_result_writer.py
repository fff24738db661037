"""ResultWriter: on disk first, to the tracker behind the trials' back, and never into their way."""

import errno
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from resablate.errors import TrackingError
from resablate.measurement import EpochMetrics
from resablate.result import TrialResult
from resablate.scheduling import result_writer as module
from resablate.scheduling.result_writer import ResultWriter
from resablate.spec import TrainSpec
from resablate.storage.spool import spooled
from resablate.sweep import SweepSpec, parse_sweep
from resablate.tracking import MemoryTracker, Tracker
from resablate.tracking.leases import Lease, this_process
from resablate.tracking.record_keeping import RecordKeeping
from resablate.tracking.tracker import SweepRecord, SweepStatus, TrialState
from tests.factories import make_lesion, make_result

SWEEP = parse_sweep({"name": "seeds", "axes": {"seed": [0, 1, 2]}})


class FaultyTracker(Tracker):
    """A memory tracker that raises in the methods named `broken`, and lists every call in `calls`."""

    def __init__(self, *broken: str, kept: MemoryTracker | None = None) -> None:
        self.kept = kept or MemoryTracker()
        self.calls: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self._broken = broken
        self.away = False

    def _called(self, method: str, about: object = "") -> None:
        self.gate.wait(10)
        if self.away:
            raise TrackingError(f"{method}: no server answers")
        self.calls.append(f"{method} {about}".strip())
        if method in self._broken:
            raise OSError(f"{method}: the tracker is gone")

    def claim_sweep(self, name: str) -> str:
        return self.kept.claim_sweep(name)

    def adopt_claim(self, claim: str) -> None:
        self.kept.adopt_claim(claim)

    def release_sweep(self) -> None:
        self.kept.release_sweep()

    def leases(self, *, watch_seconds: float = 0.0) -> list[Lease]:
        return self.kept.leases(watch_seconds=watch_seconds)

    def start_sweep(self, sweep: SweepSpec, *, trials: Sequence[TrainSpec], command: str) -> None:
        self._called("start_sweep")
        self.kept.start_sweep(sweep, trials=trials, command=command)

    def keep_alive(self) -> None:
        self._called("keep_alive")
        self.kept.keep_alive()

    def note_trial(self, spec: TrainSpec) -> None:
        self._called("note_trial")
        self.kept.note_trial(spec)

    def start_trial(self, spec: TrainSpec) -> None:
        self._called("start_trial", spec.seed)
        self.kept.start_trial(spec)

    def log_epoch(self, spec_key: str, *rows: EpochMetrics) -> None:
        self._called("log_epoch", " ".join(str(metrics.epoch) for metrics in rows))
        self.kept.log_epoch(spec_key, *rows)

    def finish_trial(self, result: TrialResult, *, weights: Mapping[str, Path], figures: Mapping[str, bytes]) -> None:
        self._called("finish_trial", result.spec.seed)
        self.kept.finish_trial(result, weights=weights, figures=figures)

    def keeping(self) -> RecordKeeping:
        return self.kept.keeping()

    def update_cells(self, sweep: str, *, cell: str | None = None) -> None:
        if not self.away:
            self.kept.update_cells(sweep, cell=cell)

    def file_report(self, sweep: str, folder: Path, *, note: str) -> None:
        self.kept.file_report(sweep, folder, note=note)

    def links(self, sweep: str) -> dict[str, str]:
        return self.kept.links(sweep)

    def check_results(self, runs: Mapping[str, str]) -> dict[str, str]:
        return self.kept.check_results(runs)

    def discard_trial(self, run_id: str) -> None:
        self.kept.discard_trial(run_id)

    def end_sweep(self, status: SweepStatus) -> None:
        self._called("end_sweep", status)
        self.kept.end_sweep(status)

    def complete_keys(self) -> dict[str, str]:
        return self.kept.complete_keys()

    def states(self, name: str) -> dict[str, TrialState]:
        return self.kept.states(name)

    def submitted(self, name: str) -> tuple[SweepSpec, list[TrainSpec]]:
        return self.kept.submitted(name)

    def reachable(self) -> bool:
        return not self.away

    def load_sweep(self, name: str) -> SweepRecord:
        return self.kept.load_sweep(name)

    def load_trial(self, run: str) -> tuple[str, TrialResult]:
        return self.kept.load_trial(run)

    def iter_results(self, name: str) -> Iterator[tuple[str, TrialResult]]:
        return self.kept.iter_results(name)

    def load_weights_file(self, run_id: str, folder: Path, *, epoch: int | None = None) -> Path:
        return self.kept.load_weights_file(run_id, folder, epoch=epoch)

    def amend_trial(
        self,
        run_id: str,
        result: TrialResult,
        *,
        weights: Mapping[str, Path] = {},
        figures: Mapping[str, bytes],
    ) -> None:
        self.kept.amend_trial(run_id, result, weights=weights, figures=figures)

    def ui_hint(self) -> str:
        return self.kept.ui_hint()


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes a second for each result and is not the subject."""
    monkeypatch.setattr("resablate.figures.draw_all", lambda result: {})


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def started(tracker: Tracker, spool: Path) -> ResultWriter:
    writer = ResultWriter(tracker, spool=spool)
    writer.start(SWEEP, trials=[SWEEP.trial(point) for point in SWEEP.points()], command="resablate sweep")
    return writer


WEIGHTS = {"weights.safetensors": b"weights"}


def run(
    writer: ResultWriter, result: TrialResult, *, weights: Mapping[str, bytes] = WEIGHTS, keeps_up: bool = False
) -> None:
    """Send everything of a trial; all before its end is filed by then where filing `keeps_up`."""
    writer.start_trial(result.spec)
    for metrics in result.history:
        writer.epoch(result.key, metrics)
    if keeps_up:
        all_filed = threading.Event()
        writer._jobs.put(all_filed.set)
        assert all_filed.wait(10)
    writer.finish_trial(result, weights=weights)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_result_lies_in_the_spool_before_it_is_filed_and_not_afterwards(spool: Path) -> None:
    tracker = FaultyTracker()
    writer = started(tracker, spool)
    result = make_result(seed=1)
    assert writer.start_trial(result.spec)
    tracker.gate.clear()
    for metrics in result.history:
        writer.epoch(result.key, metrics)
    writer.finish_trial(result, weights=WEIGHTS)  # returns although the tracker does not

    assert files(spool) == [f"{result.key}/{name}" for name in ("files.json", "result.json", "weights.safetensors")]
    assert spooled(spool)[result.key].to_json() == result.to_json()
    assert [kept.status for kept in tracker.kept.runs] == [None]

    tracker.gate.set()
    assert writer.end("finished") == []
    assert files(spool) == []
    [kept] = tracker.kept.runs
    assert kept.files["weights.safetensors"] == b"weights"
    assert kept.files["result.json"] == result.to_json().encode()


def test_the_weights_of_every_epoch_that_was_asked_about_are_filed(spool: Path) -> None:
    memory = MemoryTracker()
    writer = started(memory, spool)
    weights = {"after-epoch-000002.safetensors": b"early", **WEIGHTS}
    run(writer, make_result().model_copy(update={"kept_epochs": (2,)}), weights=weights)
    assert writer.end("finished") == []
    assert {name: memory.runs[0].files[name] for name in weights} == weights
    assert files(spool) == []


def test_epochs_that_wait_are_filed_in_one_request_however_often_it_fails(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = FaultyTracker()
    writer = started(tracker, spool)
    result = make_result(losses=[5.0, 4.0, 3.0, 2.0, 1.0])
    tracker.away = True
    writer.start_trial(result.spec)
    for metrics in result.history:
        writer.epoch(result.key, metrics)
    tracker.away = False
    writer.end("interrupted")
    requests = [call for call in tracker.calls if call.startswith("log_epoch")]
    assert requests == ["log_epoch 1 2 3 4 5"]


def one_by_one(calls: list[str]) -> list[str]:
    """The calls as if each epoch had been filed alone: how many wait together is a matter of time."""
    split = [call.split() if call.startswith("log_epoch") else [call] for call in calls]
    return [f"{parts[0]} {part}" if len(parts) > 1 else parts[0] for parts in split for part in (parts[1:] or [""])]


def test_everything_reaches_the_tracker_in_the_order_in_which_it_was_sent(spool: Path) -> None:
    tracker = FaultyTracker()
    writer = started(tracker, spool)
    for seed in (2, 0, 1):
        run(writer, make_result(seed=seed, losses=[2.0, 1.0]), keeps_up=True)
    writer.end("finished")
    filed = [call for seed in (2, 0, 1) for call in ("log_epoch 1", "log_epoch 2", f"finish_trial {seed}")]
    leased = [f"start_trial {seed}" for seed in (2, 0, 1)]  # at once, before what is behind is filed
    calls = one_by_one(tracker.calls)
    assert [call for call in calls if call not in leased] == ["start_sweep", *filed, "end_sweep finished"]
    assert [call for call in calls if call in leased] == leased
    assert calls.index("start_trial 2") < calls.index("log_epoch 1")


@pytest.mark.parametrize("broken", ["start_trial", "log_epoch", "finish_trial", "end_sweep"])
def test_a_tracker_that_raises_is_reported_at_the_end_and_the_result_is_filed_next_time(
    broken: str, spool: Path
) -> None:
    memory = MemoryTracker()
    writer = started(FaultyTracker(broken, kept=memory), spool)
    results = [make_result(seed=0), make_result(seed=1, status="failed", reason="no more memory")]
    for result in results:
        run(writer, result, keeps_up=True)
    problems = writer.end("failed")
    assert any(f"OSError: {broken}: the tracker is gone" in line for line in problems)

    lost = broken in ("start_trial", "finish_trial")
    assert set(spooled(spool)) == ({result.key for result in results} if lost else set())

    again = started(memory, spool)
    assert again.end("finished") == []
    assert files(spool) == []
    record = memory.load_sweep("seeds")
    assert [result.to_json() for result in record.results] == [result.to_json() for result in results]
    assert len(memory.runs) == len(results), "one record for each trial"


def test_a_sweep_that_cannot_be_opened_raises_and_starts_no_thread(spool: Path) -> None:
    threads = threading.active_count()
    with pytest.raises(OSError, match="start_sweep: the tracker is gone"):
        started(FaultyTracker("start_sweep"), spool)
    assert threading.active_count() == threads
    assert not spool.exists()


def test_a_failed_trial_is_filed_with_its_reason(spool: Path) -> None:
    memory = MemoryTracker()
    writer = started(memory, spool)
    run(writer, make_result(status="failed", reason="OutOfMemoryError: 3 GiB", losses=[]), weights={})
    assert writer.end("failed") == []
    [result] = memory.load_sweep("seeds").results
    assert (result.status, result.reason) == ("failed", "OutOfMemoryError: 3 GiB")
    assert "weights.safetensors" not in memory.runs[0].files
    assert memory.complete_keys() == {}
    assert memory.submissions[0].status == "failed"


def test_a_result_that_was_filed_but_not_taken_out_of_the_spool_makes_no_second_record(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = MemoryTracker()
    writer = started(memory, spool)
    with monkeypatch.context() as patch:  # the process ends between filing and taking out
        patch.setattr(module, "take_out", lambda place: None)
        run(writer, make_result())
        writer.end("finished")
    assert spooled(spool)

    assert started(memory, spool).end("finished") == []
    assert files(spool) == []
    assert len(memory.runs) == 1


@pytest.mark.parametrize("names", [(), ("weights.safetensors",), ("files.json", "result.json")], ids=str)
def test_what_is_left_in_the_spool_of_a_filed_result_is_cleared_by_the_next_sweep(
    names: tuple[str, ...], spool: Path
) -> None:
    """The process was killed while the result left the spool, or before anything of it was written there."""
    memory, result = MemoryTracker(), make_result()
    writer = started(memory, spool)
    run(writer, result)
    writer.end("finished")
    (spool / result.key).mkdir(parents=True)
    (spool / make_result(seed=1).key).mkdir()
    for name in names:
        (spool / result.key / name).write_text("half")
    assert started(memory, spool).end("finished") == []
    assert [place.name for place in spool.iterdir()] == [make_result(seed=1).key], "that one is still to be trained"


def test_who_is_killed_while_a_filed_result_leaves_the_spool_leaves_no_half_of_it_there(
    spool: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    memory = MemoryTracker()
    writer = started(memory, spool)
    with monkeypatch.context() as patch:  # killed after the first file was removed
        patch.setattr(shutil, "rmtree", lambda path, **_: next(file for file in path.iterdir()).unlink())
        run(writer, make_result())
        writer.end("finished")
    assert list(spool.iterdir()) == []
    assert [path.name for path in spool.parent.iterdir()] != [spool.name], "it lies beside it"
    assert started(memory, spool).end("finished") == []
    assert [path.name for path in spool.parent.iterdir()] == [spool.name]
    assert not caplog.messages


def test_a_failed_result_in_the_spool_is_out_of_the_way_when_its_trial_runs_again(spool: Path) -> None:
    memory = MemoryTracker()
    broken = started(FaultyTracker("finish_trial", kept=memory), spool)
    run(broken, make_result(status="failed", reason="no more memory"), weights={})
    broken.end("failed")

    slow = FaultyTracker(kept=memory)
    writer = started(slow, spool)
    slow.gate.clear()
    run(writer, make_result(error=0.25))
    slow.gate.set()
    assert writer.end("finished") == []
    assert [result.test_error for result in memory.load_sweep("seeds").results] == [0.25]
    assert files(spool) == []


def test_half_a_file_and_a_file_of_another_version_are_passed_over(
    spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (spool / "half").mkdir(parents=True)
    (spool / "half" / "result.partial").write_text('{"spec": ')
    (spool / "half" / "weights.safetensors").write_bytes(b"weights")
    (spool / "old").mkdir()
    (spool / "old" / "result.json").write_text('{"another": "version"}')
    memory = MemoryTracker()
    writer = started(memory, spool)
    run(writer, make_result())
    assert writer.end("finished") == []
    assert len(memory.runs) == 1
    assert f"{spool / 'old'}: not a whole result (files.json: No such file or directory), passed over" in caplog.text


def test_a_disk_that_fails_fails_the_trial_and_leaves_no_half_result(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = MemoryTracker()
    writer = started(memory, spool)
    result = make_result()
    writer.start_trial(result.spec)

    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        filed = writer.finish_trial(result, weights=WEIGHTS)
    assert (filed.status, filed.key) == ("failed", result.key)
    assert filed.reason == "OSError: [Errno 5] Input/output error"
    assert files(spool) == [], "whole or absent"
    assert writer.end("failed") == []
    [stored] = memory.load_sweep("seeds").results
    assert stored.to_json() == filed.to_json()


@pytest.mark.parametrize("filed", [False, True], ids=["before it is filed", "while it is filed"])
def test_a_spool_that_is_removed_is_told_in_a_line(
    spool: Path, filed: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tracker, result = FaultyTracker(), make_result()
    finish = FaultyTracker.finish_trial

    def finish_and_remove(self: FaultyTracker, *given: Any, **more: Any) -> None:
        finish(self, *given, **more)
        shutil.rmtree(spool)

    writer = started(tracker, spool)
    writer.start_trial(result.spec)
    if filed:
        monkeypatch.setattr(FaultyTracker, "finish_trial", finish_and_remove)
    tracker.gate.clear()
    writer.finish_trial(result, weights=WEIGHTS)
    if not filed:
        shutil.rmtree(spool)
    tracker.gate.set()
    told = writer.end("finished")
    lost = rf"CheckpointError: {re.escape(str(spool / result.key))}: not a whole result \(.*No such file or directory\)"
    assert [bool(re.fullmatch(lost, line)) for line in told] == ([] if filed else [True]), told
    assert not any(record.exc_info for record in caplog.records)


def test_what_the_tracker_does_not_take_while_it_is_away_is_filed_when_it_is_back(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0.01)
    tracker = FaultyTracker()
    writer = started(tracker, spool)
    tracker.away = True
    results = [make_result(seed=seed) for seed in (0, 1)]
    for result in results:
        run(writer, result)
    time.sleep(0.2)
    assert set(spooled(spool)) == {result.key for result in results}
    assert tracker.kept.runs == []

    tracker.away = False
    assert writer.end("finished") == []
    trials = [f"{call} {seed}" for seed in (0, 1) for call in ("start_trial", "finish_trial")]
    assert tracker.calls == ["start_sweep", *trials, "end_sweep finished"], (
        "each once, in order, epochs with the result"
    )
    assert [kept.epochs for kept in tracker.kept.runs] == [{1, 2, 3}] * 2
    assert files(spool) == []


def test_the_end_waits_only_so_long_for_a_tracker_that_is_away(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0.05)
    tracker = FaultyTracker()
    writer = ResultWriter(tracker, spool=spool, grace_seconds=0.3)
    writer.start(SWEEP, trials=[SWEEP.trial(point) for point in SWEEP.points()], command="")
    tracker.away = True
    results = [make_result(seed=seed) for seed in (0, 1, 2)]
    for result in results:
        run(writer, result)
    begun = time.monotonic()
    assert writer.end("finished") == [
        f"the tracker does not answer; results wait in {spool} and are filed when the same command is run again"
        " (TrackingError: start_trial: no server answers)"
    ]
    assert 0.25 < time.monotonic() - begun < 2
    assert set(spooled(spool)) == {result.key for result in results}

    tracker.away = False
    assert started(tracker, spool).end("finished") == []
    assert len(tracker.kept.runs) == 3
    assert files(spool) == []


def test_what_fails_at_a_server_that_answers_is_tried_twice(
    spool: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Once more, because a server that was away may answer by the time somebody looks."""
    refusals = [1, 2]

    def start_trial(self: FaultyTracker, spec: TrainSpec) -> None:
        self.calls.append("start_trial")
        if spec.seed == 0 or refusals.pop() == 2:
            raise TrackingError("refused")
        self.kept.start_trial(spec)

    monkeypatch.setattr(FaultyTracker, "start_trial", start_trial)
    tracker = FaultyTracker()
    writer = started(tracker, spool)
    writer.start_trial(make_result(seed=0).spec)
    writer.start_trial(make_result(seed=1).spec)
    assert writer.end("finished") == ["TrackingError: refused"]
    assert tracker.calls == ["start_sweep", *["start_trial"] * 5, "end_sweep finished"]
    assert caplog.messages == [], "it is told once, at the end, without a traceback"


def test_a_trial_that_another_sweep_trains_may_not_begin(spool: Path) -> None:
    memory, result = MemoryTracker(), make_result(seed=0)
    other = MemoryTracker(memory)
    other.start_sweep(SWEEP.model_copy(update={"name": "other"}), trials=[result.spec], command="")
    other.start_trial(result.spec)
    writer = started(memory, spool)
    assert not writer.start_trial(result.spec)
    other.finish_trial(result, weights={}, figures={})
    assert not writer.start_trial(result.spec)
    assert writer.start_trial(make_result(seed=1).spec)
    assert writer.end("finished") == []
    assert [run.sweep for run in memory.runs] == ["other", "seeds"]


@pytest.mark.parametrize("completed", [True, False])
def test_a_trial_that_began_while_the_tracker_was_away_is_leased_before_it_is_filed(
    completed: bool, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another sweep that came to the tracker has it by then: nothing of it is filed twice, and nothing is lost."""
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0.01)
    tracker = FaultyTracker()
    writer = started(tracker, spool)
    tracker.away = True
    result = make_result(seed=0)
    run(writer, result)
    other = MemoryTracker(tracker.kept)
    other.start_sweep(SWEEP.model_copy(update={"name": "other"}), trials=[result.spec], command="")
    other.start_trial(result.spec)
    if completed:
        other.finish_trial(result, weights={}, figures={})
    tracker.away = False
    problems = writer.end("finished")
    assert len(tracker.kept.runs) == 1
    if completed:
        assert problems == []
        assert files(spool) == []
        return
    assert problems == [f"LeaseTaken: trial {result.key} is being trained by sweep 'other' ({this_process()})"]
    assert set(spooled(spool)) == {result.key}
    other.finish_trial(result, weights={}, figures={})
    assert started(tracker, spool).end("finished") == []
    assert files(spool) == []
    assert len(tracker.kept.runs) == 1


def test_who_has_lost_its_lease_files_nothing_more(spool: Path) -> None:
    memory = MemoryTracker()
    writer = started(memory, spool)
    assert writer.start_trial(make_result(seed=0).spec)
    second = MemoryTracker(memory)
    second.start_sweep(SWEEP, trials=[], command="")
    run(writer, make_result(seed=0))
    assert not writer.start_trial(make_result(seed=1).spec)
    assert writer.end("finished") == [f"the lease of sweep 'seeds' is lost: {this_process()} runs it now"]
    assert [run.status for run in memory.runs] == [None]
    assert [submission.status for submission in memory.submissions] == ["interrupted", None]
    assert set(spooled(spool)) == {make_result(seed=0).key}


@pytest.mark.parametrize("times", [1, 2])
def test_a_thread_that_ends_early_is_replaced(
    times: int, spool: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever ended it is tried once more, and said where that is of no use; the other results are filed."""
    monkeypatch.setattr(threading, "excepthook", lambda *_: None)
    tracker, left = FaultyTracker(), [times]
    finish = tracker.finish_trial

    def dies(result: TrialResult, **words: Any) -> None:
        if result.spec.seed == 0 and left[0]:
            left[0] -= 1
            raise SystemExit
        finish(result, **words)

    monkeypatch.setattr(tracker, "finish_trial", dies)
    writer = started(tracker, spool)
    for seed in (0, 1):
        run(writer, make_result(seed=seed))
    problems = writer.end("finished")
    assert "the thread that files results ended early; another one goes on" in caplog.text
    assert tracker.kept.submissions[0].status == "finished"
    if times == 1:
        assert problems == []
        assert files(spool) == []
    else:
        assert problems == [f"the thread that files results ended twice at the same; it waits in {spool}"]
        assert set(spooled(spool)) == {make_result(seed=0).key}


def test_a_figure_that_cannot_be_drawn_is_a_problem_of_filing_alone(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(result: TrialResult) -> dict[str, bytes]:
        raise ZeroDivisionError("nothing to scale by")

    monkeypatch.setattr("resablate.figures.draw_all", draw)
    writer = started(MemoryTracker(), spool)
    for seed in range(2):
        run(writer, make_result(seed=seed, analyses={"lesion": make_lesion([0.1, 0.2], baseline=0.1)}))
    assert writer.end("finished") == ["ZeroDivisionError: nothing to scale by"]
    assert len(spooled(spool)) == 2
