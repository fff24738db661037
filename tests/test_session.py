"""One lifecycle of trials: what a session tells its sink, and what it does when something fails."""

import errno
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from resablate.failures import DeviceLost
from resablate.lifecycle import run_session
from resablate.measurement import EpochMetrics
from resablate.plan import SweepPlan
from resablate.result import WEIGHTS_FILE, TrialResult, failed_result, weights_file
from resablate.session import EpochDone, Prune, PutOff, SessionPlace, TrialRequest, keep_all
from resablate.spec import TrainSpec
from resablate.storage.checkpoint_store import CheckpointStore
from resablate.training import load_weights
from resablate.trial import Trial, run_trial
from tests.scheduling.tiny import final_plan, numbers

MEMORY = torch.OutOfMemoryError("CUDA out of memory.")
FAULT = RuntimeError("CUDA error: device-side assert triggered\nand advice")


class RecordingSink:
    """Lists what it is told: `start`, `1`, `2`, ..., and how a trial ended, with its seed before it."""

    def __init__(self, *, full: bool = False, elsewhere: Collection[int] = ()) -> None:
        self.told: list[tuple[int, str]] = []
        self.weights: dict[str, dict[str, bytes]] = {}
        """By key."""
        self._full = full
        self._elsewhere = elsewhere
        """Seeds of trials that another sweep trains."""
        self._seeds: dict[str, int] = {}

    def start_trial(self, spec: TrainSpec) -> bool:
        self._seeds[spec.key] = spec.seed
        self.told.append((spec.seed, "start"))
        return spec.seed not in self._elsewhere

    def epoch(self, key: str, metrics: EpochMetrics) -> None:
        self.told.append((self._seeds[key], str(metrics.epoch)))

    def finish_trial(self, result: TrialResult, *, weights: Mapping[str, bytes]) -> TrialResult:
        filed = failed_result(result.spec, "disk full") if self._full else result
        self.told.append((result.spec.seed, filed.status))
        self.weights[result.key] = dict(weights)
        return filed

    def told_of(self, seed: int) -> list[str]:
        return [what for told, what in self.told if told == seed]


def make_plan(*, seeds: int = 1, epochs: int = 3, analyses: Mapping[str, Any] | None = None, **base: Any) -> SweepPlan:
    asked = {"path_count": {}} if analyses is None else analyses
    return final_plan({"seed": list(range(seeds))}, epochs=epochs, analyses=asked, **base)


@pytest.fixture
def place(tmp_path: Path) -> SessionPlace:
    return SessionPlace(torch.device("cpu"), tmp_path / "trials", None, CheckpointStore(""))


def requests(plan: SweepPlan) -> list[TrialRequest]:
    return [plan.request(spec) for spec in plan.trials]


def run(
    plan: SweepPlan, place: SessionPlace, sink: RecordingSink, *, prune: Prune = keep_all
) -> tuple[list[EpochDone], list[TrialResult]]:
    """Each trial by itself, one after the other."""
    events = [
        event for request in requests(plan) for event in run_session([request], place=place, sink=sink, prune=prune)
    ]
    epochs = [event for event in events if isinstance(event, EpochDone)]
    return epochs, [event for event in events if isinstance(event, TrialResult)]


def fail_in(monkeypatch: pytest.MonkeyPatch, error: Exception, *, times: int, seed: int = 0, epoch: int = 2) -> None:
    """Have this epoch of the trial with this seed fail so often."""
    run_epoch, left = Trial.run_epoch, [times]

    def run_or_fail(self: Trial) -> EpochMetrics:
        if (self.spec.seed, self.training.epoch + 1) == (seed, epoch) and left[0]:
            left[0] -= 1
            raise error
        return run_epoch(self)

    monkeypatch.setattr(Trial, "run_epoch", run_or_fail)


def files(place: SessionPlace) -> list[str]:
    return sorted(path.name for path in place.folder.rglob("*") if path.is_file())


