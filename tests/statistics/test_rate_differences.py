"""Two rates of failure, by hand."""

import pytest

from resablate.statistics import Rate, Verdict, compare_rates


def test_the_p_values_by_hand() -> None:
    """With 0 of 5 against 5 of 5, one of the C(10, 5) = 252 ways is as extreme."""
    comparison = compare_rates(Rate(0, 5), Rate(5, 5))
    assert float(comparison.evidence.supported) == pytest.approx(1 / 252)
    assert float(comparison.evidence.contradicted) == 1
    assert comparison.decide().verdict == Verdict.SUPPORTED
    assert compare_rates(Rate(5, 5), Rate(0, 5)).decide().verdict == Verdict.CONTRADICTED
    # 1 of 3 against 2 of 4: C(4,2) C(3,1) + C(4,3) = 22 of the C(7, 3) = 35 ways.
    assert float(compare_rates(Rate(1, 3), Rate(2, 4)).evidence.supported) == pytest.approx(22 / 35)


@pytest.mark.parametrize("failures", [0, 3])
def test_equal_rates_decide_nothing(failures: int) -> None:
    decision = compare_rates(Rate(failures, 3), Rate(failures, 3)).decide()
    assert decision.verdict == Verdict.UNDECIDED
    assert decision.low <= decision.difference == 0 <= decision.high
    assert decision.seeds == (3, 3)


def test_the_interval_joins_the_exact_limits_of_both() -> None:
    ours, theirs = Rate(0, 5), Rate(5, 5)
    interval = compare_rates(ours, theirs).estimate.interval(0.05)
    away = float(ours.interval(0.05).high)
    assert float(interval.low) == pytest.approx(1 - (2 * away**2) ** 0.5)
    assert float(interval.high) == 1
