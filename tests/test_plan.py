import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from resablate.component_tables import TABLES
from resablate.errors import SpecError
from resablate.estimates import estimate_seconds
from resablate.model import network_cost
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
    planned = plan(axes={"shortcut": ["identity", "exclusive_gate", "dropout"], "shortcut.bias": [-3, -5, -7]})
    assert [(trial.shortcut.name, dict(trial.shortcut.arguments)) for trial in planned.trials] == [
        ("identity", {}),
        ("exclusive_gate", {"bias": -3}),
        ("exclusive_gate", {"bias": -5}),
        ("exclusive_gate", {"bias": -7}),
        ("dropout", {}),
    ]
    assert planned.point_count == 9
    assert planned.notes == (
        "shortcut.bias has no effect on identity, dropout, which run once, without it",
        "9 points make 5 different trials; the others would repeat one of these",
    )


def test_what_is_not_written_and_not_as_published_is_told() -> None:
    base = {"network": "imagenet_resnet", "depth": 18, "dataset": "image_folder"}
    assert plan(base=base).notes == (
        "imagenet_resnet is built with width 16 (published: 64), as the sweep writes nothing else",
    )
    assert plan(base={**base, "width": 16}).notes == ()
    assert plan(base=base, axes={"width": [32, 64]}).notes == ()


def test_an_argument_of_the_base_is_kept_for_those_that_take_it() -> None:
    planned = plan(base={"shortcut.bias": -3}, axes={"shortcut": ["identity", "exclusive_gate", "shortcut_only_gate"]})
    assert [dict(trial.shortcut.arguments) for trial in planned.trials] == [{}, {"bias": -3}, {"bias": -3}]


def test_whole_sets_of_arguments_may_be_an_axis() -> None:
    factors = [{"carried_factor": 0.5, "added_factor": 1}, {"carried_factor": 0.3, "added_factor": 0.7}, {}]
    planned = plan(axes={"shortcut": [{"name": "constant_scale", **given} for given in factors]})
    assert [dict(trial.shortcut.arguments) for trial in planned.trials] == [
        {"added_factor": 1},
        {"added_factor": 0.7, "carried_factor": 0.3},
        {},
    ]


PROCRUSTES = {"regularizer": "procrustes"}


@pytest.mark.parametrize(
    ("content", "trials"),
    [
        ({"base": PROCRUSTES, "axes": {"regularizer.strength": [0, 0.5, 1]}}, 3),
        ({"axes": {"regularizer": ["none", "orthogonal_penalty"], "regularizer.strength": [0, 0.5, 1]}}, 3),
        ({"axes": {"schedule": ["steps", "one_cycle"], "schedule.milestones": [[0.5], [0.3, 0.6]]}}, 3),
        ({"axes": {"augmentation": ["none", "flip", "crop"], "augmentation.padding": [1, 4]}}, 4),
        ({"axes": {"shortcut": ["identity", "exclusive_gate"], "shortcut.bias": [-6, -5]}}, 3),
        ({"axes": {"dataset.train_examples": [None, 1437, 5000, 200]}}, 2),
        ({"axes": {"schedule.warmup_iterations": [0, 10], "schedule.warmup_learning_rate": [0.01, 0.02]}}, 3),
        ({"axes": {"schedule.milestones": [[0.5], "0.5", [0.25]]}}, 2),
    ],
)
def test_a_knob_without_effect_makes_no_second_trial(content: dict[str, Any], trials: int) -> None:
    planned = plan(**content)
    assert len(planned.trials) == trials
    assert len({trial.key for trial in planned.trials}) == trials


