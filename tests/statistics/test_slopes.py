"""Slopes with their interval."""

import numpy as np
import pytest
from scipy import stats

from resablate.statistics import Sample, Verdict, compare_with_threshold, compare_with_value, slope

DEPTHS = np.array([8, 20, 32, 56, 110])
PLACES = np.log(np.log(2 * DEPTHS) / DEPTHS)


def cells(steepness: float, *, sd: float = 0.05, seeds: int = 4, seed: int = 0) -> list[Sample]:
    generator = np.random.default_rng(seed)
    return [Sample.of_numbers(steepness * place + sd * generator.normal(size=seeds)) for place in PLACES]


def test_the_scatter_of_points_is_that_of_ordinary_least_squares() -> None:
    measured = cells(1.0)
    found = slope(PLACES, measured)
    expected = stats.linregress(PLACES, [float(cell.mean) for cell in measured])
    assert float(found.value) == pytest.approx(expected.slope)
    assert float(found.standard_error) == pytest.approx(expected.stderr)
    two_sided = 2 * min(float(found.p_above()), float(found.p_below()))
    assert two_sided == pytest.approx(expected.pvalue, rel=1e-6)


def test_the_scatter_is_of_all_trainings_whichever_seeds_they_have() -> None:
    """Points whose seeds move together would be paired, and their other seeds left out."""
    noise = 0.3 * np.random.default_rng(4).normal(size=4)
    counts = (4, 2, 4, 3, 2)
    measured = [Sample.of_numbers(p + noise[:n], seeds=range(n)) for p, n in zip(PLACES, counts, strict=True)]
    expected = stats.linregress(PLACES, [float(cell.mean) for cell in measured])
    assert float(slope(PLACES, measured).value) == pytest.approx(expected.slope)


def test_z2_a_slope_that_excludes_zero_and_is_one() -> None:
    found = slope(PLACES, cells(1.0), noise="seeds")
    assert compare_with_threshold(found, 0.0, side="above").decide().verdict is Verdict.SUPPORTED
    assert compare_with_value(found, 1.0, margin=0.2).decide().verdict is Verdict.SUPPORTED
    flat = slope(PLACES, cells(0.0), noise="seeds")
    assert compare_with_threshold(flat, 0.5, side="above").decide().verdict is Verdict.CONTRADICTED


@pytest.mark.parametrize("noise", ["seeds", "points"])
def test_intervals_cover(noise: str) -> None:
    generator = np.random.default_rng(1)
    bend = 0.3 * generator.normal(size=(10_000, 5)) if noise == "points" else np.zeros((10_000, 5))
    measured = [Sample.of_numbers(bend[:, n, None] + generator.normal(size=(10_000, 3))) for n in range(5)]
    ends = slope(range(5), measured, noise=noise).interval()  # type: ignore[arg-type]
    # 93 to 97 % is asked; four standard errors are 0.9 %.
    assert 0.921 < np.mean((ends.low < 0) & (ends.high > 0)) < 0.979


def test_one_seed_per_point_has_the_scatter_alone() -> None:
    once = cells(1.0, seeds=1)
    assert slope(PLACES, once, noise="seeds").one_seed
    assert not slope(PLACES, once).one_seed


def test_what_gives_no_slope_is_refused() -> None:
    with pytest.raises(ValueError, match="three cells or more"):
        slope([1.0, 2.0], cells(1.0)[:2])
    with pytest.raises(ValueError, match="not all equal"):
        slope([1.0, 1.0, 1.0], cells(1.0)[:3])
