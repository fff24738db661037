"""Published orders."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from resablate.statistics import Sample, Verdict, order_agreement

PUBLISHED = {"identity": 6.61, "gate": 8.70, "scale": 12.35, "shallow gate": 12.86}


def measured(order: list[str], *, sd: float = 0.16, seeds: int = 5) -> dict[str, Sample]:
    generator = np.random.default_rng(0)
    levels = dict(zip(order, sorted(PUBLISHED.values()), strict=True))
    return {name: Sample.of_numbers(levels[name] + sd * generator.normal(size=seeds)) for name in PUBLISHED}


def test_the_published_order_is_found() -> None:
    found = order_agreement(measured(list(PUBLISHED), sd=0.02), PUBLISHED)
    assert found.verdict is Verdict.SUPPORTED
    assert (found.tau, found.low, found.high) == (1.0, 1.0, 1.0)


def test_a_pair_that_is_reversed_contradicts() -> None:
    cells = measured(["gate", "identity", "scale", "shallow gate"])
    found = order_agreement(cells, PUBLISHED)
    means = [float(cell.mean) for cell in cells.values()]
    assert found.verdict is Verdict.CONTRADICTED
    assert found.tau == pytest.approx(kendalltau(list(PUBLISHED.values()), means).statistic)
    assert found.reversed == (("identity", "gate"),)
    assert found.low <= found.tau <= found.high


def test_seeds_that_scatter_leave_a_wide_interval() -> None:
    found = order_agreement(measured(list(PUBLISHED), sd=30.0, seeds=2), PUBLISHED)
    assert found.verdict is Verdict.UNDECIDED
    assert (found.low, found.high) == (-1.0, 1.0)
    assert len(found.undecided) == 6


def test_pairs_that_were_published_as_equal_claim_nothing() -> None:
    found = order_agreement(measured(list(PUBLISHED)), PUBLISHED, closest=0.6)
    assert len(found.kept) + len(found.reversed) + len(found.undecided) == 5
    with pytest.raises(ValueError, match="got none for gate"):
        order_agreement(measured(list(PUBLISHED)), {"identity": 1.0, "scale": 2.0, "shallow gate": 3.0})
    with pytest.raises(ValueError, match="pair of cells"):
        order_agreement(measured(list(PUBLISHED)), PUBLISHED, closest=99.0)


def test_the_interval_holds_the_true_order() -> None:
    generator, held = np.random.default_rng(1), 0
    for _ in range(200):
        cells = {name: Sample.of_numbers(generator.normal(size=3)) for name in "abc"}
        found = order_agreement(cells, {"a": 0.0, "b": 1.0, "c": 2.0})
        held += found.low <= 0 <= found.high and found.verdict is not Verdict.SUPPORTED
    # All are equal: 190 of 200 or more are expected, and four standard errors are 12.
    assert held >= 178