def test_trials_are_canonical() -> None:
    base = {"regularizer": {"name": "procrustes", "strength": 0}, "shortcut": {"name": "dropout", "rate": 0.5}}
    (trial,) = plan(base=base).trials
    assert trial == TrainSpec.parse({"shortcut": "dropout"})
    assert trial.params()["shortcut.rate"] == 0.5, "and every argument is told"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"axes": {"shortcut": ["identity", "dropout"], "shortcut.bias": [-3]}},
            r"shortcut.bias: no shortcut of this sweep takes it \(identity takes none; dropout takes rate\)",
        ),
        ({"base": {"shortcut.bias": -3}}, "shortcut.bias: no shortcut of this sweep takes it"),
        (
            {"base": {"shortcut": "exclusive_gate", "shortcut.bais": -3}},
            r"shortcut.bais: no shortcut of this sweep takes it; did you mean 'bias'\? \(exclusive_gate takes bias, ",
        ),
        (
            {"cases": [{"shortcut": "identity"}, {"shortcut": "dropout"}], "axes": {"shortcut.bias": [0, -3]}},
            r"shortcut.bias: no shortcut of this sweep takes it \(identity takes none; dropout takes rate\)",
        ),
        (
            {"cases": [{"shortcut": "identity", "shortcut.bias": 3}, {"shortcut": "exclusive_gate"}]},
            r"shortcut.bias: no shortcut of this sweep takes it \(identity takes none\)",
        ),
        ({"axes": {"shortcut": ["idenity", "none"]}}, "unknown shortcut 'idenity'; did you mean 'identity'"),
        ({"base": {"dataset": "digit"}}, "unknown dataset 'digit'; did you mean 'digits'"),
        ({"search": {"method": "gird"}}, r"unknown search 'gird'; did you mean 'grid'\? \(known: grid, random"),
        (
            {"base": PROCRUSTES, "axes": {"regularizer.strength": {"low": 0, "high": 1}}},
            "axes.regularizer.strength: is a range, and method: grid needs a list; write a list or use method: random",
        ),
        ({"search": {"method": "random"}}, "search.trials: method: random needs the number of trials"),
        (
            {"axes": {"shortcut": ["dropout"], "shortcut.rate": [0.5, 1.5]}},
            "shortcut 'dropout': rate must be less than 1, got 1.5",
        ),
        ({"base": {"dataset.train_examples": 2}}, "dataset.train_examples: at least 2 must be left to train on"),
        ({"analyses": {"lesoin": {}}}, "analyses: unknown analysis 'lesoin'; did you mean 'lesion'"),
        (
            {"analyses": {"lesion": {"exampls": 5}}},
            "analyses: analysis 'lesion' takes examples, arithmetic, crop; got exampls=5; did you mean 'examples'",
        ),
        ({"analyses": {"lesion": {"examples": 0}}}, "analyses: analysis 'lesion': examples must be greater than or"),
        (
            {"analyses": {"test_time_rules": {"epochs": [0]}}},
            r"analyses.test_time_rules.epochs: test_time_rules is asked of the trained network alone \(during training",
        ),
        (
            {"analyses": {"test": {"crop": 32}}},
            "analyses.test: no trial can answer crop=32: the images of digits have one size and are not cut",
        ),
        (
            {"analyses": {"spectrum": {"epochs": [3, 13, 14]}}},
            "analyses.spectrum.epochs: no trial has more than 12 epochs, so nothing is asked after 13, 14",
        ),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_runs(content: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=rf"^x.yaml: 1 problem\n  {message}"):
        plan("x.yaml", **content)


def test_cases_are_crossed_with_the_axes() -> None:
    cases = [{"network": "resnet", "depth": 110}, {"network": "vgg", "depth": 15}]
    planned = plan(base={"width": 16}, cases=cases, axes={"shortcut": ["identity", "none"], "seed": [0, 1]})
    assert [(trial.network.name, trial.depth, trial.shortcut.name, trial.seed) for trial in planned.trials] == [
        ("resnet", 110, "identity", 0),
        ("resnet", 110, "identity", 1),
        ("resnet", 110, "none", 0),
        ("resnet", 110, "none", 1),
        ("vgg", 15, "identity", 0),
        ("vgg", 15, "identity", 1),
    ]
    assert planned.point_count == 8, "a vgg has no shortcuts"


