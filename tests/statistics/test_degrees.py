"""Degrees of freedom of two cells."""

import numpy as np
import pytest

from resablate.statistics import Sample, difference
from resablate.statistics.degrees import welch


def test_equal_numbers_of_seeds_have_welch_s() -> None:
    total, df, pooled, mix = welch(np.array([[2.0], [1.0]]), np.array([[4.0], [4.0]]))
    assert total.tolist() == [3.0]
    assert df == pytest.approx(9 / (4 / 4 + 1 / 4))
    assert pooled == df
    assert mix.tolist() == [1.0]


def test_two_seeds_are_lifted_between_one_cell_and_the_power_of_both() -> None:
    variances = np.array([[1.0, 1.0, 1e6], [1.0, 1e6, 1.0]])
    _, df, _, _ = welch(variances, np.ones((2, 3)))
    assert df[0] == pytest.approx(2**1.25)
    assert df[1:] == pytest.approx([1.0, 1.0], rel=1e-4)


def test_a_cell_of_one_seed_leaves_no_degrees_of_freedom() -> None:
    _, df, _, _ = welch(np.array([[0.0], [1.0]]), np.array([[0.0], [4.0]]))
    assert df.tolist() == [0.0]


@pytest.mark.parametrize("df", [1.0, 2.0, 9.0])
def test_a_cell_of_one_seed_beside_more_leaves_none_either(df: float) -> None:
    total, seed_df, pooled, mix = welch(np.array([4.0, 0.0]), np.array([df, 0.0]))
    assert (float(total), float(seed_df), float(pooled), float(mix)) == (4.0, 0.0, df, 1.0)
    found = difference(Sample.of_numbers(np.arange(df + 1)), Sample.of_numbers(np.array([0.5])))
    assert found.one_seed
    assert np.isinf(found.half_width())
    assert found.p_above() == 0.5


@pytest.mark.parametrize("spread", [0.2, 1.0, 5.0])
def test_two_against_ten_seeds_are_covered(spread: float) -> None:
    generator = np.random.default_rng(round(10 * spread))
    few, many = spread * generator.normal(size=(20_000, 2)), generator.normal(size=(20_000, 10))
    ends = difference(Sample.of_numbers(few), Sample.of_numbers(many)).interval()
    # Welch's covers 88 % where the two have the larger spread; four standard errors here are 0.7 %.
    assert 0.923 < np.mean((ends.low < 0) & (ends.high > 0)) < 0.987
