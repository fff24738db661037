"""The tiny sweeps of the claims: whole for every claim, and really trained for one claim of each kind of rule."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from resablate.claims import CLAIMS
from resablate.claims.claim import Rule
from resablate.claims.conjunctions import Every
from resablate.plan import plan_sweep
from resablate.sweep import parse_sweep
from tests.benchmarks.claim_sweeps import CUTS, claim_sweep, cut_of, decidable
from tests.benchmarks.claims_run import report, run_claims
from tests.claims.worlds import UNTESTABLE

OF_EACH_KIND = ("H4", "H7", "H14", "V8", "V11", "V12", "Z2", "Z7", "Z9", "G1")
"""They ask little: seconds each, on a quiet core."""


def kinds(rule: Rule) -> Iterator[type]:
    yield type(rule)
    if isinstance(rule, Every):
        for part in rule.rules.values():
            yield from kinds(part)


def test_every_claim_that_has_a_rule_has_a_sweep() -> None:
    assert set(decidable()) == set(CLAIMS) - set(UNTESTABLE)
    assert set(CUTS) <= set(CLAIMS)
    chosen = {kind for name in OF_EACH_KIND for kind in kinds(CLAIMS[name].rule)}
    assert chosen == {kind for name in decidable() for kind in kinds(CLAIMS[name].rule)}


@pytest.mark.parametrize("name", decidable())
def test_a_cut_sweep_asks_what_the_claim_needs_of_small_networks(name: str) -> None:
    plan = plan_sweep(parse_sweep(claim_sweep(name)))
    assert {asked.analysis.name for asked in plan.asked} >= set(CLAIMS[name].questions)
    assert {spec.width for spec in plan.trials} == {4}
    assert len({spec.seed for spec in plan.trials}) == cut_of(name).seeds
    cells = {spec.cell: spec for spec in plan.trials}
    arms = CLAIMS[name].rule.arms
    assert len(cells) >= len({arm.name for arm in arms}) or name in ("V2", "H22"), "a cell for each arm at least"


def test_a_claim_comes_to_a_verdict_by_what_was_trained_and_filed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESABLATE_HOME", str(tmp_path))
    [run] = run_claims(["V11"], folder=tmp_path)
    assert run.answer.verdict == "supported"
    assert [result.status for result in run.results] == ["finished"]
    page = report([run])
    assert "| V11: Removing blocks leaves a larger part of the short paths" in page
    assert "1 trainings in all" in page
    assert all(f"- {name}: cannot be tested here: needs " in page for name in UNTESTABLE)


@pytest.mark.slow
def test_one_claim_of_each_kind_comes_to_a_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESABLATE_HOME", str(tmp_path))
    for run in run_claims(OF_EACH_KIND, folder=tmp_path):
        assert run.answer.verdict != "not tested", run.answer.what_would_decide
        assert not run.problems
