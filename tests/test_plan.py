import time
from pathlib import Path
from typing import Any

import pytest

from resablate.errors import SpecError
from resablate.estimates import estimate_cpu_seconds
from resablate.plan import SweepPlan, checked_plan, load_plan, plan_sweep
from resablate.spec import TrainSpec
from resablate.sweep import parse_sweep


def plan(place: str = "", **content: Any) -> SweepPlan:
    return plan_sweep(parse_sweep({"name": "x", **content}), place=place)


def test_a_grid_is_its_points_in_order() -> None:
    planned = plan(axes={"depth": [8, 14], "seed": [0, 1]})
    assert [(trial.depth, trial.seed) for trial in planned.trials] == [(8, 0), (8, 1), (14, 0), (14, 1)]
    assert planned.point_count == 4
    assert planned.notes == ()


def test_an_argument_is_no_axis_of_a_shortcut_that_does_not_take_it() -> None:
    planned = plan(axes={"shortcut": ["identity", "exclusive_gate", "dropout"], "shortcut_args.bias": [-3, -5, -7]})
    assert [(trial.shortcut, trial.shortcut_args) for trial in planned.trials] == [
        ("identity", {}),
        ("exclusive_gate", {"bias": -3}),
        ("exclusive_gate", {"bias": -5}),
        ("exclusive_gate", {"bias": -7}),
        ("dropout", {}),
    ]
    assert planned.point_count == 9
    assert planned.notes == (
        "shortcut_args.bias has no effect on identity, dropout, which run once, without it",
        "9 points make 5 different trials; the others would repeat one of these",
    )


def test_what_is_not_written_and_not_as_published_is_told() -> None:
    base = {"network": "imagenet_resnet", "depth": 18, "dataset": "image_folder"}
    assert plan(base=base).notes == (
        "imagenet_resnet is built with width 16 (published: 64), transition pad (published: projection), as the sweep"
        " writes nothing else",
    )
    assert plan(base={**base, "width": 16, "transition": "pad"}).notes == ()
    assert plan(base=base, axes={"width": [32, 64], "transition": ["projection"]}).notes == ()


def test_an_argument_of_the_base_is_kept_for_those_that_take_it() -> None:
    planned = plan(
        base={"shortcut_args": {"bias": -3}}, axes={"shortcut": ["identity", "exclusive_gate", "shortcut_only_gate"]}
    )
    assert [trial.shortcut_args for trial in planned.trials] == [{}, {"bias": -3}, {"bias": -3}]


def test_whole_sets_of_arguments_may_be_an_axis() -> None:
    factors = [{"carried_factor": 0.5, "added_factor": 1}, {"carried_factor": 0.3, "added_factor": 0.7}, {}]
    planned = plan(base={"shortcut": "constant_scale"}, axes={"shortcut_args": factors})
    assert [trial.shortcut_args for trial in planned.trials] == [
        {"added_factor": 1},
        {"added_factor": 0.7, "carried_factor": 0.3},
        {},
    ]


@pytest.mark.parametrize(
    ("axes", "trials"),
    [
        ({"sv_strength": [0, 0.5, 1]}, 1),
        ({"regularizer": ["none", "orthogonal_penalty"], "sv_strength": [0, 0.5, 1]}, 3),
        ({"schedule": ["steps", "one_cycle"], "milestones": [[0.5], [0.3, 0.6]]}, 3),
        ({"augmentation": ["none", "flip", "crop"], "crop_padding": [1, 4]}, 4),
        ({"analyses": [["lesion"], []], "lesion_examples": [10, 20]}, 3),
        ({"analyses": [["lesion", "path_gradient"], ["path_gradient", "lesion"]]}, 1),
        ({"shortcut": ["identity", "exclusive_gate"], "shortcut_args.bias": [-6, -5]}, 3),
        ({"train_examples": [None, 1437, 5000, 200]}, 2),
        ({"warmup_iterations": [0, 10], "warmup_learning_rate": [0.01, 0.02]}, 3),
    ],
)
def test_a_knob_without_effect_makes_no_second_trial(axes: dict[str, Any], trials: int) -> None:
    planned = plan(axes=axes)
    assert len(planned.trials) == trials
    assert len({trial.key for trial in planned.trials}) == trials


