"""From p-values to words."""

import numpy as np
import pytest

from resablate.statistics import (
    Evidence,
    Sample,
    Verdict,
    decide,
    default_margin,
    difference,
    evidence_of_difference,
    evidence_of_equivalence,
)


def evidence(supported: float, contradicted: float, equivalent: float) -> Evidence:
    return Evidence(np.asarray(supported), np.asarray(contradicted), np.asarray(equivalent))


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (evidence(0.02, 0.98, 1.0), Verdict.SUPPORTED),
        (evidence(0.98, 0.02, 1.0), Verdict.CONTRADICTED),
        (evidence(0.5, 0.5, 0.04), Verdict.EQUIVALENT),
        (evidence(0.03, 0.97, 1.0), Verdict.UNDECIDED),
        (evidence(0.02, 0.98, 0.001), Verdict.SUPPORTED),
    ],
)
def test_a_side_takes_half_the_level_and_equivalence_the_whole(found: Evidence, verdict: Verdict) -> None:
    assert decide(found, 0.05) == verdict


def test_the_p_value_is_where_something_is_decided_first() -> None:
    for found in (evidence(0.02, 0.98, 1.0), evidence(0.6, 0.4, 0.3)):
        least = float(found.p_value)
        assert decide(found, least * 1.001) != Verdict.UNDECIDED
        assert decide(found, least * 0.999) == Verdict.UNDECIDED


def test_the_p_value_of_a_side_says_nothing_of_equivalence() -> None:
    assert float(evidence(0.02, 0.98, 1.0).side_p_value) == pytest.approx(0.04)
    assert float(evidence(0.5, 0.6, 0.001).side_p_value) == 1.0


def test_a_verdict_is_where_the_interval_lies() -> None:
    generator = np.random.default_rng(0)
    cells = [Sample.of_numbers(generator.normal(shift, 1.0, size=(500, 5))) for shift in (0.0, 0.8)]
    estimate = difference(*cells)
    ends, inner = estimate.interval(0.05), estimate.interval(0.10)
    found = decide(evidence_of_difference(estimate, margin=1.0))
    expected = np.where((inner.low > -1) & (inner.high < 1), "equivalent", "undecided")
    expected = np.where(ends.high < 0, "contradicted", expected)
    assert (found == np.where(ends.low > 0, "supported", expected)).all()
    assert {"contradicted", "undecided"} <= set(found)


def test_a_claim_of_equivalence_is_supported_inside_and_contradicted_outside() -> None:
    generator = np.random.default_rng(1)
    narrow = [Sample.of_numbers(0.01 * generator.normal(size=4) + shift) for shift in (0.0, 0.0, 1.0)]
    assert decide(evidence_of_equivalence(difference(narrow[0], narrow[1]), margin=0.1)) == "supported"
    assert decide(evidence_of_equivalence(difference(narrow[0], narrow[2]), margin=0.1)) == "contradicted"
    assert decide(evidence_of_equivalence(difference(narrow[0], narrow[1]), margin=0.001)) == "undecided"


@pytest.mark.parametrize("seeds", [2, 3, 10])
def test_equivalence_is_wrong_in_at_most_one_world_of_twenty(seeds: int) -> None:
    generator = np.random.default_rng(seeds)
    cells = [Sample.of_numbers(0.3 * generator.normal(size=(20_000, seeds)) + shift) for shift in (0.0, 1.0)]
    found = decide(evidence_of_equivalence(difference(*cells), margin=1.0))
    # Four standard errors of this simulation are 0.6 %.
    assert np.mean(found == "supported") < 0.056


def test_the_margin_is_a_tenth_of_the_published_gap_and_no_less_than_a_tenth_of_a_point() -> None:
    assert default_margin(0.0574) == pytest.approx(0.00574)
    assert default_margin(-0.0024) == 0.001
