"""The progress display: counts, lines, and the time left."""

import io
import math
import re
import time
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from resablate.scheduling import clock
from resablate.scheduling.pending import PendingTrials
from resablate.scheduling.progress import SweepProgress
from resablate.spec import TrainSpec
from tests.factories import make_result

SPECS = [TrainSpec(seed=seed, epochs=3) for seed in range(3)]
KEYS = [spec.key for spec in SPECS]


class Watch:
    """The clock of `time.monotonic`, set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    monkeypatch.setattr(time, "monotonic", watch)
    return watch


def make_progress(text: io.StringIO, *, work: list[float] | None = None, terminal: bool = False) -> SweepProgress:
    console = Console(file=text, width=200, force_terminal=terminal)
    weights = dict(zip(KEYS, work or [1.0, 1.0, 2.0], strict=True))
    return SweepProgress(SPECS, label=TrainSpec.label, work=lambda spec: weights[spec.key], console=console)


def test_a_line_for_each_trial_that_ended_where_there_is_no_terminal(watch: Watch) -> None:
    text = io.StringIO()
    with make_progress(text) as progress:
        progress.started(SPECS[0])
        for epoch in (1, 2, 3):
            progress.epoch(KEYS[0], epoch, 0.5)
        assert text.getvalue() == "", "epochs are shown on a terminal only"
        watch.now += 30
        progress.ended_with(make_result(seed=0, epochs=3, error=0.1234))
        progress.ended(KEYS[1], status="failed", test_error=math.nan, reason="DatasetError: no [such] file")
    assert text.getvalue().splitlines() == [
        f"[1/3] {SPECS[0].label()}: finished, test error 12.34 %; best val 50.00 %; 30 s so far, about 2 min 00 s left",
        f"[2/3] {SPECS[1].label()}: failed, DatasetError: no [such] file; 1 failed, best val 50.00 %;"
        " 30 s so far, about 34 s left",
    ]
    assert "\x1b" not in text.getvalue()


def test_a_log_has_a_line_now_and_then_while_no_trial_ends(watch: Watch) -> None:
    text = io.StringIO()
    with make_progress(text) as progress:
        progress.started(*SPECS)
        for epoch in (1, 2, 3):
            watch.now += 100
            for key in KEYS:
                progress.epoch(key, epoch, None)
    assert text.getvalue().splitlines() == [
        "0/3 done, 3 running in 1 pack; 3 min 20 s so far, about 4 min 35 s left"
        f"  {SPECS[0].label()} 2/3 | {SPECS[1].label()} 1/3 | {SPECS[2].label()} 1/3"
    ]


def test_counts_and_how_the_sweep_stands() -> None:
    progress = make_progress(io.StringIO())
    assert progress.sweep_status() == "interrupted"
    for key, status in zip(KEYS, ("finished", "diverged", "finished"), strict=True):
        progress.ended(key, status=status, test_error=0.1, reason="")
    assert progress.counts == {"finished": 2, "diverged": 1}
    assert progress.sweep_status() == "finished"

    progress = make_progress(io.StringIO())
    for key, status in zip(KEYS, ("finished", "failed", "finished"), strict=True):
        progress.ended(key, status=status, test_error=0.1, reason="")
    assert progress.sweep_status() == "failed"


def test_the_time_left_is_the_time_since_the_first_epoch_scaled_by_the_work_left(watch: Watch) -> None:
    text = io.StringIO()
    with make_progress(text, work=[1.0, 1.0, 8.0]) as progress:
        progress.started(SPECS[0])
        progress.started(SPECS[2])
        watch.now += 20  # processes start
        progress.epoch(KEYS[2], 1, 0.5)  # one of its 3 epochs, the end counting as a fourth: 2 of all 10
        watch.now += 50
        progress.epoch(KEYS[2], 2, 0.5)  # 4 of all 10
        progress.ended(KEYS[0], status="finished", test_error=0.1, reason="")  # half is done, 3 of 10 in 50 s
    assert "1 min 10 s so far, about 1 min 23 s left" in text.getvalue()


def test_a_terminal_sees_the_running_trials(watch: Watch) -> None:
    text = io.StringIO()
    with make_progress(text, terminal=True) as progress:
        progress.started(SPECS[0])
        progress.epoch(KEYS[0], 2, 0.125)
        progress.ended(KEYS[1], status="failed", test_error=math.nan, reason="no reason given")
    drawn = text.getvalue()
    assert "1/3 done, 1 running, 1 failed; " in drawn
    assert f"{SPECS[0].label()} 2/3 val 12.5 %" in drawn


def test_what_holds_no_images_out_has_no_validation_error_to_show(watch: Watch) -> None:
    text = io.StringIO()
    with make_progress(text, terminal=True) as progress:
        progress.started(SPECS[0])
        progress.epoch(KEYS[0], 2, None)
        progress.ended(KEYS[1], status="finished", test_error=0.1, reason="")
    drawn = text.getvalue()
    assert f"{SPECS[0].label()} 2/3" in drawn
    assert "val" not in drawn


def test_a_terminal_sees_the_best_of_what_has_ended(watch: Watch) -> None:
    text = io.StringIO()
    with make_progress(text, terminal=True) as progress:
        for spec, val_error in zip(SPECS, (0.125, 0.25, 0.0625), strict=True):
            progress.started(spec)
            progress.epoch(spec.key, 3, val_error)
        progress.ended(KEYS[0], status="finished", test_error=0.1, reason="")
        progress.ended(KEYS[1], status="finished", test_error=0.1, reason="")
    assert "2/3 done, 1 running, best val 12.50 %; " in text.getvalue(), "what still trains is no outcome"


def test_questions_without_an_answer_are_kept_for_the_end() -> None:
    progress = make_progress(io.StringIO())
    failed = make_result(seed=0, epochs=3, analysis_errors={"lesion": "RuntimeError: no memory"})
    progress.ended_with(failed)
    assert progress.unanswered == [f"{SPECS[0].label()}: lesion: RuntimeError: no memory"]
    assert progress.counts == {"finished": 1}, "the trial's other numbers stand"


def test_a_trial_that_a_search_proposes_is_known_when_it_starts() -> None:
    text = io.StringIO()
    console = Console(file=text, width=200)
    progress = SweepProgress([], label=TrainSpec.label, work=lambda spec: 1.0, console=console, total=lambda: 3)
    for spec in SPECS[:2]:
        progress.started(spec)
        progress.ended(spec.key, status="finished", test_error=0.1, reason="")
    assert "[2/3]" in text.getvalue()
    assert progress.sweep_status() == "interrupted"


def test_a_sweep_without_work_has_no_time_left_to_tell() -> None:
    with SweepProgress(
        [], label=TrainSpec.label, work=lambda spec: 1.0, console=Console(file=io.StringIO())
    ) as progress:
        assert progress.sweep_status() == "finished"


def seconds_of_events(count: int, *, terminal: bool) -> float:
    """Processor time of the first thousand trials of so many, each with its start, an epoch and its end."""
    specs: list[Any] = [SimpleNamespace(key=str(number), epochs=2) for number in range(count)]
    pending = PendingTrials(listed=tuple(specs), search=None, before={}, limit=count - 1)
    progress = SweepProgress(
        specs,
        label=lambda spec: spec.key,
        work=lambda spec: 1.0,
        console=Console(file=io.StringIO(), width=200, force_terminal=terminal),
        total=lambda: pending.scheduled,
    )
    begun = time.process_time()
    for spec in specs[:1000]:
        progress.started(spec)
        progress.epoch(spec.key, 1, 0.5)
        progress.ended(spec.key, status="finished", test_error=0.1, reason="")
    return time.process_time() - begun


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.slow
def test_an_event_takes_no_longer_with_a_hundred_times_the_trials(terminal: bool) -> None:
    """Ten times leave room for caches and a busy machine; a look at every trial would make it a hundred and more."""
    few = min(seconds_of_events(1001, terminal=terminal) for _ in range(3))
    many = min(seconds_of_events(100_000, terminal=terminal) for _ in range(3))
    assert many < 10 * few
    assert many / 3000 < 0.01, "seconds of an event"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.7, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (360_000, "100 h 00 min"),
    ],
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_the_time_left_has_the_spread_of_the_trials_pace(watch: Watch) -> None:
    specs = [TrainSpec(seed=seed, epochs=1) for seed in range(5)]
    text = io.StringIO()
    console = Console(file=text, width=200)
    with SweepProgress(specs, label=TrainSpec.label, work=lambda spec: 1.0, console=console) as progress:
        for spec, seconds in zip(specs, (8, 10, 12), strict=False):
            progress.started(spec)
            watch.now += seconds
            progress.epoch(spec.key, 1, 0.5)
            progress.ended_with(make_result(seed=spec.seed, epochs=1))
    *_, second, third = text.getvalue().splitlines()
    assert second.endswith("left"), "two trials say little of the spread"
    # Two standard errors of 8, 10 and 12 s are 2 * 2 / sqrt(3) = 2.31 s of 10: 23 % of what is left.
    left = re.search(r"about (\d+) s left \((\d+) s to (\d+) s\)", third)
    assert left
    middle, low, high = map(int, left.groups())
    assert (low, high) == (pytest.approx(0.769 * middle, abs=1), pytest.approx(1.231 * middle, abs=1))


def test_a_notebook_has_a_bar() -> None:
    progress = SweepProgress(
        SPECS, label=TrainSpec.label, work=lambda spec: 1.0, console=Console(file=io.StringIO(), force_jupyter=True)
    )
    assert not progress._bar.disable  # pyright: ignore[reportPrivateUsage]