def test_an_argument_is_for_the_cases_that_take_it() -> None:
    cases = [{"shortcut": "identity", "depth": 20}, {"shortcut": "exclusive_gate", "depth": 56}]
    planned = plan(cases=cases, axes={"shortcut.bias": [0, -3]})
    assert [(trial.depth, dict(trial.shortcut.arguments)) for trial in planned.trials] == [
        (20, {}),
        (56, {"bias": 0}),
        (56, {"bias": -3}),
    ]


# --- questions


def test_every_trial_is_asked_what_it_can_answer() -> None:
    planned = plan(
        axes={"dataset": ["digits", "image_folder"], "epochs": [2, 5]},
        analyses={"test": {"crop": 320}, "lesion": {"examples": 1000}, "spectrum": {"epochs": [0, 4]}},
    )
    told = {(spec.dataset.name, spec.epochs): [str(q) for q in planned.questions(spec)] for spec in planned.trials}
    assert told == {
        ("digits", 2): ["lesion", "spectrum after epoch 0", "spectrum"],
        ("digits", 5): ["lesion", "spectrum after epoch 0", "spectrum after epoch 4", "spectrum"],
        ("image_folder", 2): ["test(crop=320)", "lesion(examples=1000)", "spectrum after epoch 0", "spectrum"],
        ("image_folder", 5): [
            *("test(crop=320)", "lesion(examples=1000)", "spectrum after epoch 0", "spectrum after epoch 4"),
            "spectrum",
        ],
    }
    assert planned.request(planned.trials[0]) == (planned.trials[0], planned.questions(planned.trials[0]))
    assert planned.asked_names == ["test(crop=320)", "lesion(examples=1000)", "spectrum, also after epochs 0, 4"]


def test_other_questions_make_no_other_trials() -> None:
    one = plan(axes={"seed": [0, 1]}, analyses=["lesion"])
    other = plan(axes={"seed": [0, 1]}, analyses={"lesion": {"examples": 5}, "spectrum": {"epochs": [0]}})
    assert [trial.key for trial in one.trials] == [trial.key for trial in other.trials]


def test_where_only_the_best_are_analyzed_every_trial_is_tested() -> None:
    planned = plan(axes={"depth": [8, 14]}, analyses=["spectrum"], search={"analyze_best": 1})
    assert [str(question) for question in planned.questions(planned.trials[0])] == ["test"]
    assert [str(asked.analysis) for asked in planned.asked] == ["test", "spectrum"]


def test_the_fingerprint_of_the_data_makes_keys_final() -> None:
    planned = plan(base={"dataset.train_examples": 128, "batch_size": 16}, axes={"seed": [0, 1]})
    final = planned.identified(None)
    assert [trial.seed for trial in final.trials] == [0, 1]
    assert all("data:" in trial.dataset.identity for trial in final.trials)
    assert not {trial.key for trial in final.trials} & {trial.key for trial in planned.trials}
    assert final.point_trials({"seed": 1}) == (final.trials[1],)


def test_a_search_has_samples_and_proposes_its_trials_later() -> None:
    planned = plan(
        base={"shortcut": "exclusive_gate"},
        axes={"shortcut.bias": {"low": -6, "high": 0}, "depth": [8, 14]},
        search={"method": "tpe", "trials": 7, "seeds": [0, 1]},
    )
    assert planned.adaptive
    assert planned.trials == ()
    assert planned.trial_count == 14
    assert {spec.depth for spec in planned.samples} == {8, 14}
    assert [spec.seed for spec in planned.point_trials({"shortcut.bias": -1, "depth": 8})] == [0, 1]


# --- several mistakes


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
    assert time.process_time() - begun < 4
    assert caught.value.problems[-1] == (
        "axes: a grid has at most 100,000 points, but seed 2000 x depth 5 x width 20 makes 200,000; shorten an axis, or"
        " draw from it with method: random"
    )
    assert len(caught.value.problems) == 1 + len(more)


