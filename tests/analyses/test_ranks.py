"""Rank correlations against scipy's and by hand."""

import math

import pytest
import torch
from scipy import stats

from resablate.analyses.ranks import rank_correlation
from tests.networks import make_generator


def test_it_is_spearmans_with_ties_in_every_resample() -> None:
    first = torch.randint(6, (9, 20), generator=make_generator()).double()
    second = torch.randint(6, (9, 20), generator=make_generator(1)).double()
    found = rank_correlation(first, second)
    expected = [stats.spearmanr(first[:, i].numpy(), second[:, i].numpy()).statistic for i in range(20)]
    assert found.tolist() == pytest.approx(expected, abs=1e-12)


def test_an_order_its_reverse_and_none() -> None:
    values = torch.tensor([3.0, 1.0, 2.0, 10.0])
    assert float(rank_correlation(values, values.exp())) == pytest.approx(1)
    assert float(rank_correlation(values, -values)) == pytest.approx(-1)
    assert float(rank_correlation(values, torch.ones(4))) == 0
    assert math.isnan(float(rank_correlation(values, torch.tensor([1.0, math.nan, 2.0, 3.0]))))
    assert float(rank_correlation(values, torch.tensor([1.0, -math.inf, 0.0, math.inf]))) == pytest.approx(1)
