"""Differences, paired by example and by seed, and other sums of cells."""

import numpy as np
import pytest
from scipy import stats

from resablate.statistics import Sample, compare_means, contrast, difference, interaction, mean, sd_of_test_set


def numbers(seed: int, *, seeds: int = 6, loc: float = 0.0, shape: tuple[int, ...] = ()) -> np.ndarray:
    return np.random.default_rng(seed).normal(loc, 1.0, size=(*shape, seeds))


def outcomes(seed: int, *, seeds: int, examples: int = 400, error: float = 0.1) -> np.ndarray:
    return np.random.default_rng(seed).random((seeds, examples)) < error


@pytest.mark.parametrize("seeds", [4, 6, 10])
def test_unpaired_numbers_give_welch_s_test(seeds: int) -> None:
    one, other = numbers(0, seeds=seeds), numbers(1, seeds=seeds, loc=1.0)
    expected = stats.ttest_ind(one, other, equal_var=False)
    found = difference(Sample.of_numbers(one), Sample.of_numbers(other))
    assert 2 * float(found.p_below()) == pytest.approx(expected.pvalue)
    ends = expected.confidence_interval()
    assert [found.interval().low, found.interval().high] == pytest.approx([ends.low, ends.high])
    assert found.correlation is None


def test_pairing_by_seed_gives_the_paired_test() -> None:
    one, other = numbers(0), numbers(1)
    cells = [Sample.of_numbers(values, seeds=range(6)) for values in (one, other)]
    found = difference(*cells, pairing="seeds")
    two_sided = 2 * min(float(found.p_above()), float(found.p_below()))
    assert two_sided == pytest.approx(stats.ttest_rel(one, other).pvalue)
    assert found.correlation == pytest.approx(stats.pearsonr(one, other).statistic)
    assert found.paired


def test_pairing_uses_the_seeds_that_both_have() -> None:
    one, other = numbers(0), numbers(1, seeds=5)
    cells = Sample.of_numbers(one, seeds=[0, 1, 2, 3, 4, 5]), Sample.of_numbers(other, seeds=[9, 5, 4, 3, 2])
    found = difference(*cells, pairing="seeds")
    expected = stats.ttest_rel(one[[5, 4, 3, 2]], other[1:])
    assert float(found.value) == pytest.approx((one[[5, 4, 3, 2]] - other[1:]).mean())
    assert 2 * min(float(found.p_above()), float(found.p_below())) == pytest.approx(expected.pvalue)
    with pytest.raises(ValueError, match="share 0"):
        difference(cells[0], Sample.of_numbers(other), pairing="seeds")


def test_pairing_is_chosen_where_it_helps() -> None:
    common, noise = numbers(0), 0.05 * numbers(1)
    cells = [Sample.of_numbers(values, seeds=range(6)) for values in (common, common + noise)]
    alone = [Sample.of_numbers(cell.numbers) for cell in cells]
    assert difference(*cells).paired
    assert difference(*cells).half_width() < 0.5 * difference(*alone).half_width()
    strangers = [Sample.of_numbers(numbers(seed), seeds=range(6)) for seed in (2, 3)]
    assert not difference(*strangers).paired


@pytest.mark.parametrize("seeds", [2, 3, 5, 8])
@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_choosing_the_pairing_keeps_the_level(seeds: int, correlation: float) -> None:
    common, one, other = (numbers(seed, seeds=seeds, shape=(20_000,)) for seed in (4, 5, 6))
    shared, own = np.sqrt(correlation), np.sqrt(1 - correlation)
    cells = [Sample.of_numbers(shared * common + own * each, seeds=range(seeds)) for each in (one, other)]
    ends = difference(*cells).interval()
    missed = 1 - np.mean((ends.low < 0) & (ends.high > 0))
    # 5 % is asked; four standard errors of this simulation are 0.6 %.
    assert missed < 0.056


