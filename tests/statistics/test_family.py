"""One level for a report."""

import numpy as np
import pytest

from resablate.statistics import Comparison, Sample, Verdict, compare, decide_family, in_every


def claim(gap: float, *, seed: int, seeds: int = 4, margin: float = 0.1) -> Comparison:
    generator = np.random.default_rng(seed)
    cells = [Sample.of_numbers(shift + generator.normal(size=seeds)) for shift in (0.0, gap)]
    return compare(*cells, margin=margin)


def test_claims_share_the_level() -> None:
    claims = {"sure": claim(20.0, seed=0), "unsure": claim(0.0, seed=1), "once": claim(5.0, seed=2, seeds=1)}
    found = decide_family(claims, level=0.05)
    assert list(found) == list(claims)
    assert found["sure"].verdict is Verdict.SUPPORTED
    assert found["once"].verdict is Verdict.UNDECIDED
    # Two are tested; the second has the whole level once the first is decided.
    assert found["sure"].level == pytest.approx(0.025)
    assert found["unsure"].level == pytest.approx(0.05)


def test_a_claim_of_which_a_part_has_one_seed_takes_its_share_of_the_level() -> None:
    half = in_every({"ran": claim(0.0, seed=3), "once": claim(5.0, seed=2, seeds=1)})
    found = decide_family({"half": half, "sure": claim(20.0, seed=0)})
    assert found["half"].verdict is Verdict.UNDECIDED
    assert found["sure"].level == pytest.approx(0.025)


def test_a_report_of_nothing_tested_is_one_too() -> None:
    found = decide_family({"once": claim(1.0, seed=0, seeds=1)})
    assert found["once"].verdict is Verdict.UNDECIDED


def test_reports_on_nothing_are_wrong_in_at_most_one_of_twenty() -> None:
    wrong = 0
    for seed in range(300):
        found = decide_family({str(n): claim(0.0, seed=10 * seed + n) for n in range(5)})
        wrong += any(decision.verdict in (Verdict.SUPPORTED, Verdict.CONTRADICTED) for decision in found.values())
    # 15 expected at most; four standard errors are 15.
    assert wrong <= 30


def test_what_is_shown_equivalent_leaves_no_level_to_others() -> None:
    """Else the k-th of ten would be tested at 5 % / (11 - k): 15 % of such reports would have a false side."""
    wrong, sides = 0, (Verdict.SUPPORTED, Verdict.CONTRADICTED)
    for seed in range(200):
        found = decide_family({str(n): claim(0.0, seed=10 * seed + n, margin=100.0) for n in range(10)})
        wrong += any(decision.verdict in sides for decision in found.values())
        assert {decision.level for decision in found.values() if decision.verdict not in sides} <= {0.005, 0.05 / 9}
        assert all(decision.verdict in (*sides, Verdict.EQUIVALENT) for decision in found.values())
    # 10 expected at most; four standard errors are 12.
    assert wrong <= 22
