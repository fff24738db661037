"""What can be wrong with a search is said before anything runs."""

from typing import Any

import pytest

from resablate.errors import SpecError
from resablate.plan import plan_sweep
from resablate.searches import SEARCHES
from resablate.sweep import parse_sweep

RANGE = {"learning_rate": {"low": 1e-3, "high": 1, "log": True}}


def plan(*, axes: dict[str, Any] | None = None, parts: dict[str, Any] | None = None, **search: Any) -> Any:
    given = {"method": "tpe", "trials": 5, **search}
    return plan_sweep(
        parse_sweep({"name": "x", "axes": RANGE if axes is None else axes, "search": given, **(parts or {})})
    )


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"trials": None}, "search.trials: method: tpe needs the number of trials"),
    ({"axes": {}}, "axes: method: tpe needs at least one axis"),
    ({"axes": {}, "method": "quasi_random"}, "axes: method: quasi_random needs at least one axis"),
    ({"method": "quasi_random", "trials": None}, "search.trials: method: quasi_random needs the number of trials"),
    (
        {"method": "tpi"},
        r"unknown search 'tpi'; did you mean 'tpe'\? \(known: grid, random, quasi_random, tpe, gp",
    ),
    ({"minimize": "test_error"}, "search.minimize: test_error would choose by the test set, .* minimize val_error or"),
    ({"minimize": "val_eror"}, "search.minimize: 'val_eror' is none of val_error, .*; did you mean 'val_error'"),
    (
        {"minimize": "spectrum/worst_conditon", "parts": {"analyses": ["spectrum"]}},
        "search.minimize: spectrum/worst_conditon: spectrum .*'worst_condition'",
    ),
    ({"minimize": "leson/mean_increase"}, "search.minimize: unknown analysis 'leson'; did you mean 'lesion'"),
    (
        {"minimize": "spectrum/worst_condition", "parts": {"analyses": ["path_gradient"]}},
        r"search.minimize: spectrum/worst_condition: the sweep does not ask 'spectrum' \(it asks path_gradient\)",
    ),
    (
        {"minimize": "spectrum/worst_condition", "parts": {"analyses": {}}},
        r"search.minimize: .* does not ask 'spectrum' \(it asks no analysis but the test\)",
    ),
    (
        {"minimize": "lesion/mean_increase"},
        "search.minimize: lesion/mean_increase would choose by the test set",
    ),
    (
        {"minimize": "saliency/novelty"},
        "search.minimize: saliency/novelty would choose by the test",
    ),
    ({"minimize": "test_loss"}, "search.minimize: test_loss would choose by the test set"),
    ({"minimize": "test/error"}, "search.minimize: test/error would choose by the test set"),
    (
        {"axes": {"dataset.train_examples": {"low": 1000.2, "high": 1000.8}}},
        "axes.dataset.train_examples: takes whole numbers, and there is none from 1000.2 to 1000.8",
    ),
    ({"minimize": ["val_error", "val_error"]}, "search.minimize: every objective once, got val_error, val_error"),
    ({"minimize": []}, "search.minimize: at least one is needed, got an empty list"),
    (
        {"minimize": ["val_error", "val_loss"], "method": "gp"},
        "search.minimize: method: gp takes one objective, got val_error, val_loss; several are",
    ),
    (
        {"minimize": ["val_error", "val_loss"], "method": "random"},
        "search.minimize: method: random takes one",
    ),
    ({"seeds": [0, 0]}, r"search.seeds: every seed once, got \[0, 0\]"),
    ({"seeds": []}, "search.seeds: at least one is needed, got an empty list"),
    ({"seeds": [-1]}, "search.seeds.0: input should be greater than or equal to 0, got -1"),
    (
        {"seeds": [0, 1], "axes": {**RANGE, "seed": [0, 1]}},
        "search.seeds: axes.seed is set too; write the",
    ),
    ({"seeds": [0, 1], "parts": {"base": {"seed": 3}}}, "search.seeds: base.seed is set too"),
    ({"seeds": [0, 1], "parts": {"cases": [{"seed": 3, "depth": 14}]}}, "search.seeds: cases.seed is set too"),
    (
        {"pruning": "ash"},
        r"search.pruning: unknown pruning 'ash'; did you mean 'asha'\? \(known: none, asha",
    ),
    (
        {"pruning": "asha", "minimize": ["val_error", "val_loss"]},
        "search.pruning: asha compares one number; minim",
    ),
    ({"pruning": "median", "seeds": [0, 1]}, "search.pruning: median stops single trials, and search.seeds asks for"),
    (
        {"pruning": "asha", "method": "random", "axes": {"epochs": [4, 8]}},
        "search.pruning: asha compares trials after the same parts of their epochs, .*; epochs is swept",
    ),
    (
        {"method": "random", "pruning": "hyperband", "parts": {"resources": {"pack": 2}}},
        "resources.pack: hyperband has trials wait for each other, which members of a pack cannot, got 2; leave it out",
    ),
    ({"pruning": "hyperband"}, "search.pruning: hyperband waits for whole brackets of trials, so tpe would propose"),
    ({"analyze_best": 0}, "search.analyze_best: input should be greater than or equal to 1, got 0"),
    (
        {"analyze_best": 2, "minimize": "spectrum/worst_condition", "parts": {"analyses": ["spectrum"]}},
        "search.analyze_best: minimize needs spectrum/worst_condition of every trial; remove one of the two",
    ),
    (
        {"analyze_best": 2, "parts": {"analyses": {"test": {}}}},
        r"search.analyze_best: the sweep asks no analysis but test, .* add one to analyses \(known: test, lesion",
    ),
    (
        {"analyze_best": 2, "parts": {"analyses": {"path_gradient": {"epochs": [1, 2]}}}},
        "search.analyze_best: path_gradient is asked after epochs 1, 2, and which trials are the best is known at",
    ),
]


