import json
import pickle
from typing import Any

import pytest
from pydantic import TypeAdapter

from resablate.component import Component, as_yaml, content_hash, parse_component, shown_value, whole_numbers
from resablate.strict_yaml import parse_yaml

ADAPTER = TypeAdapter(Component)
GATE = Component("exclusive_gate", {"bias": -3})
FILLED = Component(
    "steps", {"milestones": (0.25, 0.5)}, {"decay_factor": 0.1, "warmup_iterations": 0}, "package 1.0 ab"
)


@pytest.mark.parametrize(
    ("written", "component"),
    [
        ("identity", Component("identity")),
        ({"name": "identity"}, Component("identity")),
        ({"name": "exclusive_gate", "bias": -3}, GATE),
        ({"name": "exclusive_gate", "arguments": {"bias": -3}}, GATE),
        (GATE, GATE),
        ({"name": "steps", "milestones": [0.25, 0.5]}, Component("steps", {"milestones": (0.25, 0.5)})),
        ({"name": "a.b-c_9", "x": None, "y": True, "z": "w"}, Component("a.b-c_9", {"x": None, "y": True, "z": "w"})),
        ({"name": "x", "identity": "package 1.0", "a": 1}, Component("x", {"a": 1}, {}, "package 1.0")),
    ],
)
def test_a_component_is_read(written: Any, component: Component) -> None:
    assert parse_component(written) == component


@pytest.mark.parametrize("component", [Component("identity"), GATE, FILLED], ids=str)
def test_a_component_is_read_back_equal(component: Component) -> None:
    text = ADAPTER.dump_json(component)
    copies = [
        parse_component(component.record()),
        ADAPTER.validate_json(text),
        pickle.loads(pickle.dumps(component)),
    ]
    for copy in copies:
        assert copy == component
        assert copy.values == component.values
        assert copy.defaults == component.defaults, "the defaults too, though they are no part of what is equal"
        assert hash(copy) == hash(component)
    assert parse_component(component.brief()) == component
    assert json.loads(text) == json.loads(json.dumps(component.record()))


def test_defaults_are_no_part_of_what_a_component_is() -> None:
    """So that a row may get an argument more, and old trials are the same."""
    plain, filled = Component("x", {"a": 1}), Component("x", {"a": 1}, {"b": 2})
    assert plain == filled
    assert hash(plain) == hash(filled)
    assert plain.brief() == filled.brief() == {"name": "x", "a": 1}
    assert filled.values == {"a": 1, "b": 2}
    assert plain != Component("x", {"a": 2})
    assert plain != Component("x", {"a": 1}, {}, "package 1.0")


def test_what_people_see() -> None:
    assert str(Component("identity")) == "identity"
    assert str(GATE) == "exclusive_gate(bias=-3)"
    assert str(Component("x", {"b": (0.25, 0.5), "a": -6.0}, {"c": 1})) == "x(a=-6, b=0.25,0.5)"
    assert Component("x").brief() == Component("x").record() == "x"
    assert FILLED.params("schedule") == {
        "schedule": "steps",
        "schedule.decay_factor": 0.1,
        "schedule.milestones": "0.25,0.5",
        "schedule.warmup_iterations": 0,
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "null"), (True, "true"), (False, "false"), (-6.0, "-6"), (1e-4, "0.0001"), (0.123456789, "0.123457")],
)
def test_values_for_people(value: object, shown: str) -> None:
    assert shown_value(value) == shown


@pytest.mark.parametrize(
    "written",
    [
        "true",
        "null",
        "-3",
        "0.5",
        ".inf",
        "-.inf",
        "'yes'",
        "[null, false, 'a']",
        "{name: 'x', a: {b: [1, true]}, 3: 4}",
    ],
)
def test_errors_show_a_value_as_a_file_writes_it(written: str) -> None:
    assert as_yaml(parse_yaml(written, place="here")) == written


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (3, r"^a name, or \{name: NAME, argument: value\}, got 3$"),
        (None, "got null$"),
        (["identity"], r"got \['identity'\]$"),
        ({"bias": 1}, r"^the name is missing: write \{name: NAME, argument: value\}, got \{bias: 1\}$"),
        ({"name": None}, "^name must be a name of letters, digits and _, got null$"),
        ("", "got ''$"),
        ("a b", "got 'a b'$"),
        ("../up", "got '../up'$"),
        ("a" * 101, "letters, digits and _"),
        ({"name": "x", "a b": 1}, "^an argument is named by letters, digits and _, got 'a b'$"),
        ({"name": "x", "a": {"b": 1}}, "^a must be a number, a text, true, false, null or a list of these, got"),
        ({"name": "x", "a": [[1]]}, "^a must be a number"),
        ({"name": "x", "defaults": 3}, "^no argument of x may be called arguments or defaults or identity, got"),
        ({"name": "x", "arguments": {}, "a": 1}, "^no argument of x may be called"),
    ],
)
def test_what_is_no_component_is_refused(written: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_component(written)


def test_a_component_is_frozen() -> None:
    with pytest.raises(TypeError):
        GATE.arguments["bias"] = 1  # type: ignore[index]
    with pytest.raises(AttributeError):
        GATE.name = "x"  # type: ignore[misc]
    given = {"a": [1, 2]}
    component = Component("x", given)  # type: ignore[arg-type]
    given["a"].append(3)
    assert component.arguments == {"a": (1, 2)}


def test_equal_values_have_one_hash() -> None:
    assert content_hash({"a": -6, "b": [1.0, 2]}, 16) == content_hash({"b": (1, 2), "a": -6.0}, 16)
    assert content_hash({"a": 1}, 16) != content_hash({"a": True}, 16)
    assert len(content_hash({}, 10)) == 10
    assert whole_numbers({"a": [1.0, {"b": 2.5}]}) == {"a": [1, {"b": 2.5}]}
