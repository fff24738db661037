"""A sweep's own question, which no paper asked: what each value of an axis does, against the first one."""

from typing import Any

import numpy as np
import pytest

from resablate.claims.answer import Answer
from resablate.claims.answering import Answers, answer_sweeps
from resablate.claims.effects_told import told_effects
from resablate.claims.sweep_comparisons import effects_of
from resablate.component import Component
from resablate.plan import plan_sweep
from resablate.result import TrialResult
from resablate.sweep import SweepSpec, parse_sweep
from tests.factories import make_lesion, make_outcomes, make_result, make_spectrum

EXAMPLES = 2000


def sweep(axes: dict[str, Any], **more: Any) -> SweepSpec:
    return parse_sweep({"name": "own", "axes": {**axes, "seed": [0, 1, 2, 3, 4, 5]}, "analyses": {}, **more})


def trained(fields: dict[str, Any], error: float, *, seeds: int = 6, **more: Any) -> list[TrialResult]:
    """Trainings whose errors differ by what seeds do."""
    return [
        make_result(
            error=error + 0.002 * (seed - (seeds - 1) / 2),
            outcomes=make_outcomes(error + 0.002 * (seed - (seeds - 1) / 2), seed=seed, count=EXAMPLES),
            seed=seed,
            fields=fields,
            **more,
        )
        for seed in range(seeds)
    ]


def own(found: Answers) -> list[Answer]:
    return [answer for answer in found.answers if answer.claim.own]


REGULARIZED = {"name": "procrustes", "strength": 0.1}


def test_a_sweep_about_no_published_claim_answers_its_question() -> None:
    asked = sweep(
        {"regularizer": ["none", "procrustes"], "regularizer.strength": [0.01, 0.1], "augmentation": ["none"]}
    )
    results = [
        *trained({"regularizer": "none"}, 0.2),
        *trained({"regularizer": {"name": "procrustes", "strength": 0.01}}, 0.1),
        *trained({"regularizer": REGULARIZED}, 0.3),
    ]
    found = answer_sweeps([asked], results[::-1])
    better, worse = own(found)
    assert [better.word, worse.word] == ["better", "worse"], "whatever order the results come in"
    errors = [[r.test_error for r in results[6 * place : 6 * place + 6]] for place in range(3)]
    assert better.shown and worse.shown
    assert better.shown.value == pytest.approx(np.mean(errors[0]) - np.mean(errors[1]), abs=1e-6)
    assert worse.numbers.startswith("higher by 10.")
    assert sorted([better.shown.level, worse.shown.level]) == [0.025, 0.05], "one level for both (Holm)"
    [told] = told_effects(found)
    assert told.head == "test error by regularizer, against no regularizer"
    assert told.told == "better: procrustes, strength 0.01, worse: procrustes, strength 0.1"


def test_the_word_of_an_argument_stands_with_its_name() -> None:
    """`off` alone would say that the projection is off."""
    stems = ("off", "published")
    cells = [("projection", "none"), *(("bare", {"name": "procrustes", "stem": stem}) for stem in stems)]
    cases = [{"network.transition": transition, "regularizer": regularizer} for transition, regularizer in cells]
    asked = parse_sweep({"name": "own", "cases": cases, "axes": {"seed": [0, 1]}, "analyses": {}})
    results = [
        result
        for transition, regularizer in cells
        for result in trained(
            {"network": {"name": "resnet", "transition": transition}, "regularizer": regularizer}, 0.1
        )
    ]
    assert [answer.claim.statement for answer in own(answer_sweeps([asked], results))] == [
        f"Test error: transition bare, procrustes, stem {stem} against transition projection, no regularizer."
        for stem in stems
    ]


def test_a_value_that_does_not_say_what_it_is_stands_with_its_field() -> None:
    """`all` alone would say all of anything."""
    asked = sweep({"block_sampling": ["all", "stochastic_depth"]})
    results = [r for name in ("all", "stochastic_depth") for r in trained({"block_sampling": name}, 0.1)]
    assert [answer.claim.statement for answer in own(answer_sweeps([asked], results))] == [
        "Test error: block sampling stochastic_depth against block sampling all."
    ]


