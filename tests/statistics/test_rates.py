"""Exact intervals of failure rates."""

import pytest
from scipy import stats

from resablate.statistics import Rate, Verdict, compare_rate


@pytest.mark.parametrize(("failures", "trainings"), [(0, 1), (1, 1), (0, 5), (3, 5), (5, 5), (7, 20)])
@pytest.mark.parametrize("level", [0.05, 0.01])
def test_the_interval_is_scipy_s(failures: int, trainings: int, level: float) -> None:
    found = Rate(failures, trainings).interval(level)
    expected = stats.binomtest(failures, trainings).proportion_ci(1 - level, method="exact")
    assert [found.low, found.high] == pytest.approx([expected.low, expected.high])


@pytest.mark.parametrize(("failures", "trainings"), [(0, 3), (4, 5), (6, 6)])
def test_the_p_values_are_scipy_s(failures: int, trainings: int) -> None:
    found = compare_rate(Rate(failures, trainings), threshold=0.4).evidence
    for side, value in (("greater", found.supported), ("less", found.contradicted)):
        assert float(value) == pytest.approx(stats.binomtest(failures, trainings, 0.4, side).pvalue)


def test_one_training_decides_nothing_and_six_do() -> None:
    assert compare_rate(Rate(1, 1)).decide().verdict is Verdict.UNDECIDED
    assert compare_rate(Rate(5, 5)).decide().verdict is Verdict.UNDECIDED
    assert compare_rate(Rate(6, 6)).decide().verdict is Verdict.SUPPORTED
    found = compare_rate(Rate(0, 6)).decide()
    assert found.verdict is Verdict.CONTRADICTED
    assert found.high < 0.5
    assert found.seeds == (6,)
    assert compare_rate(Rate(0, 6), side="below").decide().verdict is Verdict.SUPPORTED


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match=r"failures=4, trainings=3"):
        Rate(4, 3)
    with pytest.raises(ValueError, match="trainings >= 1"):
        Rate(0, 0)
