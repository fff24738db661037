"""The comparisons run, on networks too small to be worth timing."""

import pytest

from tests.benchmarks import lesions
from tests.benchmarks.measuring import Row, interleaved


def test_ratios_are_those_of_the_least_times() -> None:
    calls: list[str] = []
    times = interleaved(lambda: calls.append("a"), lambda: calls.append("b"), rounds=4)
    assert calls == ["a", "b"] * 4
    assert all(0 <= seconds < 1 for seconds in times)
    assert Row("x", "y", baseline_seconds=6, ours_seconds=2, asked=2).ratio == 3


def test_single_lesions_compare_equal_numbers() -> None:
    """The function itself asserts that bits are equal."""
    exact, folded = lesions.single_lesions(depth=8, exact=1, folded=1)
    assert (exact.what, folded.what) == (
        "3 single lesions, ResNet-8, batch 128, exact (equal bit for bit)",
        "3 single lesions, ResNet-8, batch 128, folded (logits equal to 0.0001 of the largest)",
    )
    assert min(exact.ratio, folded.ratio) > 0


def test_nested_sets_are_scaled_from_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lesions, "SUBSETS", 4)
    monkeypatch.setattr(lesions, "SIZES", 2)
    monkeypatch.setattr(lesions, "SETS_BATCH", 1)
    monkeypatch.setattr(lesions, "interleaved", lambda *functions: [function() and 1.0 for function in functions])
    row = lesions.nested_sets()
    assert row.what.startswith("8 nested sets of 1 to 2 of 54 blocks")
    assert row.baseline.startswith("one full evaluation per set, timed on 4 of the sets")
    assert row.ratio == pytest.approx(2)
