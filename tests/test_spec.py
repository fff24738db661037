import json
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from resablate.errors import SpecError
from resablate.measurement import AnalysisResult, EpochMetrics
from resablate.spec import TrainSpec

GOLDEN = Path(__file__).parent / "golden"
parse = TrainSpec.parse


def test_no_default_has_changed() -> None:
    golden = json.loads((GOLDEN / "trial_defaults.json").read_text(encoding="utf-8"))
    assert TrainSpec().model_dump(mode="json") == golden, (
        "A default of TrainSpec may never change: a trial's key leaves defaults out, so old results would be taken "
        "for answers to the new question. A new knob gets a line in tests/golden/trial_defaults.json; its default is "
        "the behavior before it."
    )


@pytest.mark.parametrize("case", json.loads((GOLDEN / "trial_keys.json").read_text(encoding="utf-8")))
def test_no_key_has_changed(case: dict[str, Any]) -> None:
    assert parse(case["fields"]).key == case["key"], "results that are filed under this key would be lost"


def test_golden_keys_are_different() -> None:
    cases = json.loads((GOLDEN / "trial_keys.json").read_text(encoding="utf-8"))
    assert len({case["key"] for case in cases}) == len(cases) >= 4


def test_a_key_does_not_depend_on_how_a_number_is_written() -> None:
    keys = {
        parse({"shortcut": "exclusive_gate", "shortcut_args": {"bias": bias}}).key for bias in (-5, -5.0, "-5", "-5e0")
    }
    assert len(keys) == 1
    assert parse({"learning_rate": "1e-4"}).key == parse({"learning_rate": 0.0001}).key


def test_a_key_leaves_defaults_out() -> None:
    spec = parse({"depth": 56, "seed": 3})
    everything = parse({**dict(TrainSpec()), "depth": 56, "seed": 3})
    assert spec.key == everything.key
    assert spec.changes() == {"depth": 56, "seed": 3}
    assert TrainSpec().changes() == {}


def test_a_key_does_not_depend_on_the_order_of_arguments() -> None:
    factors = {"carried_factor": 0.3, "added_factor": 0.7}
    forth = parse({"shortcut": "constant_scale", "shortcut_args": factors})
    back = parse({"shortcut": "constant_scale", "shortcut_args": dict(reversed(factors.items()))})
    assert forth.key == back.key
    assert forth.params() == back.params()
    assert list(forth.params()) == list(back.params())


CHANGED: dict[str, Any] = {
    "shortcut": "none",
    "shortcut_args": {"bias": 1},
    "ordering": "bn_after_add",
    "dataset": "synthetic",
    "train_examples": 7,
    "augmentation": "flip",
    "schedule": "constant",
    "milestones": [0.5],
    "regularizer": "orthogonal_penalty",
    "analyses": ["lesion"],
    "lesion_examples": 7,
    "depth": 26,
    "network": "vgg",
    "block": "single",
    "transition": "bare",
    "stage_preactivation": "own",
    "batch_norm": False,
    "crop_fill": "reflect",
    "normalization": "per_pixel",
    "iterations": 7,
    "nesterov": True,
    "weight_decay_on": "convolutions",
    "block_sampling": "stochastic_depth",
    "sv_layers": "transitions",
    "sv_target": "forward",
    "sv_stem": "off",
    "precision": "bf16",
    "memory_format": "channels_last",
    "compile": True,
    "analysis_epochs": [0, 3],
    "lesion_arithmetic": "folded",
    "multi_lesion_design": "nested",
    "multi_lesion_examples": 7,
    "reorder_examples": 7,
}


@pytest.mark.parametrize("field", TrainSpec.model_fields)
def test_every_field_is_part_of_the_key(field: str) -> None:
    default = getattr(TrainSpec(), field)
    value = (
        CHANGED[field] if field in CHANGED else default / 2 if isinstance(default, float) and default else default + 1
    )
    changed = parse({field: value})
    assert changed.key != TrainSpec().key
    assert list(changed.changes()) == [field]


def test_params_are_one_flat_row() -> None:
    params = parse({"shortcut": "exclusive_gate", "shortcut_args": {"bias": -6}}).params()
    assert params["shortcut_args.bias"] == -6
    assert "shortcut_args" not in params
    assert params["milestones"] == "0.5,0.75"
    assert params["analyses"] == "lesion,path_gradient"
    assert params["train_examples"] == "all"
    assert set(params) == set(TrainSpec.model_fields) - {"shortcut_args"} | {"shortcut_args.bias"}
    assert all(isinstance(value, bool | int | float | str) for value in params.values())


def test_a_list_may_be_written_as_a_run_shows_it() -> None:
    assert parse({"analyses": "lesion, spectrum"}).analyses == ("lesion", "spectrum")
    assert parse({"milestones": "0.5,0.75"}) == parse({"milestones": [0.5, 0.75]})
    assert parse({"analyses": ""}).analyses == ()


def test_a_zero_argument_stays_a_number_and_a_flag_a_flag() -> None:
    arguments = parse({"shortcut_args": {"bias": 0, "factor": 1, "batch_norm": False, "name": "x"}}).shortcut_args
    assert {name: type(value) for name, value in arguments.items()} == {
        "bias": float,
        "factor": float,
        "batch_norm": bool,
        "name": str,
    }


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"shortcut": "conv1x1", "shortcut_args": {"batch_norm": False}, "train_examples": 100, "milestones": []},
        {"shortcut": "exclusive_gate", "shortcut_args": {"bias": -6.5}, "analyses": [], "learning_rate": 1e-7},
    ],
)
def test_a_spec_survives_json(fields: dict[str, Any]) -> None:
    spec = parse(fields)
    again = TrainSpec.model_validate_json(spec.model_dump_json())
    assert again == spec
    assert again.key == spec.key
    assert again.params() == spec.params()