def settings(
    spreads: tuple[float, ...], seeds: int, noise: float, shape: tuple[int, ...] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """(settings, ..., seeds) numbers of cells and of their rivals: what seeds do to both of a setting, and noise."""
    generator = np.random.default_rng(len(spreads) + seeds)
    scale = np.reshape(spreads, (-1, *[1] * (len(shape) + 1)))
    common, *own = (generator.normal(size=(len(spreads), *shape, seeds)) for _ in range(3))
    ours, theirs = (scale * (np.sqrt(1 - noise) * common + np.sqrt(noise) * each) for each in own)
    return ours, theirs


def test_a_mean_over_settings_is_paired_setting_by_setting() -> None:
    ours, theirs = settings((1.0, 2.0, 4.0), 3, 0.01)
    cells = [[Sample.of_numbers(numbers, seeds=range(3)) for numbers in side] for side in (ours, theirs)]
    found = compare_means(*cells, margin=0.1).estimate
    assert "paired by seed in each setting" in found.method
    assert float(found.value) == pytest.approx((theirs - ours).mean())
    expected = (theirs - ours).var(axis=-1, ddof=1).sum() / 3 / 3**2
    assert float(found.seed_variance) == pytest.approx((1 + 1 / 3) ** 2 * expected), "with the price of having looked"
    apart = ours.var(axis=-1, ddof=1) + theirs.var(axis=-1, ddof=1)
    assert float(found.seed_df) == pytest.approx(2 * apart.sum() ** 2 / (apart**2).sum())
    cells[0][1] = Sample.of_numbers([*ours[1], 0.0], seeds=range(4))
    assert "unpaired" in compare_means(*cells, margin=0.1).estimate.method, "a setting of other seeds"


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("noise", [1.0, 0.1])
def test_means_over_unlike_settings_keep_the_level(seeds: int, noise: float) -> None:
    ours, theirs = settings((1.0, 1.0, 2.0, 3.0) * 2, seeds, noise, (20_000,))
    cells = [[Sample.of_numbers(numbers, seeds=range(seeds)) for numbers in side] for side in (ours, theirs)]
    ends = compare_means(*cells, margin=0.1).estimate.interval()
    # Paired as one sum, chosen for being narrow, 6.4 % missed; four standard errors of this simulation are 0.6 %.
    assert 1 - np.mean((ends.low < 0) & (ends.high > 0)) < 0.056


def test_pairing_by_example_takes_off_what_examples_share() -> None:
    hardness = np.random.default_rng(0).random(400)
    noise = [0.05 * np.random.default_rng(seed).normal(size=(3, 400)) for seed in (1, 2)]
    wrong = [(hardness + each > 0.8).astype(float) for each in noise]
    paired = difference(*(Sample.of_outcomes(each, examples="test") for each in wrong))
    unpaired = difference(*(Sample.of_outcomes(each) for each in wrong))
    assert paired.value == unpaired.value
    assert float(paired.example_variance) < 0.3 * float(unpaired.example_variance)
    assert "paired by example" in paired.method
    assert "unpaired examples" in unpaired.method


def test_a_mean_has_the_parts_of_seeds_and_examples() -> None:
    wrong = outcomes(0, seeds=4)
    found = mean(Sample.of_outcomes(wrong, examples="test"))
    assert float(found.value) == pytest.approx(wrong.mean())
    assert float(found.seed_variance) == pytest.approx(wrong.mean(axis=1).var(ddof=1) / 4)
    assert 0 <= float(found.example_variance) < wrong.mean(axis=0).var(ddof=1) / 400
    assert (found.seeds, found.examples) == ((4,), 400)


def test_many_worlds_are_many_reports() -> None:
    worlds = np.random.default_rng(0).random((5, 3, 50)) < np.array(0.3)
    others = np.random.default_rng(1).random((5, 4, 50)) < np.array(0.4)
    together = difference(*(Sample.of_outcomes(each, examples="test") for each in (worlds, others)))
    for place in range(5):
        alone = difference(*(Sample.of_outcomes(each[place], examples="test") for each in (worlds, others)))
        assert together.p_above()[place] == pytest.approx(float(alone.p_above()))
        assert together.interval().low[place] == pytest.approx(float(alone.interval().low))


def test_one_seed_has_no_interval_unless_a_prior_stands_in() -> None:
    cells = (
        Sample.of_outcomes(outcomes(0, seeds=1), examples="t"),
        Sample.of_outcomes(outcomes(1, seeds=5), examples="t"),
    )
    bare, leaning = difference(*cells), difference(*cells, prior="test_set")
    assert bare.one_seed
    assert np.isinf(bare.half_width())
    assert not leaning.one_seed
    assert np.isfinite(leaning.half_width())
    assert "prior" in leaning.method
    assert "prior" not in difference(cells[1], cells[1], prior="test_set").method


def test_the_prior_is_the_published_one() -> None:
    # He et al. report 0.16 points at 6.6 % of 10,000.
    assert float(sd_of_test_set(0.066, 10_000)) == pytest.approx(0.0018, abs=0.00005)


def test_an_interaction_is_a_difference_of_differences() -> None:
    cells = [Sample.of_numbers(numbers(seed, loc=seed)) for seed in range(4)]
    found = interaction(*cells)
    first, second = difference(*cells[:2]), difference(*cells[2:])
    assert float(found.value) == pytest.approx(float(first.value - second.value))
    assert float(found.seed_variance) == pytest.approx(float(first.seed_variance + second.seed_variance))


def test_weights_scale_values_and_widths() -> None:
    cells = [Sample.of_numbers(numbers(seed)) for seed in range(2)]
    once, thrice = contrast(cells, [1.0, -1.0]), contrast(cells, [3.0, -3.0])
    assert float(thrice.value) == pytest.approx(3 * float(once.value))
    assert float(thrice.half_width()) == pytest.approx(3 * float(once.half_width()))
