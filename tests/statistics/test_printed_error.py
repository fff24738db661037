"""The interval beside a cell's error."""

import numpy as np
import pytest

from resablate.statistics import Sample, error_interval


def test_it_holds_the_error_and_no_negative_one() -> None:
    wrong = np.random.default_rng(0).random((3, 1_000)) < 0.005
    ends = error_interval(Sample.of_outcomes(wrong))
    assert 0 < ends.low < wrong.mean() < ends.high < 1


def test_losses_are_printed_on_their_own_scale() -> None:
    losses = np.random.default_rng(1).exponential(2.0, size=(4, 300))
    ends = error_interval(Sample.of_outcomes(losses), scale="identity")
    assert float(ends.low + ends.high) / 2 == pytest.approx(losses.mean())
    with pytest.raises(ValueError, match="fractions"):
        error_interval(Sample.of_outcomes(losses))


def test_it_covers_a_small_error() -> None:
    """At 1 % of 1,000 examples the plain scale covers 93 %."""
    generator, held = np.random.default_rng(2), []
    for _ in range(10):
        hardness = 2 * generator.normal(size=(200, 1, 1_000))
        # A threshold at the 99th percentile of the sum: its variance is 4 + 1.
        wrong = hardness + generator.normal(size=(200, 3, 1_000)) > 2.3263 * np.sqrt(5)
        ends = error_interval(Sample.of_outcomes(wrong))
        held.append((ends.low < 0.01) & (ends.high > 0.01))
    # Four standard errors of 2,000 worlds are 2 %.
    assert 0.93 < np.mean(held) < 0.98
