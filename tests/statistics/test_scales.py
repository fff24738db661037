"""Log odds and logarithms by the delta method."""

import numpy as np
import pytest

from resablate.statistics import Sample, difference, mean
from resablate.statistics.scales import untransformed


def test_a_logit_difference_is_one_of_log_odds() -> None:
    generator = np.random.default_rng(0)
    one, other = generator.random((4, 500)) < 0.1, generator.random((4, 500)) < 0.4
    found = difference(Sample.of_outcomes(one), Sample.of_outcomes(other), scale="logit")
    odds = [each.mean() / (1 - each.mean()) for each in (one, other)]
    # Half an outcome of 2,000 keeps log odds finite and moves them by less than 0.01.
    assert float(found.value) == pytest.approx(np.log(odds[0] / odds[1]), abs=0.01)


def test_a_difference_of_logarithms_is_a_ratio() -> None:
    cells = [Sample.of_numbers(numbers) for numbers in ([2.0, 2.2, 2.1], [1.0, 1.1, 1.05])]
    assert np.exp(float(difference(*cells, scale="log").value)) == pytest.approx(2.0)


def test_the_delta_method_follows_a_small_spread() -> None:
    numbers = 0.2 + 0.001 * np.random.default_rng(1).normal(size=5)
    found = mean(Sample.of_numbers(numbers), scale="logit")
    direct = mean(Sample.of_numbers(np.log(numbers / (1 - numbers))))
    # The next order is the spread over the mean: half a percent.
    assert float(found.half_width()) == pytest.approx(float(direct.half_width()), rel=0.02)
    assert float(untransformed(found.value, "logit")) == pytest.approx(numbers.mean())
    assert float(untransformed(np.asarray(np.log(3.0)), "log")) == pytest.approx(3.0)


def test_an_error_of_zero_has_finite_log_odds_on_examples_alone() -> None:
    none = np.zeros((3, 100))
    assert np.isfinite(mean(Sample.of_outcomes(none), scale="logit").value)
    with pytest.raises(ValueError, match="log odds of 0 or 1 need outcomes"):
        mean(Sample.of_numbers([0.0, 0.0]), scale="logit")
    with pytest.raises(ValueError, match="fractions between 0 and 1"):
        mean(Sample.of_numbers([1.5, 2.0]), scale="logit")
    with pytest.raises(ValueError, match="positive numbers"):
        mean(Sample.of_numbers([-1.0, 0.5]), scale="log")
