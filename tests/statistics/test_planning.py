"""Power and the number of seeds."""

import numpy as np
import pytest

from resablate.statistics import Sample, difference, power, seeds_from_estimate, seeds_needed


@pytest.mark.parametrize(("seeds", "gap"), [(2, 1.0), (3, 0.5), (8, 0.24), (20, 0.15)])
def test_predicted_power_is_simulated_power(seeds: int, gap: float) -> None:
    generator = np.random.default_rng(seeds)
    better, worse = (0.16 * generator.normal(size=(20_000, seeds)) for _ in range(2))
    found = difference(Sample.of_numbers(worse + gap), Sample.of_numbers(better))
    # Four standard errors of this simulation are at most 1.5 %; the chi-square's nodes add 0.2 %.
    assert power(gap, seed_sds=(0.16, 0.16), seeds=seeds) == pytest.approx(np.mean(found.p_above() <= 0.025), abs=0.017)


def test_paired_power_is_that_of_one_sample() -> None:
    generator = np.random.default_rng(0)
    differences = generator.normal(1.0, 1.0, size=(20_000, 6))
    simulated = np.mean(differences.mean(axis=1) / differences.std(axis=1, ddof=1) * np.sqrt(6) > 2.5706)
    assert power(1.0, seed_sds=(1.0,), seeds=6) == pytest.approx(simulated, abs=0.017)


def test_power_rises_with_seeds_and_one_seed_has_none() -> None:
    chances = [power(0.24, seed_sds=(0.16, 0.16), seeds=seeds) for seeds in range(1, 30)]
    assert chances[0] == 0
    assert (np.diff(chances) > 0).all()


def test_the_least_number_has_the_power_and_one_less_has_not() -> None:
    for gap, sds, level in ((0.24, (0.16, 0.16), 0.05), (0.47, (0.82,), 0.05), (0.3, (0.16, 0.3), 0.005)):
        needed = seeds_needed(gap, seed_sds=sds, level=level)
        assert needed is not None
        below = power(gap, seed_sds=sds, seeds=needed - 1, level=level)
        assert below < 0.8 <= power(gap, seed_sds=sds, seeds=needed, level=level)


def test_no_number_of_seeds_mends_a_small_test_set() -> None:
    assert seeds_needed(0.24, seed_sds=(0.16, 0.16), example_variance=0.2**2) is None
    assert seeds_needed(0.0, seed_sds=(0.16,)) is None


def test_the_plan_from_trainings_is_that_of_their_spread() -> None:
    one, other = 0.16 * np.array([-1.0, 0, 1]), 0.16 * np.array([-1.0, 0, 1])
    estimate = difference(Sample.of_numbers(one), Sample.of_numbers(other))
    assert seeds_from_estimate(estimate, 0.24) == seeds_needed(0.24, seed_sds=(0.16, 0.16))
    paired = difference(
        Sample.of_numbers(one, seeds=range(3)), Sample.of_numbers(np.roll(other, 1), seeds=range(3)), pairing="seeds"
    )
    sd = float(np.std(one - np.roll(other, 1), ddof=1))
    assert seeds_from_estimate(paired, 0.24) == seeds_needed(0.24, seed_sds=(sd,))
    assert seeds_from_estimate(difference(Sample.of_numbers([1.0]), Sample.of_numbers(one)), 0.24) is None
