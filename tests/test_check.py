"""What a trial asks, once everything is left out that has no effect."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resablate.check import check_trial, planned_epochs, planned_steps, unknown_names
from resablate.component_tables import TABLES
from resablate.datasets import DATASETS, VIEWS
from resablate.errors import SpecError
from resablate.schedules import SCHEDULES
from resablate.spec import TrainSpec


def parse(**fields: Any) -> TrainSpec:
    return TrainSpec.parse(fields)


def key(**fields: Any) -> str:
    return check_trial(parse(**fields)).key


PREACTIVATION = {"ordering": "full_preactivation"}
INERT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"regularizer": {"name": "orthogonal_penalty", "strength": 0}}),
    ({}, {"regularizer": {"name": "procrustes", "strength": 0, "target": 0.5, "stem": "off"}}),
    ({}, {"regularizer": {"name": "procrustes", "frequency": 0}}),
    ({"regularizer": {"name": "procrustes", "layers": "transitions"}}, {"regularizer.stem": "off"}),
    ({"augmentation": "crop"}, {"augmentation.padding": 4, "augmentation.fill": "zero"}),
    ({"schedule": {"name": "steps"}}, {"schedule.warmup_learning_rate": 0.5}),
    ({"schedule.milestones": []}, {"schedule.decay_factor": 0.5}),
    ({"schedule.decay_factor": 1.0}, {"schedule.milestones": [0.3]}),
    ({"optimizer.momentum": 0}, {"optimizer.nesterov": True}),
    ({"batch_size": 32}, {"norm.ghost_batch_size": 32}),
    ({"optimizer.weight_decay": 0}, {"optimizer.weight_decay_on": "convolutions"}),
    ({}, {"optimizer": {"name": "sgd", "momentum": 0.9, "weight_decay": 1e-4}}),
    ({}, {"network.stage_preactivation": "shared"}),
    (PREACTIVATION, {"network.stage_preactivation": "own"}),  # without projections, that is "projected"
    ({"network": "vgg", "depth": 15}, {"shortcut": "none", "ordering": "full_preactivation"}),
    ({}, {"dataset.train_examples": 1437}),
    ({}, {"dataset.train_examples": 10**6}),
    ({}, {"dataset": {"name": "digits", "val_fraction": 0.1}}),
    ({"dataset": "image_folder"}, {"dataset.train_crop": 224}),
    ({"shortcut": "constant_scale"}, {"shortcut.carried_factor": 0.5}),
    ({"shortcut": "exclusive_gate"}, {"shortcut.bias": -6}),
    ({"shortcut": "conv1x1"}, {"shortcut.batch_norm": True}),
    ({"block_sampling": "stochastic_depth"}, {"block_sampling.final_survival": 0.5}),
]


@pytest.mark.parametrize(("base", "changed"), INERT, ids=str)
def test_a_knob_without_effect_makes_no_other_trial(base: dict[str, Any], changed: dict[str, Any]) -> None:
    assert parse(**base) != parse(**{**base, **changed}), "it is another spec as it is written"
    assert key(**base) == key(**{**base, **changed})


PENALTY = {"regularizer": {"name": "orthogonal_penalty", "strength": 0.1}}
EFFECTIVE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"regularizer": "orthogonal_penalty"}),
    (PENALTY, {"regularizer.strength": 0.5}),
    (PENALTY, {"regularizer.target": 0.5}),
    (PENALTY, {"regularizer.layers": "transitions"}),
    ({"regularizer": "procrustes"}, {"regularizer.stem": "off"}),
    ({"augmentation": "crop"}, {"augmentation.padding": 2}),
    ({"augmentation": "crop_flip"}, {"augmentation.padding": 2}),
    ({"augmentation": "crop"}, {"augmentation.fill": "reflect"}),
    ({}, {"schedule.milestones": [0.3]}),
    ({}, {"schedule.milestones": []}),
    ({}, {"schedule.decay_factor": 0.5}),
    ({}, {"schedule.decay_factor": 1.0}),
    ({"schedule.decay_factor": 0.5}, {"schedule.decay_factor": 1.0, "schedule.milestones": []}),
    ({}, {"schedule.warmup_iterations": 9}),
    ({"schedule.warmup_iterations": 9}, {"schedule.warmup_learning_rate": 0.5}),
    ({}, {"schedule": "constant"}),
    ({}, {"optimizer": "adamw"}),
    ({}, {"optimizer.nesterov": True}),
    ({}, {"optimizer.weight_decay_on": "convolutions"}),
    ({}, {"dataset.train_examples": 1436}),
    ({}, {"dataset.val_fraction": 0.2}),
    ({}, {"dataset.normalization": "per_pixel"}),
    ({}, {"network.block": "single"}),
    ({}, {"network.transition": "projection"}),
    (PREACTIVATION | {"network.transition": "projection"}, {"network.stage_preactivation": "own"}),
    (PREACTIVATION, {"network.stage_preactivation": "shared"}),
    ({"network": "vgg", "depth": 15}, {"network.batch_norm": False}),
    ({"shortcut": "exclusive_gate"}, {"shortcut.bias": 0}),
    ({"shortcut": "conv1x1"}, {"shortcut.batch_norm": False}),
    ({"dataset": "image_folder"}, {"dataset.train_crop": 64}),
    ({"dataset": "image_folder"}, {"dataset.train_examples": 2_000_000}),  # another folder may have more than ImageNet
    ({"dataset": "image_folder"}, {"augmentation": "scale"}),
    ({}, {"block_sampling": "stochastic_depth"}),
    ({"block_sampling": "stochastic_depth"}, {"block_sampling.final_survival": 0.8}),
    ({"block_sampling": {"name": "fixed_count", "count": 3}}, {"block_sampling.count": 2}),
    ({}, {"precision": "bf16"}),
    ({}, {"precision": "tf32"}),
    ({}, {"memory_format": "channels_last"}),
    ({}, {"compile": True}),
    ({}, {"seed": 1}),
    ({}, {"iterations": 50}),
    ({}, {"ordering": "full_preactivation"}),
]


@pytest.mark.parametrize(("base", "changed"), EFFECTIVE, ids=str)
def test_a_knob_with_an_effect_makes_another_trial(base: dict[str, Any], changed: dict[str, Any]) -> None:
    assert key(**base) != key(**{**base, **changed})


VALUES: dict[str, list[Any]] = {
    "dataset.train_examples": [None, 64, 1437, 2000, 60_000, 10**9],
    "dataset.train_crop": [224, 64],
    "augmentation.padding": [1, 4],
    "schedule.milestones": [[], [0.5], [0.5, 0.75]],
    "schedule.decay_factor": [0.1, 0.5, 1],
    "schedule.warmup_iterations": [0, 40],
    "regularizer.strength": [0, 0.5],
    "block_sampling.count": [3, 2],
    "erasing.least_area": [0.02, 0.25],
    "erasing.largest_area": [0.33, 1],
}
"""Values of arguments where not every one of its type can be run."""


@st.composite
def components(draw: st.DrawFn, field: str, *, names: Sequence[str] = ()) -> dict[str, Any]:
    """A row of the field's table with some of its arguments, by their names or among the defaults."""
    table = TABLES[field]
    name = draw(st.sampled_from(list(names or table)))
    given: dict[str, Any] = {"name": name}
    for argument, default in table.arguments(name).items():
        values = VALUES.get(f"{field}.{argument}") or [default]
        if isinstance(default, bool):
            values = [True, False]
        elif isinstance(default, float) and f"{field}.{argument}" not in VALUES:
            values = [default, 0.25, 0.5]
        if draw(st.booleans()):
            given[argument] = draw(st.sampled_from(values))
    return given


