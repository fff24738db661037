import json
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from resablate.analyses import ANALYSES
from resablate.check import check_trial
from resablate.component import Component
from resablate.component_tables import TABLES
from resablate.errors import SpecError
from resablate.measurement import AnalysisResult, EpochMetrics
from resablate.spec import TrainSpec, merge

GOLDEN = Path(__file__).parent / "golden"
KEYS = json.loads((GOLDEN / "trial_keys.json").read_text(encoding="utf-8"))
parse = TrainSpec.parse


def test_no_default_has_changed() -> None:
    golden = json.loads((GOLDEN / "trial_defaults.json").read_text(encoding="utf-8"))
    assert check_trial(TrainSpec()).params() == golden, (
        "A default of TrainSpec may never change: a trial's key leaves defaults out, so old results would be taken for"
        " answers to the new question. A new knob gets a line in tests/golden/trial_defaults.json; its default is the"
        " behavior before it."
    )


def test_no_default_of_an_argument_has_changed() -> None:
    """For the same reason, in the keys of trials and in the ids of questions. New rows and arguments may come."""
    golden = json.loads((GOLDEN / "argument_defaults.json").read_text(encoding="utf-8"))
    tables = {table.table: table for table in (*TABLES.values(), ANALYSES)}
    assert golden.keys() == tables.keys()
    for table, rows in golden.items():
        for name, pinned in rows.items():
            now = tables[table].arguments(name)
            assert {argument: whole(now[argument]) for argument in pinned} == pinned