def test_trials_run_one_after_the_other_and_everything_is_told(place: SessionPlace) -> None:
    plan, sink = make_plan(seeds=2), RecordingSink()
    epochs, results = run(plan, place, sink)
    one = ["start", "1", "2", "3", "finished"]
    assert sink.told == [(seed, what) for seed in (0, 1) for what in one]
    assert [(event.metrics.epoch, event.last) for event in epochs] == [(1, False), (2, False), (3, True)] * 2
    assert [event.key for event in epochs] == [spec.key for spec in plan.trials for _ in range(3)]
    undisturbed = [run_trial(spec, plan.questions(spec)) for spec in plan.trials]
    assert [numbers(result) for result in results] == [numbers(result) for result in undisturbed]
    assert files(place) == []


def test_memory_that_was_short_is_tried_once_more_from_the_checkpoint(
    place: SessionPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, sink = make_plan(), RecordingSink()
    with monkeypatch.context() as patch:
        fail_in(patch, MEMORY, times=1)
        epochs, [result] = run(plan, place, sink)
    assert sink.told_of(0) == ["start", "1", "1", "2", "3", "finished"], "the sink hears of the first epoch again"
    assert [event.metrics.epoch for event in epochs] == [1, 2, 3], "whoever runs the session does not"
    assert numbers(result) == numbers(run_trial(plan.trials[0], plan.questions(plan.trials[0])))


@pytest.mark.parametrize(
    ("error", "reason", "attempts"),
    [
        (MEMORY, "out of GPU memory: OutOfMemoryError: CUDA out of memory.", 2),
        (ValueError("a bug\nin two lines"), "ValueError: a bug", 1),
        (OSError(errno.ENOSPC, "No space left"), "disk full: OSError: [Errno 28] No space left", 1),
    ],
)
def test_a_failure_is_filed_and_the_next_trial_runs(
    place: SessionPlace, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str, attempts: int
) -> None:
    plan, sink = make_plan(seeds=2), RecordingSink()
    fail_in(monkeypatch, error, times=9)
    _, (failed, finished) = run(plan, place, sink)
    assert (failed.status, failed.reason) == ("failed", reason)
    assert finished.status == "finished"
    assert sink.told_of(0) == ["start", *["1"] * attempts, "failed"]
    assert sink.weights[failed.key] == {}
    assert files(place) == ["checkpoint-000001.safetensors"], "what it continues from if it is tried again"


def test_weights_that_cannot_be_read_back_fail_the_trial(place: SessionPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk may fail at the end as well: that ends no session."""
    plan, sink, finish = make_plan(seeds=2), RecordingSink(), Trial.finish

    def lose(self: Trial) -> TrialResult:
        result = finish(self)
        assert self.folder is not None
        if self.spec.seed == 0:
            (self.folder / WEIGHTS_FILE).unlink()
        return result

    monkeypatch.setattr(Trial, "finish", lose)
    _, results = run(plan, place, sink)
    assert [result.status for result in results] == ["failed", "finished"]
    place_of = place.folder / results[0].key / WEIGHTS_FILE
    assert results[0].reason == f"FilesLost: {place_of}: lost while its trial ran (No such file or directory)"
    assert sink.told_of(0) == ["start", "1", "2", "3", "1", "2", "3", "failed"], "tried once more"


@pytest.mark.parametrize("seeds", [1, 2], ids=["alone", "packed"])
def test_a_folder_that_is_removed_in_the_middle_costs_time_alone(
    place: SessionPlace, seeds: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With answers and weights of an epoch that is over: nobody can measure them again but who trains again."""
    plan, sink = (
        make_plan(seeds=seeds, analyses={"norm_preservation": {"examples": 32, "epochs": [1]}}),
        RecordingSink(),
    )
    session = run_session(requests(plan), place=place, sink=sink)
    begun = [next(session) for _ in range(2 * seeds)]
    shutil.rmtree(place.folder)
    results = [event for event in [*begun, *session] if isinstance(event, TrialResult)]
    alone = [run_trial(spec, plan.questions(spec), folder=tmp_path / spec.key) for spec in plan.trials]
    assert [numbers(result) for result in results] == [numbers(result) for result in alone]
    assert all(set(weights) == {weights_file(1), WEIGHTS_FILE} for weights in sink.weights.values())
    assert files(place) == []
    told = [record.getMessage() for record in caplog.records]
    lost = f"FilesLost: {place.folder / results[0].key / weights_file(1)}: lost while its trial ran (No such file or"
    assert lost in told[0]
    assert told[0].endswith("it is tried once more" if seeds == 1 else "its 2 trials go on one by one")
    assert not any(record.exc_info for record in caplog.records), "a line says all there is to say"


@pytest.mark.parametrize("shortcut", ["identity", "dropout"])
def test_epochs_from_before_an_interruption_are_told_again(place: SessionPlace, shortcut: str) -> None:
    """The sink may have missed them, and the numbers are those of an undisturbed trial."""
    plan = make_plan(shortcut=shortcut, analyses={"norm_preservation": {"examples": 32, "epochs": [0, 1]}})
    session = run_session(requests(plan), place=place, sink=RecordingSink())
    next(session)
    next(session)
    del session  # as if killed after its second epoch
    sink = RecordingSink()
    epochs, [result] = run(plan, place, sink)
    assert sink.told_of(0) == ["start", "1", "2", "3", "finished"]
    assert [event.metrics.epoch for event in epochs] == [3]
    expected = run_trial(plan.trials[0], plan.questions(plan.trials[0]), folder=place.folder / "undisturbed")
    assert numbers(result) == numbers(expected)
    assert set(sink.weights[result.key]) == {weights_file(1), WEIGHTS_FILE}


def test_a_lost_gpu_ends_the_session_and_another_process_continues(
    place: SessionPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, sink = make_plan(seeds=2), RecordingSink()
    with monkeypatch.context() as patch:
        fail_in(patch, FAULT, times=1)
        with pytest.raises(DeviceLost, match=f"during trial {plan.trials[0].key}, .*CUDA error: device-side assert"):
            run(plan, place, sink)
    assert sink.told == [(0, "start"), (0, "1")], "nothing is filed of it, and no other trial is begun"
    again = RecordingSink()
    epochs, results = run(plan, place, again)
    assert [event.metrics.epoch for event in epochs] == [2, 3, 1, 2, 3]
    assert [result.status for result in results] == ["finished"] * 2


def test_a_question_that_finds_the_gpu_lost_ends_the_session_too(
    place: SessionPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no answer, so it is asked again elsewhere."""
    plan, sink = make_plan(), RecordingSink()

    def lose(*args: object, **told: object) -> None:
        raise FAULT

    with monkeypatch.context() as patch:
        patch.setattr("resablate.dissection._answer", lose)
        with pytest.raises(DeviceLost):
            run(plan, place, sink)
    assert sink.told_of(0) == ["start", "1", "2", "3"]
    epochs, [result] = run(plan, place, RecordingSink())
    assert (epochs, result.status, set(result.analyses)) == ([], "finished", {"test", "path_count"})


def test_weights_of_the_epochs_that_are_asked_about_go_to_the_sink(place: SessionPlace, tmp_path: Path) -> None:
    plan = make_plan(analyses={"norm_preservation": {"examples": 32, "epochs": [0, 1, 3]}})
    [spec], sink = plan.trials, RecordingSink()
    _, [result] = run(plan, place, sink)
    assert result.kept_epochs == (1, 3), "the network before its first step is built anew"
    weights = sink.weights[result.key]
    assert set(weights) == {weights_file(1), weights_file(3), WEIGHTS_FILE}
    trial = Trial(spec)
    for epoch in (1, None):
        (tmp_path / "w").write_bytes(weights[weights_file(epoch)])
        load_weights(tmp_path / "w", trial.network)
        [question] = [q for q in plan.questions(spec) if q.epoch == epoch and q.analysis.name != "test"]
        [answer] = trial.ask([question]).done
        assert answer in result.measurements, "bit for bit what was measured of them"


def test_a_result_that_was_not_taken_keeps_its_folder(place: SessionPlace) -> None:
    plan = make_plan()
    _, [filed] = run(plan, place, RecordingSink(full=True))
    assert (filed.status, filed.reason) == ("failed", "disk full")
    assert "checkpoint-000003.safetensors" in files(place)
    epochs, [result] = run(plan, place, RecordingSink())
    assert (epochs, result.status) == ([], "finished"), "nothing is trained again"


def test_a_question_after_a_divergence_is_told_to_have_no_answer(place: SessionPlace) -> None:
    asked = {"norm_preservation": {"examples": 32, "epochs": [0, 5]}}
    plan = make_plan(epochs=6, analyses=asked, learning_rate=1e9, schedule="constant")
    _, [result] = run(plan, place, RecordingSink())
    last = len(result.history)
    assert (result.status, set(result.analyses_by_epoch)) == ("diverged", {0})
    assert set(result.analysis_errors.values()) == {f"the training diverged in epoch {last}"}
    assert len(result.analysis_errors) == len(plan.questions(plan.trials[0])) - 1


def test_a_question_that_comes_after_its_epoch_is_over_stays_to_be_asked(place: SessionPlace) -> None:
    """The sweep was changed while a trial was interrupted: its network can answer, so this is no failure."""
    before = make_plan(analyses={})
    session = run_session(requests(before), place=place, sink=RecordingSink())
    next(session)
    del session
    now = make_plan(analyses={"norm_preservation": {"examples": 32, "epochs": [1, 2]}})
    _, [result] = run(now, place, RecordingSink())
    assert (result.status, result.kept_epochs) == ("finished", (2,))
    assert not result.failed_measurements
    [missing] = [q for q in now.questions(now.trials[0]) if q.id not in result.measured]
    assert missing.epoch == 1


def test_a_folder_that_cannot_be_made_is_the_reason(place: SessionPlace) -> None:
    place.folder.write_text("in the way")
    _, [result] = run(make_plan(), place, RecordingSink())
    assert result.status == "failed"
    assert "Error: [Errno" in result.reason


def test_other_data_than_the_key_names_are_refused(place: SessionPlace) -> None:
    plan = make_plan()
    [spec] = plan.trials
    other = spec.dataset.identity[:-4] + "0000"
    request = plan.request(spec.replace(dataset=type(spec.dataset)("digits", spec.dataset.arguments, {}, other)))
    [result] = run_session([request], place=place, sink=RecordingSink())
    assert isinstance(result, TrialResult)
    assert result.status == "failed"
    assert "digits: the data found have the fingerprint" in result.reason


def test_a_trial_that_is_pruned_leaves_and_the_others_go_on(place: SessionPlace) -> None:
    plan, sink = make_plan(seeds=3), RecordingSink()
    asked: list[tuple[str, int]] = []
    first, second, third = plan.trials

    def prune(key: str, metrics: EpochMetrics) -> str:
        asked.append((key, metrics.epoch))
        return "pruned by a test" if (key, metrics.epoch) == (second.key, 2) else ""

    _, filed = run(plan, place, sink, prune=prune)
    results = {result.key: result for result in filed}
    assert sink.told_of(1) == ["start", "1", "2", "pruned"]
    pruned = results[second.key]
    assert (pruned.status, pruned.reason, len(pruned.history)) == ("pruned", "pruned by a test", 2)
    assert pruned.parameter_count == results[first.key].parameter_count
    assert (pruned.measurements, sink.weights[second.key]) == ((), {})
    assert sorted(asked) == sorted([(spec.key, n) for spec in plan.trials for n in (1, 2)]), "the last is not asked of"
    undisturbed = [run_trial(spec, plan.questions(spec)) for spec in (first, third)]
    assert [numbers(results[spec.key]) for spec in (first, third)] == [numbers(result) for result in undisturbed]
    assert files(place) == []


def test_trials_of_a_pack_that_another_sweep_trains_are_left_alone(place: SessionPlace) -> None:
    plan, sink = make_plan(seeds=3), RecordingSink(elsewhere=[1])
    events = list(run_session(requests(plan), place=place, sink=sink))
    assert [event.spec.seed for event in events if isinstance(event, PutOff)] == [1]
    assert sorted(event.spec.seed for event in events if isinstance(event, TrialResult)) == [0, 2]
    assert sink.told_of(1) == ["start"]
    assert list(run_session([plan.request(plan.trials[1])], place=place, sink=sink)) == [PutOff(plan.trials[1])]
    assert not (place.folder / plan.trials[1].key).exists()
