"""Shares of path lengths, and where they lie."""

import math

import pytest

from resablate.analyses.lengths import log10_binomial, shares, smallest_interval, spread


def test_shares_survive_a_thousand_blocks() -> None:
    counts = [log10_binomial(1000, k) for k in range(1001)]
    found = shares([1e-3] * 1001, counts)
    assert sum(found) == pytest.approx(1)
    assert max(found) == found[500] == pytest.approx(math.sqrt(2 / (math.pi * 1000)), rel=1e-3)


def test_counts_are_binomial() -> None:
    assert [round(10 ** log10_binomial(54, k)) for k in range(6)] == [math.comb(54, k) for k in range(6)]


def test_the_smallest_interval() -> None:
    assert smallest_interval([0.02, 0.5, 0.46, 0.02], 0.95) == (1, 2)
    assert smallest_interval([0.25] * 4, 0.95) == (0, 3)
    assert smallest_interval([0, 0, 1.0], 0.95) == (2, 2)


def test_where_nothing_is_there_are_no_typical_lengths() -> None:
    assert all(map(math.isnan, shares([0.0, 0.0], [0.0, 0.0])))
    assert all(map(math.isnan, shares([math.nan, 1.0], [0.0, 0.0])))
    assert all(map(math.isnan, spread([math.nan] * 3)))