@pytest.mark.slow
def test_ten_thousand_points_take_seconds() -> None:
    """So that `check` takes less than a minute for ten times as many: what is alike is checked and built once."""
    seconds("lesion")  # what torch loads at first use is none of it
    axes = {
        "shortcut": ["exclusive_gate", "none"],
        "shortcut.bias": [-number / 10 for number in range(50)],
        "learning_rate": [0.1, 0.2, 0.3, 0.4],
        "seed": list(range(49)),
    }
    begun = time.process_time()
    planned = plan(base={"depth": 8}, axes=axes)
    assert len(planned.trials) == 9_996
    assert time.process_time() - begun < 5
    assert all(estimate_seconds(spec, planned.questions(spec)) > 0 for spec in planned.trials)
    assert time.process_time() - begun < 9


def test_mistakes_in_fields_and_in_names_come_together(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("name: x\nbase: {dataset: digit, dept: 20}\naxes: {shortcut: [nome], seed: [0, 0]}\n")
    with pytest.raises(SpecError, match=r"x.yaml: 4 problems") as caught:
        load_plan(path)
    text = str(caught.value)
    for part in ("base.dept", "axes.seed: duplicate value 0", "unknown dataset 'digit'", "unknown shortcut 'nome'"):
        assert part in text


WRONG_IN_EVERY_WAY: dict[str, Any] = {
    "base": {"epochs": 5, "augmentation": {"name": "crop", "fill": "zeros"}},
    "axes": {"shortcut": ["identity", "nome"], "shortcut.bias": [0, -6], "depth": [8, 14]},
    "cases": [{"depth": 8}, {"width": 4}, {"width": 4}],
    "analyses": {"lesoin": {}, "lesion": {"exampls": 5}, "test": {"crop": 32}, "spectrum": {"epochs": [2, 9]}},
}
EVERY_MISTAKE = [
    "cases: depth is also an axis",
    "cases[2]: the same as cases[1]",
    "analyses: unknown analysis 'lesoin'",
    "analyses: analysis 'lesion' takes",
    "augmentation 'crop': fill must be one of",
    "unknown shortcut 'nome'",
    "shortcut.bias: no shortcut of this sweep takes it",
    "analyses.test: no trial can answer crop=32",
    "analyses.spectrum.epochs: no trial has more than 5 epochs",
]


def test_every_kind_of_mistake_in_one_message() -> None:
    with pytest.raises(SpecError) as caught:
        checked_plan(lambda: parse_sweep({"name": "x", **WRONG_IN_EVERY_WAY}), place="x.yaml")
    found = list(caught.value.problems)
    assert len(found) == len(EVERY_MISTAKE)
    for start in EVERY_MISTAKE:
        assert sum(problem.startswith(start) for problem in found) == 1, (start, found)


def test_what_is_misread_is_not_said_to_be_useless_too() -> None:
    """Where a field is misspelt, nobody knows which data set or shortcut was meant."""
    content = {"base": {"datset": "image_folder", "shorcut": "exclusive_gate", "shortcut.bias": 1}}
    with pytest.raises(SpecError) as caught:
        checked_plan(lambda: parse_sweep({"name": "x", "analyses": {"test": {"crop": 320}}, **content}), place="x.yaml")
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["base.datset", "base.shorcut"]
    unknown = {"base": {"dataset": "imagenet"}, "analyses": {"test": {"crop": 320}}}
    with pytest.raises(SpecError) as caught:
        plan(**unknown)
    assert len(caught.value.problems) == 1


# --- what a trial costs


def seconds(*analyses: str, asked: Mapping[str, Any] | None = None, **fields: Any) -> float:
    """On one core, of a trial that is asked these analyses with these arguments, and the test."""
    planned = plan(base={"epochs": 2, **fields}, analyses={**{name: {} for name in analyses}, **(asked or {})})
    (spec,) = planned.trials
    return estimate_seconds(spec, planned.questions(spec))


def test_the_estimate_grows_with_the_work() -> None:
    usual = ("lesion", "path_gradient")
    least = seconds(*usual)
    assert 0.1 < least < 100
    for more in ({"epochs": 4}, {"depth": 56}, {"width": 64}, {"dataset": "fashion_mnist"}):
        assert seconds(*usual, **more) > least
    for name, arguments in (("path_gradient", {"samples": 40}), ("path_gradient", {"signs": 40})):
        assert seconds(*usual, asked={name: arguments}) > least
    assert seconds(*usual, "norm_preservation") > least
    assert seconds("lesion", "saliency") > 2 * seconds("lesion") - seconds() > seconds("lesion")
    assert seconds(*usual, asked={"lesion": {"epochs": [0]}}) > least
    assert seconds(*usual, asked={"path_gradient": {"epochs": [0, 1]}}) > least
    assert seconds(*usual, asked={"spectrum": {"epochs": [0]}}) > seconds(*usual, "spectrum") > least
    assert seconds() < least
    assert seconds(*usual, **{"dataset.train_examples": 200}) < least
    assert seconds(*usual, asked={"lesion": {"examples": 10}}) < least
    assert seconds(*usual, iterations=5) < least


@pytest.mark.parametrize(
    ("analysis", "arguments"), [("multi_lesion", ("largest", "subsets")), ("reorder", ("swaps", "samples"))]
)
def test_the_estimate_grows_with_the_sets_and_orders(analysis: str, arguments: Sequence[str]) -> None:
    some = seconds(asked={analysis: {"examples": 200}})
    assert some > seconds("lesion")
    for argument in arguments:
        assert seconds(asked={analysis: {"examples": 200, argument: 2}}) < some
    assert seconds(analysis) > some


def test_a_larger_crop_costs_more() -> None:
    fields = {"dataset": "image_folder", "depth": 20}
    assert seconds(asked={"test": {"crop": 320}}, **fields) > seconds(**fields)


@pytest.mark.parametrize("field", ["network", "shortcut", "ordering"])
def test_a_fraction_shapes_no_network(field: str) -> None:
    """`trial_cost` builds networks once that differ in the fractions of their components."""
    table = TABLES[field]
    for name in table:
        usual = {name: value for name, value in table.arguments(name).items() if isinstance(value, float)}
        for argument, value in usual.items():
            changed = {"name": name, argument: value / 2 + 0.1}
            costs = [network_cost(size=(8, 8), depth=8, width=4, **{field: component}) for component in (name, changed)]
            assert costs[0] == costs[1], argument


ALIKE = {"seed": [0, 1, 2], "learning_rate": [0.1, 0.2]}


@pytest.mark.parametrize(
    ("pack", "axes", "notes"),
    [
        ("auto", ALIKE, ()),
        (1, ALIKE, ()),
        (6, ALIKE, ()),
        (8, ALIKE, ("resources.pack: 8, but there are no more than 6 to pack; packs hold 6 at most",)),
        (2, {"depth": [8, 14]}, ("resources.pack: 2, but no two trials are of one shape; each trains by itself",)),
        (
            3,
            {"seed": [0, 1, 2], "block_sampling": ["all", "stochastic_depth"]},
            (
                "3 trials train by themselves: block_sampling stochastic_depth: each member leaves out blocks of its"
                " own",
            ),
        ),
    ],
)
def test_a_pack_is_no_larger_than_what_there_is_to_pack(
    pack: int | str, axes: dict[str, Any], notes: tuple[str, ...]
) -> None:
    assert plan(axes=axes, resources={"pack": pack}).notes == notes


def test_a_pack_of_what_cannot_be_packed_is_refused() -> None:
    content = {"axes": {"seed": [0, 1]}, "base": {"block_sampling": "stochastic_depth"}}
    with pytest.raises(SpecError, match=r"resources.pack: 2, but no trial can be packed: block_sampling stochastic_d"):
        plan(**content, resources={"pack": 2})
    assert len(plan(**content, resources={"pack": "auto"}).trials) == 2


def test_a_pack_is_no_larger_than_a_search() -> None:
    content = {"axes": {"learning_rate": {"low": 0.1, "high": 1}}, "search": {"method": "tpe", "trials": 5}}
    assert "resources.pack: 9, but there are no more than 5 to pack; packs hold 5 at most" in (
        plan(**content, resources={"pack": 9}).notes
    )