@st.composite
def specs(draw: st.DrawFn) -> TrainSpec:
    """Any trial that can be run, with knobs that matter and knobs that do not."""
    choices: dict[str, st.SearchStrategy[Any]] = {
        "network": components("network", names=["resnet"]),
        **{field: components(field) for field in TABLES if field not in ("network", "block_sampling")},
        "block_sampling": components("block_sampling"),
        "depth": st.sampled_from([8, 14, 110]),
        "width": st.sampled_from([1, 16, 17]),
        "learning_rate": st.sampled_from([0.1, 1e-4, 1]),
        "seed": st.sampled_from([0, 1]),
    }
    fields = {name: draw(strategy) for name, strategy in choices.items() if draw(st.booleans())}
    if fields.get("block_sampling", {}).get("name") == "fixed_count":
        fields["block_sampling"].setdefault("count", 1)
    if fields.get("norm", {}).get("name") == "group":
        fields["width"] = 16  # which its groups divide
    if fields.get("norm", {}).get("name") in ("bias", "none"):
        fields.get("shortcut", {}).pop("batch_norm", None)  # a gate's would hold its bias
    if fields.get("augmentation", {}).get("name") in VIEWS:
        fields["dataset"] = draw(components("dataset", names=["image_folder"]))
    return parse(batch_size=16, **fields)


@settings(max_examples=300)
@given(specs())
def test_the_canonical_form_is_its_own(spec: TrainSpec) -> None:
    once = check_trial(spec)
    twice = check_trial(once)
    assert twice == once
    assert twice.params() == once.params()
    assert twice.key == once.key
    assert len(once.changes()) <= len(spec.changes())


