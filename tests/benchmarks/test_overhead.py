"""What the comparison of sweeps makes of its clocks; the sweeps themselves take minutes."""

import time
from pathlib import Path

import pytest

from resablate.scheduling.progress import SweepProgress
from tests.benchmarks import overhead
from tests.benchmarks.overhead import Figure, Spent


def test_time_outside_training_is_what_the_slots_do_not_train() -> None:
    spent = Spent(wall=10, training=8, trials=4)
    assert spent.outside == (10 - 8 / 2) / 4
    assert spent + spent == Spent(20, 16, 8)


def test_both_sides_train_the_same_trials() -> None:
    assert [spec.seed for spec in overhead.specs(range(3))] == [0, 1, 2]
    assert {spec.epochs for spec in overhead.specs(range(3))} == {5}


def test_pace_and_memory_come_from_early_and_late_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial takes 1 s at first and 3 s afterwards; memory doubles at the end."""
    now, count = [0.0], [0]

    def run(seeds: range, *, name: str, uri: str) -> Spent:
        progress = SweepProgress.__new__(SweepProgress)
        for seed in seeds:
            now[0] += 1 if seed - seeds[0] < 25 else 3
            count[0] += 1
            SweepProgress.ended(progress, str(seed), status="finished", test_error=0.0, reason="")
        return Spent(now[0], 0, len(seeds))

    monkeypatch.setattr(SweepProgress, "ended", lambda self, key, **about: None)
    monkeypatch.setattr(overhead, "ours", run)
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(overhead, "resident_mib", lambda: 200.0 if count[0] == 40 else 100.0)
    memory, pace = overhead.many(40, uri="")
    assert (memory.value, memory.holds) == (2, False)
    assert (pace.value, pace.holds) == (3, False)


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [Figure("a ratio", 12.3456, "times", 10, at_least=True), Figure("a time", 0.4, "s", 0.3)]
    monkeypatch.setattr(overhead, "rows", lambda trials, many: made)
    assert overhead.main([], folder=tmp_path) == made
    page = (tmp_path / "overhead.md").read_text()
    assert "| a ratio | 12.3 times | at least 10 | kept |" in page
    assert "| a time | 0.4 s | at most 0.3 | **not kept** |" in page
