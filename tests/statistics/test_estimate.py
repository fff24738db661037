"""Intervals and p-values of one source of noise and of two."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from resablate.statistics import Estimate
from resablate.statistics.estimate import Array

LEVELS = (0.2, 0.05, 0.005)


def make_estimate(
    value: float = 1.0, *, seeds: float = 0.04, df: float = 3.0, examples: float = 0.0, mix: float = 1.0
) -> Estimate:
    arrays = [np.asarray(number, dtype=float) for number in (value, seeds, df, 2 * df if mix < 1 else df, mix)]
    return Estimate(*arrays, np.asarray(examples), 999.0, (4,), 1000, "made up")


@pytest.mark.parametrize("level", LEVELS)
def test_seeds_alone_give_student_s_interval(level: float) -> None:
    found, expected = make_estimate().interval(level), stats.t(3, 1.0, 0.2).interval(1 - level)
    assert [found.low, found.high] == pytest.approx(expected, rel=1e-9)


def test_examples_alone_give_their_own_quantile() -> None:
    half = make_estimate(seeds=1e-12, df=1.0, examples=0.09).half_width(0.05)
    # The seeds' part is 1e-11 of the variance, and even one degree of freedom cannot make it count.
    assert half == pytest.approx(0.3 * stats.t.ppf(0.975, 999), rel=1e-4)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_two_sources_lie_between_both_and_within_banerjee_s_bound(share: float, level: float) -> None:
    half = float(make_estimate(seeds=share, df=2.0, examples=1 - share).half_width(level))
    few, many = stats.t.ppf(1 - level / 2, [2, 999])
    assert many < half <= np.sqrt(many**2 * (1 - share) + few**2 * share) * (1 + 1e-9)
    assert half < few


@settings(max_examples=40, deadline=None)
@given(
    value=st.floats(-3, 3),
    seeds=st.floats(0.01, 1),
    df=st.integers(1, 20),
    examples=st.floats(0, 1),
    mix=st.sampled_from([0.3, 1.0]),
    level=st.sampled_from(LEVELS),
)
def test_a_p_value_is_the_level_at_which_the_interval_ends(
    *, value: float, seeds: float, df: int, examples: float, mix: float, level: float
) -> None:
    estimate = make_estimate(value, seeds=seeds, df=float(df), examples=examples, mix=mix)
    ends = estimate.interval(level)
    # Bisection stops at 1e-12 of the logarithm.
    assert float(estimate.p_above(float(ends.low))) == pytest.approx(level / 2, rel=1e-6)
    assert float(estimate.p_below(float(ends.high))) == pytest.approx(level / 2, rel=1e-6)


def test_both_one_sided_p_values_add_up_to_one() -> None:
    estimate = make_estimate(0.3, examples=0.01)
    assert float(estimate.p_above(0.1) + estimate.p_below(0.1)) == pytest.approx(1.0)


def test_equivalence_is_the_interval_of_twice_the_level() -> None:
    estimate = make_estimate(0.1)
    ends = estimate.interval(0.1)
    assert estimate.p_within(float(ends.high) * 1.001) < 0.05 < estimate.p_within(float(ends.high) * 0.999)


@pytest.mark.parametrize("unknown", [make_estimate(df=0.0), make_estimate(seeds=0.0)], ids=["one seed", "no spread"])
def test_nothing_is_decided_where_no_spread_is_known(unknown: Estimate) -> None:
    assert np.isinf(unknown.half_width())
    assert float(unknown.p_above(0.0)) >= 0.5
    assert float(unknown.p_within(100.0)) >= 0.5


@pytest.mark.parametrize("share", [0.05, 0.3, 0.7, 0.95])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_coverage_holds_for_every_mix_of_seeds_and_examples(seeds: int, share: float) -> None:
    generator = np.random.default_rng([seeds, round(100 * share)])
    worlds, df = 20_000, np.full(20_000, seeds - 1.0)
    spread: Array = share * generator.chisquare(seeds - 1, worlds) / (seeds - 1)
    value = generator.normal(size=worlds)
    ones = np.ones(worlds)
    ends = Estimate(value, spread, df, df, ones, (1 - share) * ones, 1e6, (seeds,), 10_000, "").interval()
    # 93 to 97 % is asked; four standard errors of this simulation are 0.7 %.
    assert 0.923 < np.mean((ends.low < 0) & (ends.high > 0)) < 0.977
