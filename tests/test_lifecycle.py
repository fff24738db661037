"""A session whose trials train as a pack: what it tells, who leaves it, and what it does when something fails."""

from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path
from statistics import mean, variance
from typing import Any

import pytest
import torch

from resablate.failures import DeviceLost
from resablate.lifecycle import run_session
from resablate.measurement import EpochMetrics
from resablate.plan import SweepPlan
from resablate.result import WEIGHTS_FILE, TrialResult, weights_file
from resablate.session import EpochDone, Prune, SessionPlace, keep_all
from resablate.storage.checkpoint_store import CheckpointStore
from resablate.training import Pack
from resablate.trial import Trial, run_trial
from tests.scheduling.tiny import numbers
from tests.test_session import FAULT, MEMORY, RecordingSink, files, make_plan, requests

CLOSE = 1e-2
"""Of losses after a few epochs in single precision: a network amplifies the rounding of its first step."""


@pytest.fixture
def place(tmp_path: Path) -> SessionPlace:
    return SessionPlace(torch.device("cpu"), tmp_path / "trials", None, CheckpointStore(""))


def run(
    plan: SweepPlan, place: SessionPlace, sink: RecordingSink, *, prune: Prune = keep_all
) -> tuple[list[EpochDone], dict[int, TrialResult]]:
    """Epochs as they were told, and seed -> result."""
    events = list(run_session(requests(plan), place=place, sink=sink, prune=prune))
    epochs = [event for event in events if isinstance(event, EpochDone)]
    return epochs, {event.spec.seed: event for event in events if isinstance(event, TrialResult)}


