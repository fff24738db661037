"""Statistics of examples without a formula."""

import numpy as np
import pytest

from resablate.statistics import Sample, contrast, mean, resampled
from resablate.statistics.estimate import Array


def average(values: Array) -> Array:
    return values.mean(axis=-1)


def median(values: Array) -> Array:
    return np.median(values, axis=-1)


def numbers(seed: int, *, seeds: int = 4, examples: int = 300) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(1, examples)) + generator.normal(size=(seeds, examples))


def test_a_resampled_mean_is_the_mean_of_the_formula() -> None:
    cell = Sample.of_outcomes(numbers(0), examples="test")
    found = resampled([cell], [1.0], average, generator=np.random.default_rng(0), resamples=4_000)
    expected = mean(cell)
    assert float(found.value) == pytest.approx(float(expected.value))
    assert float(found.seed_variance) == pytest.approx(float(expected.seed_variance))
    # The sd of a variance from 4,000 resamples is 2.2 %, and it is a difference of two such.
    assert float(found.example_variance) == pytest.approx(float(expected.example_variance), rel=0.15)


def test_cells_are_resampled_together() -> None:
    shared = np.random.default_rng(1).normal(size=(1, 300))
    cells = [Sample.of_outcomes(shared + 0.1 * numbers(seed), examples="test") for seed in (2, 3)]
    found = resampled(cells, [1.0, -1.0], average, generator=np.random.default_rng(0))
    assert float(found.example_variance) < 0.1 * float(mean(cells[0]).example_variance)
    assert float(found.value) == pytest.approx(float(contrast(cells, [1.0, -1.0]).value))


def test_a_generator_s_state_is_all_there_is_to_chance() -> None:
    cell = Sample.of_outcomes(numbers(4), examples="test")
    first, second = (
        resampled([cell], [1.0], median, generator=np.random.default_rng(7), resamples=50) for _ in range(2)
    )
    assert first.half_width() == second.half_width()


def test_the_interval_of_a_median_covers() -> None:
    generator, held = np.random.default_rng(5), 0
    for _ in range(300):
        seed_effects, examples = 0.1 * generator.normal(size=(3, 1)), generator.normal(size=(1, 100))
        cell = Sample.of_outcomes(seed_effects + examples + generator.normal(size=(3, 100)), examples="test")
        ends = resampled([cell], [1.0], median, generator=generator, resamples=60).interval()
        held += bool(ends.low < 0 < ends.high)
    # 95 % are expected; four standard errors of 300 worlds are 5 %.
    assert 0.90 < held / 300


def test_what_cannot_be_resampled_is_refused() -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(ValueError, match="outcomes of the shape"):
        resampled([Sample.of_numbers([1.0, 2.0])], [1.0], median, generator=generator)
    cells = [Sample.of_outcomes(numbers(0), examples=name) for name in ("a", "b")]
    with pytest.raises(ValueError, match="same test examples"):
        resampled(cells, [1.0, -1.0], median, generator=generator)