@settings(max_examples=100)
@given(specs())
def test_the_canonical_form_asks_the_same(spec: TrainSpec) -> None:
    """What the parts of a trial receive in the end is what was written."""
    canonical = check_trial(spec)
    for field in ("depth", "width", "epochs", "iterations", "batch_size", "learning_rate", "compile", "seed"):
        assert getattr(canonical, field) == getattr(spec, field)
    for field, written in spec.components().items():
        kept = getattr(canonical, field)
        if field == "regularizer" and not written.values.get("strength", 1):
            assert kept.name == "none"
            continue
        assert kept.name == written.name
        assert set(kept.values) == set(TABLES[field].arguments(kept.name)), "every argument is told"
    defaults = TABLES["shortcut"].arguments(spec.shortcut.name)
    assert canonical.shortcut.values == {**defaults, **spec.shortcut.values}
    rates = [
        [schedule(spec)(step, 1000) for step in (0, 399, 400, 499, 500, 749, 750, 999)] for spec in (spec, canonical)
    ]
    assert rates[0] == pytest.approx(rates[1], rel=1e-12)
    row = DATASETS[spec.dataset.name]
    counts = [s.dataset.values.get("train_examples") or 10**9 for s in (spec, canonical)]
    assert min(counts[0], row.train_count) == min(counts[1], row.train_count)