def pack_sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the packs whose epochs begin, as they do."""
    sizes: list[int] = []
    run_epoch = Pack.run_epoch

    def counted(self: Pack) -> list[EpochMetrics]:
        sizes.append(len(self.trainings))
        return run_epoch(self)

    monkeypatch.setattr(Pack, "run_epoch", counted)
    return sizes


def fail_in_packs(
    monkeypatch: pytest.MonkeyPatch, error: Exception, *, size: int, epoch: int = 2, times: int = 1
) -> None:
    """Have this epoch of a pack of so many fail so often."""
    run_steps, left = Pack.run_steps, [times]

    def run_or_fail(self: Pack, plans: Sequence[Any]) -> None:
        if len(self.trainings) == size and self.trainings[0].epoch + 1 == epoch and left[0]:
            left[0] -= 1
            raise error
        run_steps(self, plans)

    monkeypatch.setattr(Pack, "run_steps", run_or_fail)


def assert_close(results: Mapping[int, TrialResult], plan: SweepPlan) -> None:
    """Each trial has the history that it has alone, but for rounding, and the same questions are answered."""
    for spec in plan.trials:
        alone, result = run_trial(spec, plan.questions(spec)), results[spec.seed]
        assert (result.status, result.measured) == (alone.status, alone.measured)
        assert [row.epoch for row in result.history] == [row.epoch for row in alone.history]
        for ours, theirs in zip(result.history, alone.history, strict=True):
            assert ours.train_loss == pytest.approx(theirs.train_loss, rel=CLOSE)
            assert ours.learning_rate == theirs.learning_rate


def test_trials_train_as_one_and_everything_is_told(place: SessionPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = pack_sizes(monkeypatch)
    plan = make_plan(seeds=3, analyses={"norm_preservation": {"examples": 32, "epochs": [0, 1]}})
    sink = RecordingSink()
    epochs, results = run(plan, place, sink)
    assert sizes == [3, 3, 3]
    assert [(event.metrics.epoch, event.last) for event in epochs] == [
        (1, False), (1, False), (1, False), (2, False), (2, False), (2, False), (3, True), (3, True), (3, True),
    ]  # fmt: skip
    assert [event.key for event in epochs] == [spec.key for spec in plan.trials] * 3
    assert [sink.told_of(seed) for seed in range(3)] == [["start", "1", "2", "3", "finished"]] * 3
    assert_close(results, plan)
    assert all(result.pack_size == 3 for result in results.values())
    assert all(set(weights) == {weights_file(1), WEIGHTS_FILE} for weights in sink.weights.values())
    assert files(place) == []


@pytest.mark.slow
def test_packed_trainings_end_with_the_errors_of_trainings_alone(place: SessionPlace, tmp_path: Path) -> None:
    """Their means differ by no more than means of unrelated seeds do.

    Rounding, which a network amplifies, makes a packed training at most one of another seed. Then the difference of
    two means of 8, in its standard errors, is Student's t with 14 degrees of freedom, beyond 4 once in 750 times.
    """
    plan = make_plan(seeds=8, epochs=6, width=8, analyses={}, fields={"dataset.train_examples": None})
    _, packed = run(plan, place, RecordingSink())
    elsewhere = SessionPlace(place.device, tmp_path / "alone", None, place.store)
    alone = {
        event.spec.seed: event
        for request in requests(plan)
        for event in run_session([request], place=elsewhere, sink=RecordingSink())
        if isinstance(event, TrialResult)
    }
    assert {result.pack_size for result in packed.values()} == {8}
    assert {result.pack_size for result in alone.values()} == {1}
    assert mean(result.test_error for result in packed.values()) < 0.1, "of ten classes"
    for number in (lambda r: r.test_error, lambda r: r.history[-1].val_error, lambda r: r.history[-1].train_loss):
        ours, theirs = ([number(results[seed]) for seed in range(8)] for results in (packed, alone))
        assert abs(mean(ours) - mean(theirs)) <= 4 * sqrt((variance(ours) + variance(theirs)) / 8)


def test_one_that_is_pruned_leaves_and_the_others_go_on(place: SessionPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = pack_sizes(monkeypatch)
    plan, sink = make_plan(seeds=3), RecordingSink()

    def prune(key: str, metrics: EpochMetrics) -> str:
        return "pruned by a test" if (key, metrics.epoch) == (plan.trials[1].key, 1) else ""

    _, results = run(plan, place, sink, prune=prune)
    assert sizes == [3, 2, 2]
    assert sink.told_of(1) == ["start", "1", "pruned"]
    assert (results[1].status, results[1].reason, results[1].pack_size) == ("pruned", "pruned by a test", 3)
    assert [results[seed].status for seed in (0, 2)] == ["finished"] * 2
    assert [results[seed].pack_size for seed in (0, 2)] == [3, 3]
    assert files(place) == []


def test_one_that_diverges_leaves_and_the_others_go_on(place: SessionPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = pack_sizes(monkeypatch)
    plan = make_plan(seeds=2)
    [calm, _], [wild] = plan.trials, make_plan(learning_rate=1e30).trials
    events = list(
        run_session([plan.request(calm), plan.request(wild)], place=place, sink=RecordingSink(), prune=keep_all)
    )
    results = {event.key: event for event in events if isinstance(event, TrialResult)}
    assert (results[wild.key].status, len(results[wild.key].history)) == ("diverged", 1)
    assert "loss" in results[wild.key].reason
    assert (results[calm.key].status, len(results[calm.key].history)) == ("finished", 3)
    assert sizes == [2], "the last one goes on as if there were no packs"
    assert results[calm.key].pack_size == 2, "its numbers are those of a pack"


def test_an_interrupted_pack_of_one_grouping_continues_bit_for_bit(place: SessionPlace, tmp_path: Path) -> None:
    plan = make_plan(seeds=2, shortcut="dropout", augmentation="crop_flip")
    elsewhere = SessionPlace(place.device, tmp_path / "undisturbed", None, place.store)
    _, undisturbed = run(plan, elsewhere, RecordingSink())
    session = run_session(requests(plan), place=place, sink=RecordingSink())
    for _ in range(3):
        next(session)
    del session  # as if killed after its second epoch
    epochs, results = run(plan, place, RecordingSink())
    assert [event.metrics.epoch for event in epochs] == [3, 3]
    assert [numbers(results[seed]) for seed in (0, 1)] == [numbers(undisturbed[seed]) for seed in (0, 1)]


def test_members_go_on_in_another_grouping(place: SessionPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """One trained alone, one in a pack of two, one not at all."""
    plan = make_plan(seeds=3)
    first, second, third = requests(plan)
    for beginning, events in (([first], 2), ([second, third], 2)):
        session = run_session(beginning, place=place, sink=RecordingSink())
        for _ in range(events):
            next(session)
        del session
    (place.folder / third.spec.key / "checkpoint-000001.safetensors").unlink()
    sizes, sink = pack_sizes(monkeypatch), RecordingSink()
    _, results = run(plan, place, sink)
    assert sizes == [3, 2], "the first has one epoch left, the second two, the third three"
    assert [len(sink.told_of(seed)) for seed in range(3)] == [5, 5, 5]
    assert_close(results, plan)
    assert [results[seed].pack_size for seed in range(3)] == [3, 3, 3]


def test_one_that_goes_on_alone_after_an_interruption_knows_that_it_was_in_a_pack(place: SessionPlace) -> None:
    plan = make_plan(seeds=2)
    session = run_session(requests(plan), place=place, sink=RecordingSink())
    for _ in range(2):
        next(session)
    del session  # as if killed after its first epoch
    *_, ended = run_session(requests(plan)[1:], place=place, sink=RecordingSink())
    assert isinstance(ended, TrialResult)
    assert ended.pack_size == 2


def test_memory_that_is_short_halves_the_pack(
    place: SessionPlace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plan, sink = make_plan(seeds=5), RecordingSink()
    fail_in_packs(monkeypatch, MEMORY, size=5)
    sizes = pack_sizes(monkeypatch)
    epochs, results = run(plan, place, sink)
    assert sizes == [5, 5, 3, 3, 2, 2], "nothing that was trained is trained again"
    assert [(record.levelname, record.getMessage(), record.exc_info) for record in caplog.records] == [
        (
            "WARNING",
            "a pack failed: out of GPU memory: OutOfMemoryError: CUDA out of memory.; its 5 trials go on in packs of 3",
            None,
        )
    ]
    assert sorted(event.metrics.epoch for event in epochs) == [1] * 5 + [2] * 5 + [3] * 5
    assert sink.told_of(4) == ["start", "1", "1", "2", "3", "finished"], "the sink hears of the first epoch again"
    assert_close(results, plan)


def test_what_one_member_does_wrong_fails_it_alone(
    place: SessionPlace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plan, sink, after_epoch = make_plan(seeds=3), RecordingSink(), Trial.after_epoch

    def break_one(self: Trial) -> None:
        if self.spec.seed == 1:
            raise ValueError("a bug")
        after_epoch(self)

    monkeypatch.setattr(Trial, "after_epoch", break_one)
    _, results = run(plan, place, sink)
    assert {seed: result.status for seed, result in results.items()} == {0: "finished", 1: "failed", 2: "finished"}
    assert results[1].reason == "ValueError: a bug"
    assert "its 3 trials go on one by one" in caplog.text
    assert sink.told_of(1) == ["start", "failed"]


def test_a_lost_gpu_ends_the_session(place: SessionPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, sink = make_plan(seeds=2), RecordingSink()
    with monkeypatch.context() as patch:
        fail_in_packs(patch, FAULT, size=2)
        with pytest.raises(DeviceLost, match="during a pack of 2, trials"):
            run(plan, place, sink)
    assert sink.told == [(0, "start"), (1, "start"), (0, "1"), (1, "1")]
    _, results = run(plan, place, RecordingSink())
    assert [result.status for result in results.values()] == ["finished"] * 2


def test_what_cannot_be_packed_runs_one_by_one_and_says_why(
    place: SessionPlace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sizes = pack_sizes(monkeypatch)
    plan, sink = make_plan(seeds=2, block_sampling="stochastic_depth"), RecordingSink()
    _, results = run(plan, place, sink)
    assert sizes == []
    assert "they cannot be packed: block_sampling stochastic_depth: each member leaves out blocks" in caplog.text
    assert sink.told == [(seed, what) for seed in (0, 1) for what in ("start", "1", "2", "3", "finished")]
    undisturbed = [run_trial(spec, plan.questions(spec)) for spec in plan.trials]
    assert [numbers(result) for result in results.values()] == [numbers(result) for result in undisturbed]


def test_the_epochs_of_a_pack_share_its_time(place: SessionPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the seconds of all trials sum to those of the machine."""
    plan = make_plan(seeds=2, epochs=1)
    _, results = run(plan, place, RecordingSink())
    seconds = [result.history[0].wall_seconds for result in results.values()]
    assert seconds[0] == seconds[1] > 0
