"""The sweeps that are planned for claims have what the claims need."""

from typing import Any

import pytest

from resablate.claims import CLAIMS
from resablate.claims.claim import Claim
from resablate.claims.planning import plan_claims, until_decided
from resablate.claims.trials import Trials
from resablate.errors import SpecError
from resablate.plan import SweepPlan, plan_sweep
from resablate.sweep import parse_sweep
from tests.claims.worlds import TRUE, UNTESTABLE
from tests.factories import make_outcomes, make_result


def planned(*names: str, **how: Any) -> SweepPlan:
    return plan_sweep(parse_sweep(plan_claims([CLAIMS[name] for name in names], **how).content))


def missing_parts(claim: Claim, plan: SweepPlan) -> str:
    """What the claim lacks of the trainings of a plan, without analyses."""
    results = [
        make_result(
            outcomes=make_outcomes(0.1, seed=spec.seed),
            fields={name: value for name, value in dict(spec).items()},
        )
        for spec in plan.trials
    ]
    return claim.judge(Trials(results)).missing


@pytest.mark.parametrize("name", TRUE)
def test_a_planned_sweep_has_the_trainings_and_questions(name: str) -> None:
    claim, plan = CLAIMS[name], planned(name, seeds=2)
    assert {spec.seed for spec in plan.trials} == {0, 1}
    assert set(claim.questions) <= {asked.analysis.name for asked in plan.asked}
    missing = missing_parts(claim, plan)
    assert not missing or missing.startswith(tuple(claim.questions)) or " with " in missing, missing
    if not claim.questions:
        assert not missing


def test_the_smallest_sweep_trains_nothing_twice() -> None:
    """H11 and H15 share the original ordering: three cells."""
    plan = planned("H11", "H15", dataset="fashion_mnist", depth=56, seeds=2)
    assert len(plan.trials) == 6
    assert {spec.depth for spec in plan.trials} == {56}
    assert {spec.dataset.name for spec in plan.trials} == {"fashion_mnist"}
    content = plan_claims([CLAIMS["H15"]], dataset="fashion_mnist", depth=56, seeds=2).content
    assert content["axes"] == {"ordering": ["full_preactivation", "original"], "seed": [0, 1]}
    assert content["base"] == {"dataset": "fashion_mnist", "depth": 56}


def test_seeds_follow_from_the_published_effect() -> None:
    """With an sd of 0.18 points, 0.24 points take more seeds of two unpaired cells than 1.56, and these than 5.74."""
    counts = {name: len({spec.seed for spec in planned(name).trials}) for name in ("H2", "H11", "H15")}
    assert counts["H2"] == 3 <= counts["H11"] <= counts["H15"]
    assert 8 <= counts["H15"] <= 14


def test_a_failure_takes_as_many_seeds_as_a_coin_would_not_give() -> None:
    assert len({spec.seed for spec in planned("H4").trials}) == 6


@pytest.mark.parametrize("name", UNTESTABLE)
def test_what_nothing_decides_cannot_be_planned(name: str) -> None:
    with pytest.raises(SpecError, match=rf"^{name}: nothing decides it yet"):
        plan_claims([CLAIMS[name]])


@pytest.mark.parametrize(
    ("names", "how", "message"),
    [
        (["H1"], {"depth": 57}, "H1: depth: 57 is not 6n"),
        (["V7"], {"depth": 32}, "V7: counts networks of 110 layers or more, got depth 32"),
        (["H23"], {"dataset": "digits"}, "H23: is about image_folder alone, got dataset 'digits'"),
        (["Z2"], {"depth": 20}, "Z2: needs 4 depths or more"),
        (["H1"], {"dataset": "digit"}, "unknown dataset 'digit'; did you mean 'digits'"),
    ],
)
def test_bad_input_is_told(names: list[str], how: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        planned(*names, **how)


@pytest.mark.parametrize("name", ["H1", "V10", "Z10"])
def test_a_sweep_until_decided_is_one_that_can_be_planned(name: str) -> None:
    planned = until_decided(plan_claims([CLAIMS[name]], seeds=6), [CLAIMS[name]])
    plan = plan_sweep(parse_sweep(planned.content))
    family = plan.family()
    assert family
    assert (list(family.claims), family.rounds.seeds[-1]) == ([name], 8)
    assert {spec.seed for spec in plan.trials} == {0, 1}


def test_a_network_that_others_train_is_not_trained_in_a_special_form_too() -> None:
    """V1 is about any ordering; H1's identity at 56 layers is one."""
    assert {spec.ordering.name for spec in planned("H1", "V1", dataset="fashion_mnist", depth=56).trials} == {
        "original"
    }
    assert {spec.ordering.name for spec in planned("V1", dataset="fashion_mnist", depth=56).trials} == {
        "full_preactivation"
    }


def test_what_is_counted_takes_one_training() -> None:
    assert len(planned("V7").trials) == 1
    assert len({spec.seed for spec in planned("V7", "V1").trials}) == 3, "V1 has noise"
    [note] = plan_claims([CLAIMS["V7"]]).notes
    assert note == "one training tells V7: it follows from the network alone"
    assert len(planned("V9").trials) == 3, "half of V9 is counted, and half of it has noise"


@pytest.mark.parametrize(("names", "recipe"), [(["Z5", "Z6"], (300, None)), (["Z6", "H15"], (200, 64_000))])
def test_a_claim_is_planned_with_its_papers_recipe(names: list[str], recipe: tuple[int, int | None]) -> None:
    """Where papers meet, with that of He et al., so that networks can be shared."""
    assert {(spec.epochs, spec.iterations) for spec in planned(*names).trials} == {recipe}


def test_one_seed_decides_nothing_and_the_plan_says_so() -> None:
    assert any("one seed of each decides nothing" in note for note in plan_claims([CLAIMS["H15"]], seeds=1).notes)
    assert not any("decides nothing" in note for note in plan_claims([CLAIMS["H15"]], seeds=2).notes)
    assert not any("decides nothing" in note for note in plan_claims([CLAIMS["V7"]], seeds=1).notes)


def test_seeds_are_the_most_of_rounds() -> None:
    claims = [CLAIMS["H15"]]
    assert until_decided(plan_claims(claims, seeds=4), claims, most=4).content["seeds"]["most"] == 4
    with pytest.raises(SpecError, match="--seeds 2: with --until-decided these are the most"):
        until_decided(plan_claims(claims, seeds=2), claims, most=2)


@pytest.mark.parametrize("name", ["T1", "I1", "C1"])
def test_a_claim_that_nothing_here_decides_names_what_it_lacks(name: str) -> None:
    assert CLAIMS[name].needs.startswith("cannot be tested here: needs a ")