def test_every_axis_is_compared_with_the_others_equal() -> None:
    asked = sweep({"learning_rate": [0.1, 0.2], "depth": [20, 32]})
    results = [
        r for rate in (0.1, 0.2) for depth in (20, 32) for r in trained({"learning_rate": rate, "depth": depth}, 0.1)
    ]
    found = answer_sweeps([asked], results)
    assert [a.claim.statement for a in own(found)] == [
        "Test error: learning rate 0.2 against learning rate 0.1, depth 20.",
        "Test error: learning rate 0.2 against learning rate 0.1, depth 32.",
        "Test error: depth 32 against depth 20, learning rate 0.1.",
        "Test error: depth 32 against depth 20, learning rate 0.2.",
    ]
    assert all(answer.verdict in ("undecided", "equivalent") for answer in own(found)), "nothing differs"


def test_many_settings_are_averaged() -> None:
    """7 x 7 cells make 84 comparisons; averaged they are 12, and of the rates alone something differs."""
    rates = [0.1, 0.11, 0.12, 0.13, 0.14, 0.15, 0.16]
    widths = [4, 5, 6, 7, 8, 9, 10]
    asked = sweep({"learning_rate": rates, "width": widths})
    results = [
        r
        for place, rate in enumerate(rates)
        for width in widths
        for r in trained({"learning_rate": rate, "width": width}, 0.1 + (0.05 if place == 3 else 0.0), seeds=3)
    ]
    found = answer_sweeps([asked], results)
    answers = own(found)
    assert len(answers) == 12
    assert answers[2].shown
    means = [np.mean([r.test_error for r in results if r.spec.learning_rate == rate]) for rate in rates]
    assert answers[2].shown.value == pytest.approx(means[0] - means[3], abs=1e-9)
    assert [answer.word for answer in answers].count("worse") == 1
    assert answers[2].word == "worse"
    assert "mean over 7 settings" in answers[2].claim.statement
    assert any("lowest validation error" in note and "no result" in note for note in found.remarks)
    fewer = own(answer_sweeps([asked], results[1:]))
    assert "the cells have unequal numbers of trainings: 2 to 3" in fewer[0].notes


def test_one_seed_decides_nothing_and_says_so() -> None:
    asked = sweep({"learning_rate": [0.1, 0.2]})
    results = [*trained({"learning_rate": 0.1}, 0.1, seeds=1), *trained({"learning_rate": 0.2}, 0.5, seeds=1)]
    [answer] = own(answer_sweeps([asked], results))
    assert answer.word == "undecided"
    assert answer.what_would_decide.startswith("one seed")
    [told] = told_effects(answer_sweeps([asked], results))
    assert told.told == "undecided with 1 seed of each"


def test_cells_of_unequal_seeds_are_told_with_both_numbers() -> None:
    asked = sweep({"learning_rate": [0.1, 0.2]})
    results = [*trained({"learning_rate": 0.1}, 0.1, seeds=3), *trained({"learning_rate": 0.2}, 0.1, seeds=2)]
    [told] = told_effects(answer_sweeps([asked], results))
    assert told.answers[0].seeds in ("2 and 3", "3 and 2")
    assert told.told == "undecided with 2 to 3 seeds of each"


def test_a_cell_that_diverges_is_worse_by_its_failures() -> None:
    asked = sweep({"learning_rate": [0.1, 9.0]})
    gone = [make_result(status="diverged", losses=[2.3], seed=s, fields={"learning_rate": 9.0}) for s in range(6)]
    [answer] = own(answer_sweeps([asked], [*trained({"learning_rate": 0.1}, 0.1), *gone]))
    assert answer.word == "worse"
    assert answer.numbers.startswith("failures more often by 100 %")


def test_what_has_not_run_is_named() -> None:
    asked = sweep({"learning_rate": [0.1, 0.2]})
    first, other = trained({"learning_rate": 0.1}, 0.1), trained({"learning_rate": 0.2}, 0.1)
    [answer] = own(answer_sweeps([asked], first, [result.spec for result in other]))
    assert (answer.word, answer.what_would_decide) == ("not tested", "needs trainings of learning rate 0.2")


