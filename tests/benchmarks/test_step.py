"""The comparison of a step with the usual loop runs, and both sides train."""

import pytest

from tests.benchmarks.step import REGIMES, rows


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_the_comparison_runs() -> None:
    found = list(rows(depth=8, steps=1, rounds=1))
    assert len(found) == len(REGIMES)
    assert all(row.ours_seconds > 0 and row.baseline_seconds > 0 for row in found)