def schedule(spec: TrainSpec) -> Callable[[int, int], float]:
    return partial(SCHEDULES[spec.schedule.name], learning_rate=spec.learning_rate, **spec.schedule.values)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"regularizer": "spectral_penalty", "network": {"name": "resnet", "convolution": "standardized"}},
            "^regularizer: spectral_penalty acts on plain kernels, but network.convolution is standardized$",
        ),
        ({"shortcut": "idenity"}, r"^unknown shortcut 'idenity'; did you mean 'identity'.*\? \(known: identity, "),
        ({"shortcut": "gate"}, "did you mean 'exclusive_gate' or 'shortcut_only_gate'"),
        ({"ordering": "preact"}, "^unknown ordering 'preact'"),
        ({"dataset": "mnist"}, "^unknown dataset 'mnist'; did you mean 'fashion_mnist'"),
        ({"augmentation": "non"}, "^unknown augmentation"),
        ({"schedule": "onecycle"}, "did you mean 'one_cycle'"),
        ({"regularizer": "orthogonal"}, "did you mean 'orthogonal_penalty'"),
        ({"optimizer": "adam"}, "^unknown optimizer 'adam'; did you mean 'adamw'"),
        (
            {"shortcut": {"name": "constant_scale", "bias": -3}},
            r"^shortcut 'constant_scale' takes carried_factor, added_factor; got bias=-3$",
        ),
        (
            {"shortcut": {"name": "constant_scale", "carry_factor": 1}},
            "got carry_factor=1; did you mean 'carried_factor'",
        ),
        ({"shortcut.bias": -3}, "^shortcut 'identity' takes no argument; got bias=-3$"),
        (
            {"shortcut": "exclusive_gate", "shortcut.bias": "low"},
            "^shortcut 'exclusive_gate': bias must be a number, got 'low'$",
        ),
        ({"shortcut": "exclusive_gate", "shortcut.bias": True}, "bias must not be true or false, got true$"),
        (
            {"shortcut": "conv1x1", "shortcut.batch_norm": 1},
            "^shortcut 'conv1x1': batch_norm must be true or false, got 1$",
        ),
        ({"shortcut": "dropout", "shortcut.rate": 1}, "^shortcut 'dropout': rate must be less than 1, got 1$"),
        (
            {"shortcut": {"name": "exclusive_gate", "in_channels": 3}},
            "takes bias, batch_norm; got in_channels=3",
        ),
        (
            {"augmentation": {"name": "crop", "fill": "zeros"}},
            "^augmentation 'crop': fill must be one of zero, black, reflect, got 'zeros'; did you mean 'zero'?",
        ),
        ({"dataset.train_examples": 0}, "^dataset 'digits': train_examples must be greater than or equal to 1, got 0$"),
        (
            {"dataset.train_examples": 1},
            r"^dataset\.train_examples: at least 2 must be left to train on, but of 1 images .* holds out 1$",
        ),
        (
            {"compile": True, "block_sampling": "fixed_count"},
            "^compile: with block_sampling all alone, since .* another network; got 'fixed_count'$",
        ),
        ({"dataset.train_examples": 2}, "of 2 images val_fraction=0.1 holds out 1"),
        ({"dataset": {"name": "digits", "train_examples": 10, "val_fraction": 0.95}}, "of 10 images .* holds out 10"),
        ({"dataset.val_fraction": 0.9999}, "of 1437 images val_fraction=0.9999 holds out 1437"),
        ({"dataset.val_fraction": 1.0}, "val_fraction must be less than 1, got 1.0$"),
        ({"dataset.val_fraction": -0.1}, "val_fraction must be greater than or equal to 0, got -0.1$"),
        ({"optimizer.momentum": 1}, "^optimizer 'sgd': momentum must be less than 1, got 1$"),
        ({"optimizer.weight_decay": math.nan}, r"weight_decay must be .*got \.nan$"),
        ({"optimizer.weight_decay": math.inf}, r"weight_decay must be a finite number, got \.inf$"),
        ({"schedule.milestones": [0.75, 0.5]}, r"^schedule\.milestones: must be rising .*; got \[0.75, 0.5\]$"),
        ({"schedule.milestones": [0.5, 0.5]}, r"each once; got \[0.5, 0.5\]$"),
        ({"schedule.milestones": [32000, 48000]}, "^schedule 'steps': milestones must be less than 1, got .*48000"),
        ({"schedule.milestones": 0.5}, "milestones must be a list, got 0.5$"),
        (
            {"regularizer": {"name": "procrustes", "target": "sideways"}},
            "target must be one of backward, forward, got 'sideways'$",
        ),
        ({"regularizer": {"name": "procrustes", "target": 0}}, "forward or greater than 0, got 0$"),
        ({"regularizer": {"name": "procrustes", "strength": -1}}, "strength must be greater than or equal to 0"),
        (
            {"augmentation": "scale_aspect"},
            r"^augmentation: scale_aspect cuts .* which digits does not have \(it goes with image_folder; with all data"
            r" sets go none, flip, crop, crop_flip\)$",
        ),
        (
            {"dataset": {"name": "image_folder", "normalization": "per_pixel"}},
            "^dataset 'image_folder' takes train_examples, val_fraction, train_crop; got normalization='per_pixel'$",
        ),
        ({"depth": 21}, r"^depth: 21 is not 6n\+2"),
        ({"network": "vgg", "depth": 3}, "^depth: 3 is too shallow for a vgg"),
    ],
)
def test_what_cannot_be_run_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        check_trial(parse(**fields))
    assert len(caught.value.problems) == 1
    assert "\n" not in str(caught.value), "one line"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dataset.train_examples": 50}, "^batch_size: at most the 45 images that are left to train on; got 128$"),
        (
            {"schedule.warmup_iterations": 400},
            r"^schedule\.warmup_iterations: fewer than the run's 132 steps, or nothing follows the warm-up; got 400$",
        ),
        (
            {"block_sampling": "fixed_count"},
            "^block_sampling: count must be at most the number of blocks, 9; got 23$",
        ),
    ],
)
def test_what_would_fail_or_idle_in_the_middle_is_said_before(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        check_trial(parse(**fields))


def test_the_smallest_training_set_is_accepted() -> None:
    checked = check_trial(parse(batch_size=2, **{"dataset.train_examples": 3}))
    assert checked.dataset.values["train_examples"] == 3


def test_all_mistakes_at_once() -> None:
    spec = parse(
        shortcut={"name": "dropout", "rat": 1, "bias": 2},
        dataset="digit",
        augmentation={"name": "crop", "fill": "zeros"},
        depth=21,
        compile=True,
        block_sampling="stochastic_depth",
    )
    with pytest.raises(SpecError) as caught:
        check_trial(spec)
    assert len(caught.value.problems) == 6
    assert caught.value.valid_part is None, "nobody knows what a trial on this data set could answer"


def test_a_trial_that_is_wrong_elsewhere_still_tells_its_data() -> None:
    with pytest.raises(SpecError) as caught:
        check_trial(parse(shortcut="idenity", **{"dataset.train_examples": 200}))
    assert isinstance(caught.value.valid_part, TrainSpec)
    assert caught.value.valid_part.dataset.values["train_examples"] == 200


def test_unknown_names_alone() -> None:
    spec = parse(shortcut={"name": "dropout", "rat": 1}, ordering="preact", depth=21, batch_size=10**6)
    assert [problem.partition("'")[0] for problem in unknown_names(spec)] == [
        "shortcut ",
        "unknown ordering ",
        "depth: 21 is not 6n+2 for basic blocks with transition pad; nearest: 20, 26",
    ]


@pytest.mark.parametrize(
    ("fields", "steps", "epochs"),
    [
        ({}, 132, 12),
        ({"iterations": 100}, 100, 10),
        ({"iterations": 99}, 99, 9),
        ({"iterations": 1000}, 132, 12),
        ({"dataset.train_examples": 200, "batch_size": 180, "epochs": 3}, 3, 3),
    ],
)
def test_the_length_of_a_run(fields: dict[str, Any], steps: int, epochs: int) -> None:
    spec = check_trial(parse(**fields))
    assert (planned_steps(spec), planned_epochs(spec)) == (steps, epochs)
