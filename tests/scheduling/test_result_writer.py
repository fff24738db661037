"""ResultWriter: on disk first, to the tracker behind the trials' back, and never into their way."""

import errno
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

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
    tracker.gate.clear()
    result = make_result(seed=1)
    run(writer, result)  # returns although the tracker does not

    assert files(spool) == [f"{result.key}/{name}" for name in ("files.json", "result.json", "weights.safetensors")]
    assert spooled(spool)[result.key].to_json() == result.to_json()
    assert tracker.kept.runs == []

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
    trials = [
        call
        for seed in (2, 0, 1)
        for call in (f"start_trial {seed}", "log_epoch 1", "log_epoch 2", f"finish_trial {seed}")
    ]
    assert one_by_one(tracker.calls) == ["start_sweep", *trials, "end_sweep finished"]


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
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        run(writer, make_result())
        writer.end("finished")
    assert spooled(spool)

    assert started(memory, spool).end("finished") == []
    assert files(spool) == []
    assert len(memory.runs) == 1


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


def test_what_fails_at_a_server_that_answers_is_tried_twice(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert tracker.calls == ["start_sweep", *["start_trial"] * 4, "end_sweep finished"]


@pytest.mark.parametrize("broken", [(), ("keep_alive",)])
def test_the_tracker_hears_that_somebody_is_at_work_until_the_end(
    spool: Path, monkeypatch: pytest.MonkeyPatch, broken: tuple[str, ...]
) -> None:
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.01)
    tracker = FaultyTracker(*broken)
    writer = started(tracker, spool)
    deadline = time.monotonic() + 10
    while tracker.calls.count("keep_alive") < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert writer.end("finished") == []
    heard = tracker.calls.count("keep_alive")
    assert heard >= 3
    time.sleep(0.1)
    assert tracker.calls.count("keep_alive") <= heard + 1


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
