"""Every claim reaches a verdict: on results of which it is true, false or neither."""

from collections.abc import Sequence

import pytest

from resablate.claims import CLAIMS
from resablate.claims.answer import Answer, answer_claims
from resablate.result import TrialResult
from tests.claims.worlds import COUNTED, FALSE, TRUE, UNTESTABLE, Network, train

NEVER_FALSE = ("V7", "V11")
"""They hold of every network of their shape."""


def answer(name: str, results: Sequence[TrialResult]) -> Answer:
    [found] = answer_claims(results, claims={name: CLAIMS[name]})
    return found


def test_there_is_a_world_for_every_claim_that_can_be_decided() -> None:
    assert set(CLAIMS) == {*TRUE, *UNTESTABLE}
    assert set(FALSE) == set(TRUE) - set(NEVER_FALSE)


@pytest.mark.parametrize("name", TRUE)
def test_a_true_claim_is_supported(name: str) -> None:
    found = answer(name, train(TRUE[name]))
    assert found.verdict == "supported", (found.numbers, found.judgement.notes)
    assert found.numbers
    assert found.seeds
    assert not found.what_would_decide


@pytest.mark.parametrize("name", FALSE)
def test_a_false_claim_is_contradicted(name: str) -> None:
    found = answer(name, train(FALSE[name]))
    assert found.verdict == "contradicted", (found.numbers, found.judgement.notes)
    assert found.numbers
    assert not found.what_would_decide


@pytest.mark.parametrize("name", UNTESTABLE)
def test_a_claim_that_nothing_decides_names_what_is_missing(name: str) -> None:
    found = answer(name, train(TRUE["H1"], seeds=2))
    assert found.verdict == "not tested"
    assert found.missing == CLAIMS[name].rule.text.removeprefix("cannot be tested here: needs ")


@pytest.mark.parametrize("name", CLAIMS)
def test_without_its_trainings_a_claim_names_them(name: str) -> None:
    found = answer(name, train([Network({"network": "vgg", "depth": 15, "block_sampling": "all"})], seeds=2))
    assert found.verdict == "not tested"
    assert found.numbers == ""
    assert len(found.missing) > 10


@pytest.mark.parametrize("name", [name for name in TRUE if name not in COUNTED])
def test_one_seed_decides_nothing(name: str) -> None:
    found = answer(name, train(TRUE[name], seeds=1))
    assert found.verdict in ("not tested", "undecided") or name in ("Z2", "Z3", "Z10"), found.numbers
    assert found.what_would_decide or found.verdict not in ("not tested", "undecided")


@pytest.mark.parametrize("name", CLAIMS)
def test_every_claim_states_source_rule_and_needs(name: str) -> None:
    claim = CLAIMS[name]
    assert claim.id == name
    assert claim.statement.endswith(".")
    assert claim.source
    assert "supported where" in claim.rule.text or "cannot be tested here" in claim.rule.text
    assert claim.needs


@pytest.mark.parametrize("name", ["H1", "H2", "H9", "H11", "H13", "H15", "H16"])
def test_equal_cells_are_equivalent_or_undecided(name: str) -> None:
    equal = [network.with_(error=0.1, loss=0.3, pace=0.2, diverges=False) for network in TRUE[name]]
    assert answer(name, train(equal)).verdict in ("equivalent", "undecided")


@pytest.mark.parametrize("name", ["H1", "H11", "H15", "H28", "V10", "Z6"])
def test_results_without_outcomes_are_compared_by_seed_and_it_is_said(name: str) -> None:
    found = answer(name, train(TRUE[name], outcomes=False))
    assert found.verdict == "supported", found.numbers
    with_outcomes = answer(name, train(TRUE[name]))
    if name != "H1":  # what decides it there is a network that diverges
        assert "test examples fixed" in found.method
        assert "paired by example" in with_outcomes.method
    assert any("outcomes of its test examples" in note for note in found.notes)


def test_all_claims_of_a_report_share_one_level() -> None:
    results = train([*TRUE["H1"], *TRUE["H11"]], seeds=6)
    together = answer_claims(results)
    assert [one.claim.id for one in together] == list(CLAIMS)
    tested = [one for one in together if one.decision.p_value < 1]
    assert len(tested) > 3
    assert min(one.decision.level for one in tested) < 0.05 / len(tested) * 1.5
    assert max(one.decision.level for one in together) <= 0.05
