"""Numbers against thresholds."""

import numpy as np
import pytest

from resablate.statistics import Sample, Verdict, compare_with_threshold, compare_with_value, mean

NUMBERS = Sample.of_numbers([0.93, 0.95, 0.94, 0.96])


@pytest.mark.parametrize(
    ("threshold", "verdict"), [(0.90, Verdict.SUPPORTED), (0.94, Verdict.UNDECIDED), (1.0, Verdict.CONTRADICTED)]
)
def test_the_interval_decides_and_not_the_point(threshold: float, verdict: Verdict) -> None:
    assert compare_with_threshold(mean(NUMBERS), threshold, side="above").decide().verdict is verdict


def test_sides_mirror_each_other() -> None:
    above = compare_with_threshold(mean(NUMBERS), 0.9, side="above").evidence
    below = compare_with_threshold(mean(NUMBERS), 0.9, side="below").evidence
    assert (above.supported, above.contradicted) == (below.contradicted, below.supported)


def test_a_plan_decides_the_distance_from_the_threshold() -> None:
    found = compare_with_threshold(mean(NUMBERS), 0.94, side="above", published=0.96).decide()
    assert found.seeds_needed is not None


def test_one_seed_decides_nothing() -> None:
    once = mean(Sample.of_numbers([0.95]))
    assert compare_with_threshold(once, 0.5, side="above").decide().verdict is Verdict.UNDECIDED
    assert compare_with_value(once, 0.5, margin=0.1).decide().verdict is Verdict.UNDECIDED


def test_a_value_is_held_to_its_margin() -> None:
    estimate = mean(NUMBERS)
    assert compare_with_value(estimate, 0.94, margin=0.05).decide().verdict is Verdict.SUPPORTED
    assert compare_with_value(estimate, 0.80, margin=0.05).decide().verdict is Verdict.CONTRADICTED
    assert compare_with_value(estimate, 0.94, margin=0.005).decide().verdict is Verdict.UNDECIDED
    assert np.isfinite(compare_with_value(estimate, 0.94, margin=0.05).decide().low)
