"""Claims about cells and their decisions."""

import numpy as np
import pytest

from resablate.statistics import (
    Sample,
    Verdict,
    compare,
    compare_equivalent,
    compare_with_every,
    in_every,
)

SD = 0.0016
"""Of He et al.'s errors, as a fraction."""


def cell(error: float, *, seeds: int = 5, seed: int = 0, named: bool = False) -> Sample:
    numbers = error + SD * np.random.default_rng(seed).normal(size=seeds)
    return Sample.of_numbers(numbers, seeds=range(seeds) if named else None)


def outcome_cell(error: float, *, seeds: int, seed: int) -> Sample:
    return Sample.of_outcomes(np.random.default_rng(seed).random((seeds, 2_000)) < error, examples="test")


def test_a_decision_holds_all_it_stands_on() -> None:
    claimed, rival = cell(0.0637), cell(0.0861, seed=1, seeds=4)
    found = compare(claimed, rival, margin=0.001).decide(0.01)
    assert found.verdict is Verdict.SUPPORTED
    assert found.low < found.difference < found.high
    assert found.difference == pytest.approx(float(rival.mean - claimed.mean))
    assert found.low > 0
    assert (found.level, found.seeds) == (0.01, (4, 5))
    assert found.p_value < 0.01
    assert "unpaired seeds" in found.method
    assert found.seeds_needed is None


def test_the_claimed_side_may_be_the_higher_one() -> None:
    low, high = cell(0.06), cell(0.12, seed=1)
    assert compare(high, low, margin=0.001, side="higher").decide().verdict is Verdict.SUPPORTED
    assert compare(high, low, margin=0.001).decide().verdict is Verdict.CONTRADICTED


def test_undecided_says_how_many_seeds_would_decide() -> None:
    found = compare(cell(0.0661), cell(0.0665, seed=1), margin=0.0001, published=0.0024).decide()
    assert found.verdict is Verdict.UNDECIDED
    assert found.seeds_needed is not None
    assert 3 <= found.seeds_needed <= 40
    assert found.plan == found.method
    without = compare(cell(0.0661), cell(0.0665, seed=1), margin=0.0001).decide()
    assert (without.seeds_needed, without.plan) == (None, "")


def test_one_seed_decides_nothing_and_is_planned_by_the_prior() -> None:
    cells = outcome_cell(0.12, seeds=1, seed=0), outcome_cell(0.20, seeds=1, seed=1)
    found = compare(*cells, margin=0.001, published=0.08).decide()
    assert found.verdict is Verdict.UNDECIDED
    assert found.missing.startswith("one seed")
    assert found.seeds_needed is not None
    assert "prior" in found.plan
    assert np.isinf(found.high)


def test_equivalence_as_a_claim() -> None:
    same, other = cell(0.0661), cell(0.0662, seed=1)
    assert compare_equivalent(same, other, margin=0.005).decide().verdict is Verdict.SUPPORTED
    assert compare_equivalent(same, cell(0.09, seed=1), margin=0.005).decide().verdict is Verdict.CONTRADICTED


def test_the_best_of_all_is_compared_with_each() -> None:
    rivals = {"gate": cell(0.087, seed=1), "scale": cell(0.1235, seed=2), "near": cell(0.0662, seed=3)}
    found = compare_with_every(cell(0.0661), rivals, margin=0.0001).decide()
    assert found.verdict is Verdict.UNDECIDED
    assert {name: part.verdict for name, part in found.parts.items()} == {
        "gate": Verdict.SUPPORTED,
        "scale": Verdict.SUPPORTED,
        "near": Verdict.UNDECIDED,
    }
    # The rival that is least clearly beaten is shown.
    assert found.difference == found.parts["near"].difference
    # Holm: the two that are beaten had a third and a half of the level.
    assert sorted(part.level for part in found.parts.values()) == pytest.approx([0.05 / 3, 0.025, 0.05])
    del rivals["near"]
    assert compare_with_every(cell(0.0661), rivals, margin=0.0001).decide().verdict is Verdict.SUPPORTED
    assert compare_with_every(rivals["scale"], {"gate": rivals["gate"]}, margin=0.0001).decide().verdict is (
        Verdict.CONTRADICTED
    )


def test_a_rival_of_one_seed_is_named() -> None:
    rivals = {"gate": cell(0.087, seed=1), "once": cell(0.1, seeds=1)}
    found = compare_with_every(cell(0.0661), rivals, margin=0.001).decide()
    assert found.verdict is Verdict.UNDECIDED
    assert found.missing.startswith("once: one seed")
    assert found.parts["gate"].verdict is Verdict.SUPPORTED


def test_a_rival_that_is_better_contradicts_whatever_is_missing() -> None:
    rivals = {"better": cell(0.05, seed=1), "once": cell(0.1, seeds=1)}
    found = compare_with_every(cell(0.0661), rivals, margin=0.001).decide()
    assert found.verdict is Verdict.CONTRADICTED
    assert found.missing.startswith("once: one seed")
    assert found.p_value < 0.05


def test_settings_are_a_claim_each() -> None:
    better = {depth: compare(cell(0.06, seed=n), cell(0.08, seed=n + 9), margin=0.001) for n, depth in enumerate("ab")}
    assert in_every(better).decide().verdict is Verdict.SUPPORTED
    worse = compare(cell(0.08, seed=5), cell(0.06, seed=6), margin=0.001)
    found = in_every({**better, "c": worse}).decide()
    assert found.verdict is Verdict.CONTRADICTED
    assert found.parts["a"].verdict is Verdict.SUPPORTED
    with pytest.raises(ValueError, match="one part or more"):
        in_every({})