def whole(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("case", KEYS, ids=lambda case: case["key"])
def test_no_key_has_changed(case: dict[str, Any]) -> None:
    assert check_trial(parse(case["fields"])).key == case["key"], "results that are filed under this key would be lost"


def test_golden_keys_are_different() -> None:
    assert len({case["key"] for case in KEYS}) == len(KEYS) >= 12
    named = {name.partition(".")[0] for case in KEYS for name in case["fields"]}
    assert named >= set(TABLES), "a component of every table is pinned"


def test_there_are_few_fields() -> None:
    """What one row alone takes is its argument."""
    assert len(TrainSpec.model_fields) <= 30


def test_a_key_does_not_depend_on_how_a_number_is_written() -> None:
    keys = {
        check_trial(parse({"shortcut": {"name": "exclusive_gate", "bias": bias}})).key
        for bias in (-5, -5.0, "-5", "-5e0")
    }
    assert len(keys) == 1
    assert parse({"learning_rate": "1e-4"}).key == parse({"learning_rate": 0.0001}).key


def test_a_key_leaves_defaults_out() -> None:
    spec = parse({"depth": 56, "seed": 3})
    everything = parse({**dict(TrainSpec()), "depth": 56, "seed": 3})
    assert spec.key == everything.key
    assert spec.changes() == {"depth": 56, "seed": 3}
    assert TrainSpec().changes() == {}
    written = check_trial(parse({"shortcut": {"name": "exclusive_gate", "bias": -6}}))
    assert written.key == parse({"shortcut": "exclusive_gate"}).key
    assert check_trial(TrainSpec()).key == TrainSpec().key, "arguments at their defaults are none of it"


def test_a_key_does_not_depend_on_the_order_of_arguments() -> None:
    factors = {"carried_factor": 0.3, "added_factor": 0.7}
    forth = parse({"shortcut": {"name": "constant_scale", **factors}})
    back = parse({"shortcut": {"name": "constant_scale", **dict(reversed(factors.items()))}})
    assert forth.key == back.key
    assert forth.params() == back.params()
    assert list(forth.params()) == list(back.params())


def test_three_ways_to_write_an_argument_are_one_spec() -> None:
    spec = parse({"shortcut": {"name": "exclusive_gate", "bias": -3}})
    assert parse({"shortcut": "exclusive_gate", "shortcut.bias": -3}) == spec
    assert parse({"shortcut.bias": -3, "shortcut": "exclusive_gate"}) == spec
    assert parse({"shortcut": Component("exclusive_gate", {"bias": -3})}) == spec
    assert parse(dict(spec)) == spec


def test_an_argument_by_itself_goes_with_the_default_component() -> None:
    spec = parse({"schedule.milestones": [0.25], "optimizer.momentum": 0.8})
    assert spec.schedule == Component("steps", {"milestones": (0.25,)})
    assert spec.optimizer == Component("sgd", {"momentum": 0.8})


def test_the_cell_is_the_key_without_the_seed() -> None:
    spec = parse({"shortcut": "none", "depth": 56, "seed": 3})
    assert spec.cell == spec.replace(seed=4).cell == spec.replace(seed=0).key
    assert spec.cell != spec.key
    assert spec.cell != spec.replace(depth=20).cell


def test_what_a_name_does_not_tell_is_part_of_the_key() -> None:
    plain = parse({"shortcut": "identity"})
    other = plain.replace(shortcut=Component("identity", identity="package 1.0 abc"))
    assert other.key != plain.key
    kept = other.replace(**{"shortcut.bias": 1})
    assert kept.shortcut.identity == "package 1.0 abc"


CHANGED: dict[str, Any] = {
    "network": "vgg",
    "shortcut": "none",
    "ordering": "bn_after_add",
    "dataset": "synthetic",
    "augmentation": "flip",
    "iterations": 7,
    "optimizer": "adamw",
    "schedule": "constant",
    "precision": "bf16",
    "memory_format": "channels_last",
    "compile": True,
    "block_sampling": "stochastic_depth",
    "regularizer": "orthogonal_penalty",
    "norm": "group",
    "initialization": "he_fan_in",
    "erasing": "cutout",
    "mixing": "mixup",
    "loss": {"name": "cross_entropy", "label_smoothing": 0.1},
    "clipping": "norm",
    "averaging": "ema",
}


@pytest.mark.parametrize("field", TrainSpec.model_fields)
def test_every_field_is_part_of_the_key(field: str) -> None:
    default = getattr(TrainSpec(), field)
    value = CHANGED[field] if field in CHANGED else default / 2 if isinstance(default, float) else default + 1
    changed = parse({field: value})
    assert changed.key != TrainSpec().key
    assert list(changed.changes()) == [field]


def test_params_are_one_flat_row() -> None:
    params = check_trial(parse({"shortcut": "exclusive_gate", "shortcut.bias": -3})).params()
    assert (params["shortcut"], params["shortcut.bias"], params["shortcut.batch_norm"]) == ("exclusive_gate", -3, False)
    assert params["schedule.milestones"] == "0.5,0.75"
    assert params["dataset.train_examples"] is None
    assert {name.partition(".")[0] for name in params} == set(TrainSpec.model_fields)
    assert all(value is None or isinstance(value, bool | int | float | str) for value in params.values())


def test_a_trial_is_found_again_by_its_params() -> None:
    spec = check_trial(parse({"shortcut": {"name": "exclusive_gate", "bias": -3}, "schedule.milestones": [0.2, 0.4]}))
    assert check_trial(parse(spec.params())).key == spec.key


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"shortcut": {"name": "conv1x1", "batch_norm": False}, "dataset.train_examples": 100, "batch_size": 16},
        {"schedule.milestones": [], "compile": True},
        {"shortcut": {"name": "exclusive_gate", "bias": -6.5}, "learning_rate": 1e-7, "iterations": 5},
        {"shortcut": Component("identity", {"a": 1}, {"b": (1, 2)}, "package 1.0 abc")},
    ],
)
def test_a_spec_survives_json(fields: dict[str, Any]) -> None:
    spec = parse(fields)
    again = TrainSpec.model_validate_json(spec.model_dump_json())
    assert again == spec
    assert again.key == spec.key
    assert again.params() == spec.params()


def test_a_spec_can_be_pickled_and_hashed() -> None:
    spec = parse({"shortcut": {"name": "exclusive_gate", "bias": -6.5}})
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert len({spec, pickle.loads(pickle.dumps(spec))}) == 1