@pytest.mark.parametrize(("changed", "message"), MISTAKES, ids=[message[:60] for _, message in MISTAKES])
def test_a_mistake_is_one_line(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        plan(**changed)
    assert len(caught.value.problems) == 1
    assert caught.match(message)


ALL_IMAGES = {"base": {"dataset": {"name": "digits", "val_fraction": 0}}}
GRID: dict[str, Any] = {"method": "grid", "trials": None, "axes": {"seed": [0, 1]}}


@pytest.mark.parametrize(
    ("changed", "goer"),
    [
        ({}, "search.method: tpe"),
        ({"minimize": "val_loss", "method": "random"}, "search.method: random"),
        ({"seeds": [0, 1]}, "search.method: tpe"),
        ({**GRID, "pruning": "asha"}, "search.pruning: asha"),
        ({**GRID, "analyze_best": 1}, "search.analyze_best"),
    ],
)
def test_what_goes_by_validation_needs_images_that_are_held_out(changed: dict[str, Any], goer: str) -> None:
    analyses = {"analyses": ["lesion"]}
    with pytest.raises(SpecError) as caught:
        plan(**changed, parts={**ALL_IMAGES, **analyses})
    message = f"^dataset.val_fraction: 0 holds out no images, and {goer} chooses by val_error and val_loss of such"
    assert len(caught.value.problems) == 1
    assert caught.match(message)
    one_of_two = {**changed.get("axes", RANGE), "dataset.val_fraction": [0.1, 0]}
    with pytest.raises(SpecError, match=message):
        plan(**{**changed, "axes": one_of_two}, parts=analyses)
    plan(**changed, parts=analyses)


def test_a_grid_and_a_search_by_an_analysis_need_no_images_that_are_held_out() -> None:
    assert plan(**GRID, parts=ALL_IMAGES).trial_count == 2
    plan(minimize="spectrum/worst_condition", parts={**ALL_IMAGES, "analyses": ["spectrum"]})


def test_several_mistakes_come_together() -> None:
    with pytest.raises(SpecError) as caught:
        plan(trials=None, minimize=["test_error", "val_loss"], pruning="asha", seeds=[0], method="gp")
    places = [problem.partition(":")[0].removeprefix("search.") for problem in caught.value.problems]
    assert places == ["trials", "minimize", "minimize", "pruning", "pruning", "pruning"]


def test_the_ends_of_ranges_and_what_is_between_are_checked() -> None:
    base = {"base": {"regularizer": "procrustes"}}
    with pytest.raises(SpecError, match=r"regularizer 'procrustes': strength must be less than or equal to 1, got 2"):
        plan(axes={"regularizer.strength": {"low": 0.1, "high": 2}}, parts=base)
    with pytest.raises(SpecError, match=r"depth: 1\d is not 6n\+2 for basic blocks"):
        plan(axes={"depth": {"low": 8, "high": 20}})
    with pytest.raises(SpecError, match="unknown shortcut 'idenity'"):
        plan(axes={**RANGE, "shortcut": ["identity", "idenity"]})
    with pytest.raises(SpecError, match=r"shortcut.bias: no shortcut of this sweep takes it"):
        plan(axes={"shortcut": ["dropout"], "shortcut.bias": {"low": -3, "high": 0}})


def test_a_plan_of_what_is_proposed_one_by_one() -> None:
    planned = plan(axes={**RANGE, "shortcut": ["identity", "conv1x1"]}, trials=30, seeds=[0, 1])
    assert (planned.adaptive, planned.trials, planned.trial_count) == (True, (), 60)
    ends = [(spec.learning_rate, spec.shortcut.name, spec.seed) for spec in planned.samples[:8]]
    assert ends == [(rate, name, seed) for rate in (1e-3, 1.0) for name in ("identity", "conv1x1") for seed in (0, 1)]
    assert planned.notes == ("tpe proposes the trials one by one, such as these",)


def test_many_axes_do_not_make_the_check_long() -> None:
    names = [
        "learning_rate",
        "optimizer.momentum",
        "optimizer.weight_decay",
        "regularizer.strength",
        "block_sampling.final_survival",
        "schedule.decay_factor",
        "dataset.val_fraction",
    ]
    axes: dict[str, Any] = {name: {"low": 0.2, "high": 0.4} for name in names}
    axes |= {"seed": list(range(100)), "shortcut": ["identity", "nome"]}
    base = {"base": {"regularizer": "procrustes", "block_sampling": "stochastic_depth"}}
    with pytest.raises(SpecError, match="unknown shortcut 'nome'"):
        plan(axes=axes, parts=base)
    axes["shortcut"] = ["identity", "none"]
    assert len(plan(axes=axes, parts=base).samples) < 200


def test_seeds_of_a_search_that_knows_its_points() -> None:
    planned = plan(method="random", trials=3, seeds=[4, 5])
    assert [spec.seed for spec in planned.trials] == [4, 5] * 3
    assert len({spec.learning_rate for spec in planned.trials}) == 3
    assert planned.trial_count == planned.point_count == 6
    assert planned.sweep.label(planned.trials[0]) != planned.sweep.label(planned.trials[1])


def test_what_is_asked_of_the_best_alone() -> None:
    asked = {"parts": {"analyses": {"lesion": {"examples": 64}}}}
    planned = plan(method="random", trials=3, analyze_best=2, **asked)
    assert [question.name for question in planned.questions(planned.trials[0])] == ["test"]
    without = plan(method="random", trials=3, **asked)
    assert [spec.key for spec in planned.trials] == [spec.key for spec in without.trials]
    with pytest.raises(SpecError, match="unknown analysis 'leson'"):
        plan(method="random", trials=3, analyze_best=2, parts={"analyses": ["leson"]})


def test_the_same_seed_draws_the_same_points_in_every_release() -> None:
    sweep = parse_sweep({"name": "x", "axes": RANGE, "search": {"method": "random", "trials": 2, "seed": 5}})
    points = SEARCHES["random"](sweep)  # type: ignore[operator]
    assert [point["learning_rate"] for point in points] == pytest.approx(
        [0.2600212077863918, 0.26535200237404144], rel=1e-12
    )
