"""What a trial asks, once everything is left out that has no effect."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resablate.analyses import ANALYSES
from resablate.check import check_trial
from resablate.datasets import DATASETS, VIEWS
from resablate.errors import SpecError
from resablate.orderings import ORDERINGS
from resablate.registry import keyword_defaults
from resablate.regularizers import REGULARIZERS
from resablate.shortcuts import SHORTCUTS
from resablate.spec import TrainSpec
from resablate.training import AUGMENTATIONS, SCHEDULES


def parse(**fields: Any) -> TrainSpec:
    return TrainSpec.parse(fields)


def key(**fields: Any) -> str:
    return check_trial(parse(**fields)).key


INERT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"sv_strength": 0.5}),
    ({}, {"regularizer": "orthogonal_penalty"}),
    ({}, {"crop_padding": 2}),
    ({"augmentation": "flip"}, {"crop_padding": 2}),
    ({"schedule": "one_cycle"}, {"milestones": [0.3], "decay_factor": 0.5}),
    ({"schedule": "constant"}, {"warmup_iterations": 9, "warmup_learning_rate": 0.5}),
    ({}, {"warmup_learning_rate": 0.5}),
    ({"milestones": []}, {"decay_factor": 0.5}),
    ({"decay_factor": 1.0}, {"milestones": [0.3]}),
    ({"analyses": []}, {"path_samples": 9, "path_examples": 9, "lesion_examples": 9}),
    ({"analyses": ["lesion"]}, {"path_samples": 9, "path_examples": 9}),
    ({"analyses": ["path_gradient"]}, {"lesion_examples": 9}),
    ({}, {"sv_target": 0.5, "sv_frequency": 1.0, "sv_stem": "off", "sv_layers": "transitions"}),
    ({"analyses": ["spectrum"]}, {"regularizer": "procrustes", "sv_frequency": 1.0}),
    ({"regularizer": "spectral_penalty", "sv_strength": 0.1}, {"sv_frequency": 1.0}),
    ({}, {"analyses": ["path_gradient", "lesion"]}),
    ({}, {"train_examples": 1437}),
    ({}, {"train_examples": 10**6}),
    ({}, {"lesion_examples": 360}),
    ({}, {"train_crop": 64, "test_crop": 64}),
    ({"dataset": "image_folder", "augmentation": "scale"}, {"crop_padding": 2}),
    ({}, {"final_survival": 0.8, "sampled_blocks": 2}),
    ({"block_sampling": "fixed_count", "sampled_blocks": 3}, {"final_survival": 0.8}),
    ({"analyses": ["multi_lesion"]}, {"multi_lesion_examples": 360}),
    ({"analyses": ["reorder"]}, {"reorder_examples": 10**6}),
    ({}, {"multi_lesion_design": "nested", "multi_lesion_subsets": 9, "reorder_swaps": 9}),
    ({"analyses": ["multi_lesion"]}, {"lesion_arithmetic": "folded"}),
    ({"shortcut": "constant_scale"}, {"shortcut_args": {"carried_factor": 0.5}}),
    ({"shortcut": "exclusive_gate"}, {"shortcut_args": {"bias": -6}}),
    ({"shortcut": "conv1x1"}, {"shortcut_args": {"batch_norm": True}}),
]


@pytest.mark.parametrize(("base", "changed"), INERT, ids=str)
def test_a_knob_without_effect_makes_no_other_trial(base: dict[str, Any], changed: dict[str, Any]) -> None:
    assert parse(**base).key != parse(**{**base, **changed}).key, "it is another spec as it is written"
    assert key(**base) == key(**{**base, **changed})


EFFECTIVE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"regularizer": "orthogonal_penalty", "sv_strength": 0.1}, {"sv_strength": 0.5}),
    ({"regularizer": "orthogonal_penalty", "sv_strength": 0.1}, {"sv_target": 0.5}),
    ({"analyses": ["spectrum"]}, {"sv_target": 0.5}),
    ({"augmentation": "crop"}, {"crop_padding": 2}),
    ({"augmentation": "crop_flip"}, {"crop_padding": 2}),
    ({}, {"milestones": [0.3]}),
    ({}, {"milestones": []}),
    ({}, {"decay_factor": 0.5}),
    ({}, {"decay_factor": 1.0}),
    ({"decay_factor": 0.5}, {"decay_factor": 1.0, "milestones": []}),
    ({}, {"warmup_iterations": 9}),
    ({"warmup_iterations": 9}, {"warmup_learning_rate": 0.5}),
    ({}, {"analyses": ["lesion"]}),
    ({}, {"path_samples": 9}),
    ({}, {"lesion_examples": 359}),
    ({}, {"lesion_arithmetic": "folded"}),
    ({"analyses": ["multi_lesion"]}, {"multi_lesion_design": "nested"}),
    ({"analyses": ["multi_lesion"]}, {"multi_lesion_examples": 359}),
    ({"analyses": ["reorder"]}, {"reorder_examples": 359}),
    ({}, {"train_examples": 1436}),
    ({"shortcut": "exclusive_gate"}, {"shortcut_args": {"bias": 0}}),
    ({"shortcut": "conv1x1"}, {"shortcut_args": {"batch_norm": False}}),
    ({"dataset": "image_folder"}, {"train_crop": 64}),
    ({"dataset": "image_folder"}, {"test_crop": 320}),
    ({"dataset": "image_folder"}, {"train_examples": 2_000_000}),  # another folder may have more than ImageNet
    ({"dataset": "image_folder"}, {"augmentation": "scale"}),
    ({}, {"block_sampling": "stochastic_depth"}),
    ({}, {"block_sampling": "stochastic_depth", "analyses": []}),
    ({"block_sampling": "stochastic_depth"}, {"final_survival": 0.8}),
    ({"block_sampling": "fixed_count", "sampled_blocks": 3}, {"sampled_blocks": 2}),
    ({}, {"precision": "bf16"}),
    ({}, {"precision": "tf32"}),
    ({}, {"memory_format": "channels_last"}),
    ({}, {"compile": True}),
    ({}, {"seed": 1}),
    ({}, {"ordering": "full_preactivation"}),
]


@pytest.mark.parametrize(("base", "changed"), EFFECTIVE, ids=str)
def test_a_knob_with_an_effect_makes_another_trial(base: dict[str, Any], changed: dict[str, Any]) -> None:
    assert key(**base) != key(**{**base, **changed})


@st.composite
def specs(draw: st.DrawFn) -> TrainSpec:
    """Any trial that can be run, with knobs that matter and knobs that do not."""
    shortcut = draw(st.sampled_from(list(SHORTCUTS)))
    known = {
        name: draw(st.booleans() if isinstance(default, bool) else st.sampled_from([default, 0, 0.25, 0.5]))
        for name, default in keyword_defaults(SHORTCUTS[shortcut]).items()
        if draw(st.booleans())
    }
    number = st.sampled_from
    choices: dict[str, st.SearchStrategy[Any]] = {
        "ordering": number(list(ORDERINGS)),
        "depth": number([8, 14, 110]),
        "width": number([1, 16, 17]),
        "dataset": number(list(DATASETS)),
        "train_examples": number([None, 64, 1437, 2000, 60_000, 10**9]),
        "augmentation": number(list(AUGMENTATIONS)),
        "crop_padding": number([1, 4]),
        "train_crop": number([224, 64]),
        "test_crop": number([224, 320]),
        "learning_rate": number([0.1, 1e-4, 1]),
        "schedule": number(list(SCHEDULES)),
        "milestones": number([[], [0.5], [0.5, 0.75]]),
        "decay_factor": number([0.1, 0.5, 1]),
        "warmup_iterations": number([0, 40]),
        "warmup_learning_rate": number([0.01, 0.1]),
        "regularizer": number(list(REGULARIZERS)),
        "sv_strength": number([0, 0.5]),
        "precision": number(["float32", "tf32", "bf16"]),
        "memory_format": number(["contiguous", "channels_last"]),
        "block_sampling": number(["all", "stochastic_depth", "fixed_count"]),
        "sampled_blocks": number([3, 2]),
        "analyses": st.lists(number(list(ANALYSES)), unique=True),
        "lesion_examples": number([None, 9, 360, 10_000]),
        "path_examples": number([32, 5]),
        "path_samples": number([4, 1]),
        "seed": number([0, 1]),
    }
    fields = {name: draw(strategy) for name, strategy in choices.items() if draw(st.booleans())}
    if fields.get("block_sampling") == "fixed_count":
        fields.setdefault("sampled_blocks", 1)
    fields["batch_size"] = 16
    if fields.get("augmentation") in VIEWS:
        fields["dataset"] = "image_folder"
    return parse(shortcut=shortcut, shortcut_args=known, **fields)


@settings(max_examples=300)
@given(specs())
def test_the_canonical_form_is_its_own(spec: TrainSpec) -> None:
    once = check_trial(spec)
    twice = check_trial(once)
    assert twice == once
    assert twice.key == once.key
    assert len(once.changes()) <= len(spec.changes())


REGIME = ("precision", "memory_format", "compile", "block_sampling")


@settings(max_examples=100)
@given(specs())
def test_the_canonical_form_asks_the_same(spec: TrainSpec) -> None:
    """What the parts of a trial receive in the end is what was written."""
    canonical = check_trial(spec)
    for field in ("shortcut", "ordering", "depth", "width", "dataset", "schedule", "augmentation", "seed", *REGIME):
        assert getattr(canonical, field) == getattr(spec, field)
    assert set(canonical.analyses) == set(spec.analyses)
    defaults = keyword_defaults(SHORTCUTS[spec.shortcut])
    assert {**defaults, **canonical.shortcut_args} == {**defaults, **spec.shortcut_args}
    total = 1000
    for iteration in (0, 399, 400, 499, 500, 749, 750, 999):
        rates = [
            SCHEDULES[s.schedule](
                iteration,
                total,
                learning_rate=s.learning_rate,
                **{name: getattr(s, name) for name in keyword_defaults(SCHEDULES[s.schedule])},
            )
            for s in (spec, canonical)
        ]
        assert math.isclose(*rates)
    strengths = [s.sv_strength if s.regularizer != "none" else 0 for s in (spec, canonical)]
    assert strengths[0] == strengths[1]
    row = DATASETS[spec.dataset]
    assert min(spec.train_examples or 10**9, row.train_count) == min(canonical.train_examples or 10**9, row.train_count)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"shortcut": "idenity"}, r"^unknown shortcut 'idenity'; did you mean 'identity'\? \(known: identity, "),
        ({"shortcut": "gate"}, "did you mean 'exclusive_gate' or 'shortcut_only_gate'"),
        ({"ordering": "preact"}, "^unknown ordering 'preact'"),
        ({"dataset": "mnist"}, "^unknown dataset 'mnist'; did you mean 'fashion_mnist'"),
        ({"augmentation": "none "}, "^unknown augmentation"),
        ({"schedule": "onecycle"}, "did you mean 'one_cycle'"),
        ({"regularizer": "orthogonal"}, "did you mean 'orthogonal_penalty'"),
        ({"analyses": ["lesions"]}, "^unknown analysis 'lesions'; did you mean 'lesion'"),
        (
            {"shortcut": "constant_scale", "shortcut_args": {"bias": -3}},
            r"^shortcut 'constant_scale' takes carried_factor, added_factor; got bias=-3.0$",
        ),
        (
            {"shortcut": "constant_scale", "shortcut_args": {"carry_factor": 1}},
            "got carry_factor=1.0; did you mean 'carried_factor'",
        ),
        ({"shortcut_args": {"bias": -3}}, "^shortcut 'identity' takes no argument; got bias=-3.0$"),
        (
            {"shortcut": "exclusive_gate", "shortcut_args": {"bias": "low"}},
            "^shortcut 'exclusive_gate': bias must be a number; got 'low'$",
        ),
        (
            {"shortcut": "exclusive_gate", "shortcut_args": {"bias": True}},
            "bias must be a number; got True",
        ),
        (
            {"shortcut": "conv1x1", "shortcut_args": {"batch_norm": 1}},
            "^shortcut 'conv1x1': batch_norm must be true or false; got 1.0$",
        ),
        (
            {"shortcut": "dropout", "shortcut_args": {"rate": 1}},
            "^shortcut 'dropout': 0 <= rate < 1 must hold, but got rate=1.0$",
        ),
        (
            {"shortcut": "exclusive_gate", "shortcut_args": {"in_channels": 3}},
            "takes bias, batch_norm; got in_channels=3.0",
        ),
        (
            {"train_examples": 1},
            "^train_examples: at least 2 must be left to train on, but of 1 images .* holds out 1$",
        ),
        (
            {"compile": True, "block_sampling": "fixed_count"},
            "^compile: with block_sampling all alone, since .* another network; got 'fixed_count'$",
        ),
        ({"train_examples": 2}, "of 2 images val_fraction=0.1 holds out 1"),
        ({"train_examples": 10, "val_fraction": 0.95}, "of 10 images val_fraction=0.95 holds out 10"),
        ({"val_fraction": 0.9999}, "of 1437 images val_fraction=0.9999 holds out 1437"),
        (
            {"augmentation": "scale_aspect"},
            r"^augmentation: scale_aspect cuts .* which digits does not have \(it goes with image_folder; with all data"
            r" sets go none, flip, crop, crop_flip\)$",
        ),
        (
            {"dataset": "image_folder", "normalization": "per_pixel"},
            "^normalization: image_folder has images of many sizes and so none by per_pixel; use per_channel$",
        ),
    ],
)
def test_what_cannot_be_run_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        check_trial(parse(**fields))
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"train_examples": 50}, "^batch_size: at most the 45 images that are left to train on; got 128$"),
        (
            {"warmup_iterations": 400},
            r"^warmup_iterations: fewer than the run's 132 steps, or nothing follows the warm-up; got 400$",
        ),
        (
            {"block_sampling": "fixed_count"},
            "^sampled_blocks must be at most the number of blocks, 9; got 23$",
        ),
    ],
)
def test_what_would_fail_or_idle_in_the_middle_is_said_before(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        check_trial(parse(**fields))


def test_the_smallest_training_set_is_accepted() -> None:
    assert check_trial(parse(train_examples=3, batch_size=2)).train_examples == 3


def test_all_mistakes_at_once() -> None:
    spec = parse(
        shortcut="dropout", shortcut_args={"rat": 1, "bias": 2}, dataset="digit", analyses=["a", "lesion", "b"]
    )
    with pytest.raises(SpecError) as caught:
        check_trial(spec)
    assert len(caught.value.problems) == 5