def test_a_spec_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        TrainSpec().depth = 26  # pyright: ignore[reportAttributeAccessIssue]


def test_replace_checks_like_a_new_spec() -> None:
    assert TrainSpec().replace(depth=56) == parse({"depth": 56})
    with pytest.raises(SpecError, match=r"depth: .* got 0"):
        TrainSpec().replace(depth=0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"widht": 3}, r"^widht: no such field; did you mean 'width'\? \(fields: network, shortcut, .*seed\)$"),
        ({"depth": 0}, "^depth: .*greater than or equal to 1, got 0$"),
        ({"sv_target": "sideways"}, "^sv_target: .*got 'sideways'$"),
        ({"sv_target": 0}, "^sv_target: .*got 0$"),
        ({"depth": "deep"}, "^depth: .*integer.* got 'deep'$"),
        ({"depth": 20.5}, "^depth: .*got 20.5$"),
        ({"epochs": 0}, "^epochs: .*greater than or equal to 1, got 0$"),
        ({"batch_size": 1}, "^batch_size: .*greater than or equal to 2, got 1$"),
        ({"val_fraction": 1.0}, "^val_fraction: .*less than 1, got 1.0$"),
        ({"val_fraction": 0}, "^val_fraction: .*greater than 0, got 0$"),
        ({"momentum": 1}, "^momentum: .*less than 1"),
        ({"learning_rate": 0}, "^learning_rate: .*greater than 0"),
        ({"learning_rate": "fast"}, "^learning_rate: .*number.*got 'fast'$"),
        ({"learning_rate": math.inf}, "^learning_rate: .*finite number, got inf$"),
        ({"weight_decay": math.nan}, "^weight_decay: .*finite number, got nan$"),
        ({"sv_strength": -1}, "^sv_strength: "),
        ({"seed": -1}, "^seed: .*greater than or equal to 0"),
        ({"milestones": [0.75, 0.5]}, r"^milestones: .*rising numbers between 0 and 1, got \[0.75, 0.5\]$"),
        ({"milestones": [32000, 48000]}, "^milestones: .*parts of the run.*48000"),
        ({"analyses": 3}, "^analyses: .*got 3$"),
        ({"analyses": ["lesion", "lesion"]}, r"^analyses must be different ones, got \['lesion', 'lesion'\]$"),
        ({"shortcut_args": {"bias": [1]}}, r"^shortcut_args.bias: .*number.*got \[1\]$"),
        ({"shortcut_args": {"bias": math.inf}}, "^shortcut_args.bias: .*finite.*got inf$"),
        ({"shortcut_args": {"bias": "nan"}}, "^shortcut_args.*bias.*finite.*nan"),
        ({"shortcut_args": [1]}, "^shortcut_args: .*dictionary"),
        ({1: 2}, "^1: .*strings"),
    ],
)
def test_a_mistake_is_named_with_rule_and_value(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        parse(fields)
    assert len(caught.value.problems) == 1


def test_all_mistakes_at_once_with_their_place() -> None:
    with pytest.raises(SpecError) as caught:
        parse({"depth": 0, "widht": 3, "epochs": 0}, place="trial")
    assert len(caught.value.problems) == 3
    assert str(caught.value).startswith("trial: 3 problems\n  depth: input should be")


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({}, "identity depth 20 seed 0 original"),
        (
            {"shortcut": "exclusive_gate", "shortcut_args": {"bias": -6}, "width": 8, "seed": 2},
            "exclusive_gate(bias=-6.0) depth 20 seed 2 original width 8",
        ),
        (
            {"regularizer": "orthogonal_penalty", "sv_strength": 0.5},
            "identity depth 20 seed 0 original orthogonal_penalty 0.5",
        ),
    ],
)
def test_a_label_names_what_is_swept(fields: dict[str, Any], label: str) -> None:
    assert parse(fields).label() == label


def test_measurements_refuse_ragged_tables() -> None:
    with pytest.raises(ValueError, match=r"equally long, got \{'a': 1, 'b': 2\}"):
        AnalysisResult(summary={}, table={"a": [1], "b": [1, 2]}, units={"a": "1", "b": "1"})
    with pytest.raises(ValueError, match=r"needs a unit; missing for \['a', 's'\]"):
        AnalysisResult(summary={"s": 1}, table={"a": [1]}, units={})
    with pytest.raises(ValueError, match=r"\['z'\] are none of \['a'\]"):
        AnalysisResult(summary={}, table={"a": [1]}, units={"a": "1"}, axes={"a": "z"})


def test_an_analysis_as_a_frame() -> None:
    result = AnalysisResult(summary={}, table={"a": [1, 2], "b": [3, 4]}, units={"a": "1", "b": "1"})
    assert result.frame().to_dict("list") == {"a": [1, 2], "b": [3, 4]}


def test_epoch_metrics_take_keywords_only() -> None:
    with pytest.raises(TypeError):
        EpochMetrics(1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)  # pyright: ignore[reportCallIssue]
