"""What can be wrong with a search is said before anything runs."""

from typing import Any

import pytest

from resablate.errors import SpecError
from resablate.plan import plan_sweep
from resablate.searches import SEARCHES
from resablate.sweep import parse_sweep

RANGE = {"learning_rate": {"low": 1e-3, "high": 1, "log": True}}


def plan(base: dict[str, Any] | None = None, axes: dict[str, Any] | None = None, **search: Any) -> Any:
    given = {"method": "tpe", "trials": 5, **search}
    return plan_sweep(
        parse_sweep({"name": "x", "base": base or {}, "axes": RANGE if axes is None else axes, "search": given})
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
        {"minimize": "lesion/mean_increse"},
        "search.minimize: lesion/mean_increse: lesion .*'mean_increase'",
    ),
    ({"minimize": "leson/mean_increase"}, "search.minimize: unknown analysis 'leson'; did you mean 'lesion'"),
    (
        {"minimize": "lesion/mean_increase", "base": {"analyses": ["path_gradient"]}},
        r"search.minimize: lesion/mean_increase: the trials do not run lesion \(they run path_gradient\)",
    ),
    (
        {"minimize": "lesion/mean_error", "axes": {**RANGE, "analyses": [["lesion"], []]}},
        r"search.minimize: .* do not run lesion \(they run no analysis\)",
    ),
    ({"minimize": ["val_error", "val_error"]}, "search.minimize: every objective once, got val_error, val_error"),
    ({"minimize": []}, "search.minimize: at least one is needed, got an empty list"),
    (
        {"minimize": ["val_error", "lesion/mean_increase"], "method": "gp"},
        "search.minimize: method: gp takes one objective, got val_error, lesion/mean_increase; several are",
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
    ({"seeds": [0, 1], "base": {"seed": 3}}, "search.seeds: base.seed is set too"),
    (
        {"pruning": "ash"},
        r"search.pruning: unknown pruning 'ash'; did you mean 'asha'\? \(known: none, asha",
    ),
    (
        {"pruning": "asha", "minimize": ["val_error", "val_loss"]},
        "search.pruning: asha compares one number; minim",
    ),
    ({"pruning": "median", "seeds": [0, 1]}, "search.pruning: median stops single trials, and search.seeds asks for"),
    ({"pruning": "hyperband"}, "search.pruning: hyperband waits for whole brackets of trials, so tpe would propose"),
    ({"analyze_best": 0}, "search.analyze_best: input should be greater than or equal to 1, got 0"),
    (
        {"analyze_best": 2, "minimize": "lesion/mean_error"},
        "search.analyze_best: minimize needs lesion/mean_error of every trial; remove one of the two",
    ),
    (
        {"analyze_best": 2, "base": {"analyses": []}},
        "search.analyze_best: needs base.analyses, one list for",
    ),
    (
        {"analyze_best": 2, "base": {"analysis_epochs": [1]}},
        "search.analyze_best: analysis_epochs asks for analyses",
    ),
]


@pytest.mark.parametrize(("changed", "message"), MISTAKES, ids=[message[:60] for _, message in MISTAKES])
def test_a_mistake_is_one_line(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        plan(**changed)
    assert len(caught.value.problems) == 1
    assert caught.match(message)


def test_several_mistakes_come_together() -> None:
    with pytest.raises(SpecError) as caught:
        plan(trials=None, minimize=["test_error", "val_loss"], pruning="asha", seeds=[0], method="gp")
    places = [problem.partition(":")[0].removeprefix("search.") for problem in caught.value.problems]
    assert places == ["trials", "minimize", "minimize", "pruning", "pruning", "pruning"]


def test_the_ends_of_ranges_and_what_is_between_are_checked() -> None:
    procrustes = {"base": {"regularizer": "procrustes"}, "axes": {"sv_strength": {"low": 0.1, "high": 2}}}
    with pytest.raises(SpecError, match="procrustes moves by a part of the way, at most 1; got 2"):
        plan(**procrustes)
    with pytest.raises(SpecError, match=r"depth: 1\d is not 6n\+2 for basic blocks"):
        plan(axes={"depth": {"low": 8, "high": 20}})
    with pytest.raises(SpecError, match="unknown shortcut 'idenity'"):
        plan(axes={**RANGE, "shortcut": ["identity", "idenity"]})
    with pytest.raises(SpecError, match=r"shortcut_args.bias: no shortcut of this sweep takes it"):
        plan(axes={"shortcut": ["dropout"], "shortcut_args.bias": {"low": -3, "high": 0}})


def test_a_plan_of_what_is_proposed_one_by_one() -> None:
    planned = plan(axes={**RANGE, "shortcut": ["identity", "conv1x1"]}, trials=30, seeds=[0, 1])
    assert (planned.adaptive, planned.trials, planned.trial_count) == (True, (), 60)
    ends = [(spec.learning_rate, spec.shortcut, spec.seed) for spec in planned.samples[:8]]
    assert ends == [(rate, name, seed) for rate in (1e-3, 1.0) for name in ("identity", "conv1x1") for seed in (0, 1)]
    assert planned.notes == ("tpe proposes the trials one by one, such as these",)


def test_many_axes_do_not_make_the_check_long() -> None:
    names = [
        "learning_rate",
        "momentum",
        "weight_decay",
        "sv_frequency",
        "final_survival",
        "decay_factor",
        "val_fraction",
    ]
    axes: dict[str, Any] = {name: {"low": 0.2, "high": 0.4} for name in names}
    axes |= {"seed": list(range(100)), "shortcut": ["identity", "nome"]}
    with pytest.raises(SpecError, match="unknown shortcut 'nome'"):
        plan(axes=axes)
    axes["shortcut"] = ["identity", "none"]
    assert len(plan(axes=axes).samples) < 200


def test_seeds_of_a_search_that_knows_its_points() -> None:
    planned = plan(method="random", trials=3, seeds=[4, 5])
    assert [spec.seed for spec in planned.trials] == [4, 5] * 3
    assert len({spec.learning_rate for spec in planned.trials}) == 3
    assert planned.trial_count == planned.point_count == 6
    assert planned.sweep.label(planned.trials[0]) != planned.sweep.label(planned.trials[1])


def test_analyses_of_the_best_are_no_part_of_a_trial() -> None:
    planned = plan(method="random", trials=3, analyze_best=2, base={"analyses": ["lesion"], "lesion_examples": 64})
    assert [spec.analyses for spec in planned.trials] == [()] * 3
    without = plan(method="random", trials=3, base={"analyses": []})
    assert [spec.key for spec in planned.trials] == [spec.key for spec in without.trials]
    assert planned.notes == ("analyses are run on the best 2 trials alone, by val_error, at the end",)
    with pytest.raises(SpecError, match="unknown analysis 'leson'"):
        plan(method="random", trials=3, analyze_best=2, base={"analyses": ["leson"]})


def test_searches_that_were_there_before_draw_what_they_drew() -> None:
    sweep = parse_sweep({"name": "x", "axes": RANGE, "search": {"method": "random", "trials": 2, "seed": 5}})
    points = SEARCHES["random"](sweep)  # type: ignore[operator]
    assert [point["learning_rate"] for point in points] == pytest.approx(
        [0.2600212077863918, 0.26535200237404144], rel=1e-12
    )