def test_trials_are_canonical() -> None:
    (trial,) = plan(base={"sv_strength": 3, "shortcut": "dropout", "shortcut_args": {"rate": 0.5}}).trials
    assert trial == TrainSpec.parse({"shortcut": "dropout"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"axes": {"shortcut": ["identity", "dropout"], "shortcut_args.bias": [-3]}},
            r"shortcut_args.bias: no shortcut of this sweep takes it \(identity takes none; dropout takes rate\)",
        ),
        ({"base": {"shortcut_args": {"bias": -3}}}, "shortcut_args.bias: no shortcut of this sweep takes it"),
        ({"axes": {"shortcut": ["idenity", "none"]}}, "unknown shortcut 'idenity'; did you mean 'identity'"),
        ({"base": {"dataset": "digit"}}, "unknown dataset 'digit'; did you mean 'digits'"),
        ({"search": {"method": "gird"}}, r"unknown search 'gird'; did you mean 'grid'\? \(known: grid, random"),
        (
            {"axes": {"sv_strength": {"low": 0, "high": 1}}},
            "axes.sv_strength: is a range, and method: grid needs a list; write a list or use method: random",
        ),
        ({"search": {"method": "random"}}, "search.trials: method: random needs the number of trials"),
        (
            {"axes": {"shortcut": ["dropout"], "shortcut_args.rate": [0.5, 1.5]}},
            "shortcut 'dropout': 0 <= rate < 1 must hold, but got rate=1.5",
        ),
        ({"base": {"train_examples": 2}}, "train_examples: at least 2 must be left to train on"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_runs(content: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=rf"^x.yaml: 1 problem\n  {message}"):
        plan("x.yaml", **content)


def test_a_mistake_is_told_once_however_many_points_have_it() -> None:
    with pytest.raises(SpecError) as caught:
        plan(base={"dataset": "digit"}, axes={"seed": list(range(50)), "shortcut": ["identity", "nome"]})
    assert len(caught.value.problems) == 2


def test_a_wall_of_mistakes_is_cut() -> None:
    with pytest.raises(SpecError) as caught:
        plan(axes={"shortcut": [f"nothing{number}" for number in range(30)]})
    assert len(caught.value.problems) == 21
    assert caught.value.problems[-1] == "... and 10 more"


HUGE = {"seed": list(range(2000)), "depth": [8, 14, 20, 26, 32], "width": list(range(1, 21))}


@pytest.mark.parametrize("more", [{}, {"axes": {**HUGE, "lerning_rate": [0.1]}}], ids=["sound", "with another mistake"])
def test_a_grid_that_nobody_means_is_refused_at_once(more: dict[str, Any]) -> None:
    begun = time.process_time()
    with pytest.raises(SpecError) as caught:
        checked_plan(lambda: parse_sweep({"name": "x", "axes": HUGE, **more}), place="x.yaml")
    assert time.process_time() - begun < 2
    assert caught.value.problems[-1] == (
        "axes: a grid has at most 100,000 points, but seed 2000 x depth 5 x width 20 makes 200,000; shorten an axis, or"
        " draw from it with method: random"
    )
    assert len(caught.value.problems) == 1 + len(more)


def test_ten_thousand_points_take_seconds() -> None:
    axes = {"shortcut": ["identity", "none"], "learning_rate": [0.1, 0.2, 0.3, 0.4, 0.5], "seed": list(range(1000))}
    begun = time.process_time()
    assert len(plan(axes=axes).trials) == 10_000
    assert time.process_time() - begun < 3


def test_mistakes_in_fields_and_in_names_come_together(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("name: x\nbase: {dataset: digit, dept: 20}\naxes: {shortcut: [nome], seed: [0, 0]}\n")
    with pytest.raises(SpecError, match=r"x.yaml: 4 problems") as caught:
        load_plan(path)
    text = str(caught.value)
    for part in ("base.dept", "axes.seed: every value once", "unknown dataset 'digit'", "unknown shortcut 'nome'"):
        assert part in text


ANALYZED = (
    {"path_signs": 40},
    {"analysis_epochs": [0, 1]},
    {"analyses": ["lesion", "path_gradient", "norm_preservation"]},
)


def test_the_estimate_grows_with_the_work() -> None:
    base: dict[str, Any] = {"dataset": "digits", "epochs": 2}
    seconds = estimate_cpu_seconds(TrainSpec.parse(base))
    assert 0.1 < seconds < 100
    for more in (
        {"epochs": 4},
        {"depth": 56},
        {"width": 64},
        {"dataset": "fashion_mnist"},
        {"path_samples": 40},
        *ANALYZED,
    ):
        assert estimate_cpu_seconds(TrainSpec.parse({**base, **more})) > seconds
    base["analyses"] = ["lesion", "path_gradient", "spectrum"]
    followed = estimate_cpu_seconds(TrainSpec.parse({**base, "analysis_epochs": [0]}))
    assert followed > estimate_cpu_seconds(TrainSpec.parse(base)) > seconds
    for less in ({"analyses": []}, {"train_examples": 100}, {"lesion_examples": 10}):
        assert estimate_cpu_seconds(TrainSpec.parse({**base, **less})) < seconds


@pytest.mark.parametrize("analysis", ["multi_lesion", "reorder"])
def test_the_estimate_grows_with_the_sets_and_orders(analysis: str) -> None:
    base = {"dataset": "digits", "analyses": [analysis], f"{analysis}_examples": 200}
    seconds = estimate_cpu_seconds(TrainSpec.parse(base))
    assert seconds > estimate_cpu_seconds(TrainSpec.parse({**base, "analyses": ["lesion"]}))
    for knob in {"multi_lesion": ["largest", "subsets"], "reorder": ["swaps", "samples"]}[analysis]:
        assert estimate_cpu_seconds(TrainSpec.parse({**base, f"{analysis}_{knob}": 2})) < seconds
    assert estimate_cpu_seconds(TrainSpec.parse({**base, f"{analysis}_examples": None})) > seconds