def test_a_number_that_the_sweep_measures_is_compared_too() -> None:
    asked = sweep({"learning_rate": [0.1, 0.2]}, analyses={"lesion": {}})
    results = [
        r.model_copy(update={"measurements": (*r.measurements, *more.measurements)})
        for rate, rise in ((0.1, 0.2), (0.2, 0.4))
        for r in trained({"learning_rate": rate}, 0.1)
        for more in [
            make_result(
                seed=r.spec.seed,
                fields={"learning_rate": rate},
                analyses={"lesion": make_lesion([0.1 + rise + 0.001 * r.spec.seed] * 2, baseline=0.1)},
            )
        ]
    ]
    by_measure = {answer.claim.rule.measures[0].name: answer for answer in own(answer_sweeps([asked], results))}
    lesion = by_measure["mean increase of error without one block"]
    assert lesion.word == "higher"
    assert lesion.numbers.startswith("higher by 20.")


def test_a_number_that_no_network_has_is_not_compared() -> None:
    """The networks have no transition convolution; what has not answered yet may have one."""
    asked = sweep({"learning_rate": [0.1, 0.2]}, analyses={"spectrum": {}})
    plain = [*trained({"learning_rate": 0.1}, 0.1), *trained({"learning_rate": 0.2}, 0.1)]
    spectrum = make_spectrum([1.0, 1.0])
    answered = [
        r.model_copy(update={"measurements": (*r.measurements, *more.measurements)})
        for r in plain
        for more in [make_result(seed=r.spec.seed, analyses={"spectrum": spectrum})]
    ]
    assert [told.effect.measure.name for told in told_effects(answer_sweeps([asked], answered))] == ["test error"]
    assert len(told_effects(answer_sweeps([asked], plain))) == len(("test error", "distance"))


def test_one_cell_is_told_by_its_error() -> None:
    found = answer_sweeps([sweep({})], trained({}, 0.1))
    assert not own(found)
    assert found.notes[0].startswith("The test error is 9.62 % (8.48 to 10.91, n = 6)")
    assert "n = 6" in found.notes[0]


def test_networks_that_have_not_learned_decide_nothing_however_many_seeds() -> None:
    asked = sweep({"learning_rate": [0.1, 0.2]})
    [answer] = own(
        answer_sweeps([asked], [*trained({"learning_rate": 0.1}, 0.85), *trained({"learning_rate": 0.2}, 0.8)])
    )
    assert answer.judgement.cannot_decide
    assert answer.what_would_decide == "a setting in which the networks learn"


def test_a_search_that_replicates_nothing_says_what_would_decide() -> None:
    asked = parse_sweep(
        {
            "name": "searched",
            "axes": {"learning_rate": {"low": 0.01, "high": 1.0, "log": True}},
            "analyses": {},
            "search": {"method": "random", "trials": 2, "minimize": "val_error"},
        }
    )
    results = [*trained({"learning_rate": 0.1}, 0.1, seeds=1), *trained({"learning_rate": 0.2}, 0.3, seeds=1)]
    found = answer_sweeps([asked], results)
    assert not own(found)
    [note] = found.notes
    assert "learning_rate" in note
    assert "so nothing is decided" in note
    assert "replicate" in note


def test_records_of_an_earlier_version_are_compared_with_those_of_this_one() -> None:
    """A default that came later stands in new records alone; the trainings are the same."""
    asked = sweep({"learning_rate": [0.1, 0.2]})
    today = trained({"learning_rate": 0.1}, 0.1)
    assert all("stages" in result.spec.network.defaults for result in today)
    old: list[TrialResult] = []
    for result in today:
        network = result.spec.network
        fewer = {name: value for name, value in network.defaults.items() if name != "stages"}
        earlier = Component(network.name, network.arguments, fewer, network.identity)
        old.append(result.model_copy(update={"spec": result.spec.model_copy(update={"network": earlier})}))
    [answer] = own(answer_sweeps([asked], [*old, *trained({"learning_rate": 0.2}, 0.2)]))
    assert answer.word == "worse"


def test_what_a_network_takes_no_account_of_does_not_part_it_from_others() -> None:
    """A VGG has no ordering; its record says the default, whatever the sweep's base says."""
    content = {
        "name": "networks",
        "base": {"dataset": "digits", "ordering": "full_preactivation"},
        "cases": [{"network": "resnet", "depth": 8}, {"network": "vgg", "depth": 11}],
        "axes": {"seed": [0, 1]},
        "analyses": {},
    }
    plan = plan_sweep(parse_sweep(content))
    [effect] = effects_of(plan.sweep, plan.trials)
    assert list(effect.changed.values()) == ["vgg, depth 11"]
    assert list(effect.against.values()) == ["resnet, depth 8"]
