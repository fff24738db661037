"""A margin, a level or a word that is none is refused: it would give a wrong verdict, silently."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from resablate import statistics as st

CELL = st.Sample.of_numbers([0.10, 0.11, 0.12], seeds=[0, 1, 2])
OTHER = st.Sample.of_numbers([0.20, 0.22, 0.21], seeds=[0, 1, 2])
APART = st.difference(OTHER, CELL)
POSITIONS = [1.0, 2, 3, 4, 5, 6]
CURVES = [[6.0, 5, 4, 3, 2, 1]] * 2
GENERATOR = np.random.default_rng(0)


@pytest.mark.parametrize("margin", [-1, math.nan, math.inf])
@pytest.mark.parametrize(
    "compared",
    [
        lambda margin: st.compare(CELL, OTHER, margin=margin),
        lambda margin: st.compare_equivalent(CELL, OTHER, margin=margin),
        lambda margin: st.compare_means([CELL], [OTHER], margin=margin),
        lambda margin: st.compare_with_every(CELL, {"other": OTHER}, margin=margin),
        lambda margin: st.compare_with_value(APART, 0.1, margin=margin),
        lambda margin: st.order_agreement({"a": CELL, "b": OTHER}, {"a": 1, "b": 2}, closest=margin),
        lambda margin: st.power(0.1, seed_sds=[margin], seeds=3),
        lambda margin: st.power(0.1, seed_sds=[0.1], seeds=3, example_variance=margin),
    ],
)
def test_a_margin_is_a_finite_number_of_at_least_0(compared: Callable[[float], object], margin: float) -> None:
    with pytest.raises(ValueError, match=rf"must be a finite number of at least 0, but got {margin}$"):
        compared(margin)


@pytest.mark.parametrize("level", [-0.05, 0, 1, 5, math.nan])
@pytest.mark.parametrize(
    "asked",
    [
        lambda level: st.compare(CELL, OTHER, margin=0.01).decide(level),
        lambda level: st.decide_family({}, level=level),
        lambda level: st.decide(st.evidence_of_difference(APART, margin=0.01), level),
        APART.interval,
        lambda level: st.Rate(1, 3).interval(level),
        lambda level: st.error_interval(CELL, level=level),
        lambda level: st.holm_levels([0.1, 0.2], level=level),
        lambda level: st.order_agreement({"a": CELL, "b": OTHER}, {"a": 1, "b": 2}, level=level),
        lambda level: st.power(0.1, seed_sds=[0.1], seeds=3, level=level),
        lambda level: st.seeds_needed(0.1, seed_sds=[0.1], target=level),
        lambda level: st.plan_rounds(8, last_share=level),
        lambda level: st.follow({}, st.plan_rounds(8), lambda index, counts: {}, level=level),
    ],
)
def test_a_level_lies_between_0_and_1(asked: Callable[[float], object], level: float) -> None:
    with pytest.raises(ValueError, match=r"must lie between 0 and 1, but got "):
        asked(level)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (lambda: st.compare(CELL, OTHER, margin=0, side="left"), "side must be one of lower, higher, but got 'left'"),
        (
            lambda: st.compare(CELL, OTHER, margin=0, published=math.nan),
            "published must be a finite number, but got nan",
        ),
        (
            lambda: st.difference(CELL, OTHER, pairing="both"),
            "pairing must be one of auto, seeds, none, but got 'both'",
        ),
        (lambda: st.mean(CELL, scale="ln"), "scale must be one of identity, logit, log, but got 'ln'"),
        (lambda: st.mean(CELL, prior="flat"), "prior must be one of none, test_set, but got 'flat'"),
        (lambda: st.contrast([CELL, OTHER], [1.0]), r"weights must be .*, one for each of 2 cells, but got \[1.0\]"),
        (lambda: st.contrast([CELL], [math.nan]), "weights must be finite numbers"),
        (lambda: st.compare_with_threshold(APART, math.nan, side="above"), "threshold must be a finite number"),
        (lambda: st.compare_with_threshold(APART, 0, side="over"), "side must be one of above, below, but got 'over'"),
        (lambda: st.compare_with_value(APART, math.inf, margin=0), "value must be a finite number, but got inf"),
        (lambda: st.compare_rate(st.Rate(1, 3), threshold=2), "threshold must lie from 0 to 1, but got 2"),
        (lambda: st.compare_rate(st.Rate(1, 3), side="over"), "side must be one of above, below"),
        (lambda: st.holm([0.1, 1.5]), "p_values must lie from 0 to 1"),
        (lambda: st.holm_levels([math.nan]), "p_values must lie from 0 to 1"),
        (lambda: st.default_margin(math.nan), "published_gap must be a finite number"),
        (lambda: st.seeds_needed(0.1, seed_sds=[0.1], most=1), "most must be a whole number of at least 2, but got 1"),
        (lambda: st.plan_rounds(8, first=1), "first must be a whole number of at least 2, but got 1"),
        (lambda: st.Rounds((2, 3), (math.nan, 0.5)), "shares above 0"),
        (lambda: st.slope([1, 2, math.nan], [CELL] * 3), "finite and not all equal"),
        (lambda: st.slope([1, 2, 3], [CELL] * 3, noise="none"), "noise must be one of seeds, points, but got 'none'"),
        (lambda: st.aicc([*POSITIONS[:5], math.nan], CURVES), "must be positive and finite"),
        (
            lambda: st.compare_shapes(POSITIONS, CURVES, claimed="cubic"),
            "shape must be one of exponential, .* got 'cubic'",
        ),
        (
            lambda: st.resampled([CELL], [1.0], np.median, generator=GENERATOR, resamples=1),
            "resamples must be a whole number of at least 2, but got 1",
        ),
    ],
)
def test_what_is_none_is_refused_with_its_rule(asked: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        asked()


def test_a_margin_of_0_takes_every_difference_for_one() -> None:
    assert st.compare(CELL, OTHER, margin=0).decide(0.05).verdict == "supported"
