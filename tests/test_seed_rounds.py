"""The block of a sweep file by which seeds come in rounds: what it may say, and what every mistake is told as."""

from typing import Any

import pytest

from resablate.errors import SpecError
from resablate.plan import SweepPlan, checked_plan
from resablate.sweep import parse_sweep

BASE = {"dataset": "digits", "depth": 8, "width": 4, "epochs": 2}
AXES = {"shortcut": ["identity", "none"]}


def plan(seeds: Any, **parts: Any) -> SweepPlan:
    content = {"name": "tiny", "base": BASE, "axes": AXES, "analyses": {}, "seeds": seeds, **parts}
    return checked_plan(lambda: parse_sweep(content), place="tiny.yaml")


def test_a_plan_begins_with_the_first_round_and_says_what_may_follow() -> None:
    found = plan({"until": "decided", "most": 20, "claims": "V2"}, analyses={"lesion": {}})
    assert [spec.seed for spec in found.trials] == [0, 1, 0, 1]
    assert (found.trial_count, found.most_trials) == (4, 22), "identity is compared by no claim"
    assert found.notes[:3] == (
        "seeds: up to 9 rounds, with 2, 3, 4, 5, 7, 9, 12, 16, 20 seeds of each of 2 cells, until V2 is decided:"
        " 4 to 22 trainings",
        "seeds: none of this compares 1 of the cells, which get 2 seeds each",
        "Seeds come until V2 is decided, and the level is spent on that first; the sweep's own comparisons, those by"
        " shortcut, have it once a side of each has been called. Until then they are not tested: each number stands by"
        " itself, with an interval that holds whenever the seeds stop.",
    )
    family = found.family()
    assert family
    assert list(family.claims) == ["V2"]
    counts = dict.fromkeys(family.cells, 3)
    assert [(str(spec.shortcut), spec.seed) for spec in found.replicates(counts)] == [
        *(("identity", seed) for seed in (0, 1)),
        *(("none", seed) for seed in (0, 1, 2)),
    ]
    assert parse_sweep(found.sweep.model_dump(mode="json")) == found.sweep, "the record holds the plan of rounds"


@pytest.mark.parametrize(
    ("seeds", "told"),
    [
        (5, r"seeds: rounds of seeds, such as {until: decided, most: 20}; a fixed number is an axis.*, got 5"),
        ({"most": 5}, "seeds.until: field required"),
        ({"until": "bored", "most": 5}, "seeds.until: input should be 'decided', got 'bored'"),
        ({"until": "decided"}, "seeds.most: field required"),
        ({"until": "decided", "most": 1}, "seeds.most: .*greater than or equal to 2, got 1"),
        ({"until": "decided", "most": True}, "seeds.most: must not be true or false, got true"),
        ({"until": "decided", "most": 5, "first": 1}, "seeds.first: .*greater than or equal to 2, got 1"),
        ({"until": "decided", "most": 3, "first": 5}, "seeds: first <= most must hold, but got first=5, most=3"),
        ({"until": "decided", "most": 5, "first": 5}, "first and most are both 5: that is one round, which is an axis"),
        ({"until": "decided", "most": 5, "step": 1}, r"seeds.step: no such field .*fields: until, most, first, claims"),
        ({"until": "decided", "most": 5, "claims": []}, "seeds.claims: at least one is needed, got an empty list"),
        ({"until": "decided", "most": 5, "claims": ["V2", "V2"]}, "seeds.claims: every claim once, got V2 again"),
        ({"until": "decided", "most": 5, "claims": ["X1"]}, "seeds.claims: unknown claim 'X1'"),
        ({"until": "decided", "most": 5, "claims": ["H1"]}, "seeds.claims: this sweep cannot decide H1, which needs"),
        ({"until": "decided", "most": 5, "claims": "owm"}, "seeds.claims: unknown claim 'owm'; did you mean 'own'"),
    ],
)
def test_mistakes_in_the_block(seeds: Any, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        plan(seeds, analyses={"lesion": {}})


@pytest.mark.parametrize("claims", [["V2", "V99"], "V99"])
@pytest.mark.parametrize(
    ("parts", "most", "told"),
    [
        ({"base": {**BASE, "depth": 9}}, 5, "depth: 9 is not"),
        ({"base": {**BASE, "width": 0}}, 5, "width: input should be greater"),
        ({"axes": {"shortcut": ["identity", "nane"]}}, 5, "unknown shortcut 'nane'"),
        ({"analyses": {"lesions": {}}}, 5, "unknown analysis 'lesions'"),
        ({}, 1, "seeds.most: input should be greater"),
    ],
)
def test_an_unknown_claim_is_told_beside_every_other_mistake(parts: Any, most: int, told: str, claims: Any) -> None:
    with pytest.raises(SpecError) as error:
        plan({"until": "decided", "most": most, "claims": claims}, **parts)
    assert told in str(error.value)
    assert sum("seeds.claims: unknown claim 'V99'" in problem for problem in error.value.problems) == 1


ROUNDS = {"until": "decided", "most": 5}
TPE = {"method": "tpe", "trials": 4}


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"axes": {**AXES, "seed": [0, 1]}}, "seeds: axes.seed is set too, and seeds come in rounds"),
        ({"base": {**BASE, "seed": 3}}, "seeds: base.seed is set too"),
        ({"axes": {}, "cases": [{"seed": 1}, {"seed": 2}]}, "seeds: cases.seed is set too"),
        ({"search": {"seeds": [0, 1]}}, "seeds: search.seeds is set too"),
        ({"search": TPE}, "seeds: tpe proposes its points one by one"),
        ({"search": {"pruning": "asha"}}, "seeds: search.pruning asha stops trainings by their outcome"),
        ({"search": {"analyze_best": 1}, "analyses": {"lesion": {}}}, "seeds: search.analyze_best"),
        (
            {"axes": {}},
            "seeds: no claim compares the trainings of this sweep, and it is no grid with two values of an axis",
        ),
        (
            {"axes": {}, "seeds": {**ROUNDS, "claims": ["own", "V2"]}},
            "(?s)cannot decide own, which needs a grid with two values.*cannot decide V2, which needs trainings",
        ),
    ],
)
def test_what_does_not_go_with_rounds(parts: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        plan(**{"seeds": ROUNDS, **parts})


def test_the_sweep_s_own_question_is_decided_in_rounds() -> None:
    """With the published claims that it can decide, at one level, or alone."""
    widths = {"axes": {"width": [4, 8]}, "base": {"dataset": "digits", "depth": 8, "epochs": 2}}
    for claims in (None, "own"):
        found = plan({**ROUNDS, "claims": claims}, **widths)
        assert found.notes[0].endswith("until the sweep's own comparison is decided: 4 to 10 trainings")
        assert not any("own comparisons" in note for note in found.notes[1:]), "nothing goes before it"
    both = plan(ROUNDS, analyses={"lesion": {}})
    assert "until the sweep's 2 own comparisons and V2 are decided" in both.notes[0]
    alone = plan({**ROUNDS, "claims": ["own"]}, analyses={"lesion": {}}).family()
    assert alone
    assert [claim.own for claim in alone.claims.values()] == [True, True]


def test_points_that_are_known_ahead_may_have_rounds() -> None:
    found = plan(ROUNDS, search={"method": "random", "trials": 6}, analyses={"lesion": {}})
    assert sorted(spec.seed for spec in found.trials) == [0, 0, 1, 1]