def test_a_spec_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        TrainSpec().depth = 26  # pyright: ignore[reportAttributeAccessIssue]


def test_replace_checks_like_a_new_spec() -> None:
    assert TrainSpec().replace(depth=56) == parse({"depth": 56})
    with pytest.raises(SpecError, match=r"depth: .* got 0"):
        TrainSpec().replace(depth=0)


def test_merge_leaves_its_arguments_alone() -> None:
    base: dict[str, Any] = {"shortcut": {"name": "dropout", "a": 1}, "depth": 20}
    assert merge(base, {"shortcut.b": 2, "depth": 26}) == {"shortcut": {"name": "dropout", "a": 1, "b": 2}, "depth": 26}
    assert base == {"shortcut": {"name": "dropout", "a": 1}, "depth": 20}


def test_a_whole_value_comes_before_its_arguments() -> None:
    point = {"shortcut.b": 2, "shortcut": {"name": "dropout", "a": 1}}
    assert merge({"shortcut": "none"}, point) == {"shortcut": {"name": "dropout", "a": 1, "b": 2}}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"widht": 3},
            r"^widht: no such field; did you mean 'width'\? \(fields: 26 names, listed by resablate list fields\)$",
        ),
        ({"shortcutt.bias": 3}, r"^shortcutt\.bias: no such field; did you mean 'shortcut'\? \(fields: "),
        ({"depth.bias": 3}, r"^depth\.bias: no such field"),
        ({"depth": 0}, "^depth: .*greater than or equal to 1, got 0$"),
        ({"depth": "deep"}, "^depth: .*integer.* got 'deep'$"),
        ({"depth": 20.5}, "^depth: .*got 20.5$"),
        ({"depth": True}, "^depth: must not be true or false, got true$"),
        ({"compile": "yes"}, "^compile: must be true or false, got 'yes'$"),
        ({"compile": 1}, "^compile: must be true or false, got 1$"),
        ({"compile": None}, "^compile: must be true or false, got null$"),
        ({"epochs": 0}, "^epochs: .*greater than or equal to 1, got 0$"),
        ({"batch_size": 1}, "^batch_size: .*greater than or equal to 2, got 1$"),
        ({"learning_rate": 0}, "^learning_rate: .*greater than 0"),
        ({"learning_rate": "fast"}, "^learning_rate: .*number.*got 'fast'$"),
        ({"learning_rate": math.inf}, r"^learning_rate: .*finite number, got \.inf$"),
        ({"learning_rate": math.nan}, r"^learning_rate: .*finite number, got \.nan$"),
        ({"seed": -1}, "^seed: .*greater than or equal to 0"),
        ({"shortcut": 3}, r"^shortcut: a name, or \{name: NAME, argument: value\}, got 3$"),
        ({"shortcut": [1]}, r"^shortcut: a name, or .* got \[1\]$"),
        ({"shortcut": 3, "shortcut.bias": 1}, "^shortcut: a name, .* got 3$"),
        ({"shortcut": {"bias": 1}}, r"^shortcut: the name is missing: write \{name: NAME, .*got \{bias: 1\}$"),
        ({"shortcut": "none "}, "^shortcut: name must be a name of letters, digits and _, got 'none '$"),
        ({"shortcut.bias": {"a": 1}}, r"^shortcut: bias must be a number, a text, .* got \{a: 1\}$"),
        ({1: 2}, "^1: no such field"),
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
            {"shortcut": {"name": "exclusive_gate", "bias": -3}, "width": 8, "seed": 2},
            "exclusive_gate(bias=-3) depth 20 seed 2 original width 8",
        ),
        (
            {"regularizer": {"name": "orthogonal_penalty", "strength": 0.5}},
            "identity depth 20 seed 0 original orthogonal_penalty(strength=0.5)",
        ),
        ({"network": "vgg", "depth": 15}, "vgg depth 15 seed 0 original"),
    ],
)
def test_a_label_names_what_is_swept(fields: dict[str, Any], label: str) -> None:
    assert check_trial(parse(fields)).label() == label


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
