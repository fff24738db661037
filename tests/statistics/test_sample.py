"""The parts of the variance of a crossed design."""

import numpy as np
import pytest

from resablate.statistics import Sample
from resablate.statistics.sample import example_variance, overlap, seed_variance


def test_shapes_and_names_are_checked() -> None:
    with pytest.raises(ValueError, match=r"outcomes must have the shape .* but got \(3,\)"):
        Sample.of_outcomes([0, 1, 1])
    with pytest.raises(ValueError, match="numbers must have the shape"):
        Sample.of_numbers(1.0)
    with pytest.raises(ValueError, match=r"3 different ones, .* but got \[0, 1, 1\]"):
        Sample.of_numbers([1.0, 2.0, 3.0], seeds=[0, 1, 1])
    with pytest.raises(ValueError, match="a training that diverged is a failure, but got 1"):
        Sample.of_numbers([0.1, np.nan])


def test_a_cell_of_outcomes_has_its_means() -> None:
    cell = Sample.of_outcomes([[0, 1, 1, 0], [1, 1, 1, 0]], seeds=[4, 7], examples="test")
    assert cell.numbers.tolist() == [0.5, 0.75]
    assert float(cell.mean) == 0.625
    assert cell.count == 2
    turned = cell.restricted([7, 4])
    assert turned.numbers.tolist() == [0.75, 0.5]
    assert turned.seeds == (7, 4)


def test_the_parts_of_the_variance_are_unbiased() -> None:
    generator = np.random.default_rng(0)
    worlds, seeds, examples, spreads = 4_000, 4, 30, (0.5, 0.8, 1.2)
    a, b, c = (
        spread * generator.normal(size=shape)
        for spread, shape in zip(
            spreads, ((worlds, seeds, 1), (worlds, 1, examples), (worlds, seeds, examples)), strict=True
        )
    )
    outcomes = a + b + c
    own, shared = np.square(spreads)[:2], spreads[2] ** 2 / (seeds * examples)
    # The sd of a mean of 4,000 variances with 3 degrees of freedom is 1.3 %; with more, less.
    assert seed_variance(outcomes.mean(axis=-1)).mean() == pytest.approx(own[0] / seeds + shared, rel=0.06)
    assert example_variance(outcomes.mean(axis=-2)).mean() == pytest.approx(own[1] / examples + shared, rel=0.03)
    assert overlap(outcomes).mean() == pytest.approx(shared, rel=0.02)
    # Together they are the variance of the mean over worlds.
    total = own[0] / seeds + own[1] / examples + shared
    assert outcomes.mean(axis=(1, 2)).var() == pytest.approx(total, rel=0.1)


def test_one_seed_has_no_parts_of_seeds() -> None:
    outcomes = np.array([[0.0, 1.0, 1.0]])
    assert float(seed_variance(outcomes.mean(axis=-1))) == 0
    assert float(overlap(outcomes)) == 0
