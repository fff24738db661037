"""Every row of every open table, the same suite: its arguments can be told, checked, written down and keyed."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from resablate.analyses import ANALYSES
from resablate.argument_types import checked_argument
from resablate.check import check_trial
from resablate.component import Component, as_yaml, parse_component
from resablate.component_tables import TABLES, resolve_in
from resablate.errors import SpecError
from resablate.question import Question
from resablate.registry import Registry, row_functions
from resablate.spec import TrainSpec, component_fields

OPEN: Mapping[str, Registry[Any]] = {**TABLES, ANALYSES.kind: ANALYSES}
ROWS = [pytest.param(table, name, id=f"{kind}-{name}") for kind, table in OPEN.items() for name in table]
ARGUMENTS = [
    pytest.param(table, name, argument, id=f"{kind}-{name}-{argument}")
    for kind, table in OPEN.items()
    for name in table
    for argument in table.arguments(name)
]
CANDIDATES: tuple[Any, ...] = (
    *(True, False, 8, 9, 16, 1, 2, 0.25, 0.75, 0.125, -1.5, 1.5, None),
    *((), (0.25,), (0.25, 0.5)),
    *(name for table in (*TABLES.values(), ANALYSES) for name in table),
)
"""Values of every plain kind; an argument takes some of them, or a name in a table of its own."""
NEEDS: Mapping[str, Mapping[str, Any]] = {
    "batch.ghost_batch_size": {"batch_size": 24},  # a part as large as the batch is the batch
    "schedule.warmup_learning_rate": {"schedule.warmup_iterations": 9},
    "schedule.warm_up": {"schedule.warmup_iterations": 9},
    "network.projection": {"network.transition": "projection"},
    "network.stem": {"ordering": "full_preactivation"},
    "resnet.bottleneck_stride": {"network.block": "bottleneck", "depth": 20},
    "imagenet_resnet.bottleneck_stride": {"depth": 50},
    "network.cardinality": {"network.block": "bottleneck", "depth": 20},
    "network.stages": {"network.block": "single", "depth": 62},
    "network.stage_preactivation": {"ordering": "full_preactivation", "network.transition": "projection"},
}
"""What else must be set for an argument to have an effect."""
FITS: Mapping[str, Mapping[str, Any]] = {
    "image_folder": {"augmentation": "none"},
    "scale": {"dataset": "image_folder"},
    "scale_aspect": {"dataset": "image_folder"},
    "vgg": {"depth": 15},
    "imagenet_resnet": {"depth": 18},
    "fixed_count": {"block_sampling.count": 3},
}
"""What else a trial with the row needs to be one."""


def other_values(table: Registry[Any], name: str, argument: str) -> list[Any]:
    """Values that the argument takes and that are not its default."""
    hint, default = table.types(name)[argument], table.arguments(name)[argument]
    named = [row for other in tables_in(hint) for row in other]
    found: list[Any] = []
    for value in (*named, *CANDIDATES):
        try:
            checked = checked_argument(hint, default, value)
        except ValueError:
            continue
        if checked != default and type(checked) is type(value) and checked not in found:
            found.append(checked)
    return found


def tables_in(hint: Any) -> list[Registry[Any]]:
    return [mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, Registry)]


# --- tables and fields


def test_every_field_that_takes_a_component_has_its_table() -> None:
    """By the kind that the table itself tells: no map is kept by hand."""
    assert list(TABLES) == [field for field in component_fields() if field in TABLES]
    assert set(TABLES) == set(component_fields())


@pytest.mark.parametrize("field", TABLES)
def test_the_default_of_a_field_is_a_row(field: str) -> None:
    assert TrainSpec.model_fields[field].default.name in TABLES[field]


def test_no_field_is_an_argument_of_something() -> None:
    """A knob has one place: what a single row takes is its argument."""
    arguments = {argument for table in TABLES.values() for name in table for argument in table.arguments(name)}
    assert not arguments & set(TrainSpec.model_fields)


# --- arguments


@pytest.mark.parametrize(("table", "name"), ROWS)
def test_every_keyword_is_an_argument_or_given_by_the_caller(table: Registry[Any], name: str) -> None:
    keywords = {
        parameter.name: parameter
        for function in row_functions(table[name])
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    for argument in table.arguments(name):
        assert keywords[argument].default is not inspect.Parameter.empty
    others = set(keywords) - set(table.arguments(name))
    assert all(keywords[n].default is inspect.Parameter.empty for n in others - table.given), "else it is an argument"


@pytest.mark.parametrize(("table", "name", "argument"), ARGUMENTS)
def test_a_default_is_plain_and_of_the_type_that_is_annotated(table: Registry[Any], name: str, argument: str) -> None:
    default = table.arguments(name)[argument]
    assert re.fullmatch(r"[a-z][a-z0-9_]*", argument)
    parts = default if isinstance(default, tuple) else (default,)
    assert all(part is None or isinstance(part, bool | int | float | str) for part in parts)
    assert argument in table.types(name), "the annotation can be told"
    checked = checked_argument(table.types(name)[argument], default, default)
    assert checked == default
    assert type(checked) is type(default)


@pytest.mark.parametrize(("table", "name", "argument"), ARGUMENTS)
def test_an_argument_is_described(table: Registry[Any], name: str, argument: str) -> None:
    texts = [inspect.getdoc(function) or "" for function in row_functions(table[name])]
    assert any(f"    {argument}: " in text for text in texts)


@pytest.mark.parametrize(("table", "name", "argument"), ARGUMENTS)
def test_another_value_is_read_back_from_every_form(table: Registry[Any], name: str, argument: str) -> None:
    others = other_values(table, name, argument)
    assert others, "some value of the candidates fits"
    for value in others:
        written = yaml.safe_load(yaml.safe_dump({"name": name, argument: plain(value)}))
        found = resolve_in(parse_component(written), table)
        assert not found.problems
        component = found.component
        assert component.arguments == {argument: value}
        assert component.values.keys() == table.arguments(name).keys()
        assert resolve_in(parse_component(component.record()), table) == found
        assert resolve_in(parse_component(component.brief()), table) == found
        assert parse_component(component.record()).values == component.values
        assert component.params("field")[f"field.{argument}"] == shown(value)


def plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize(("table", "name"), ROWS)
def test_a_name_alone_is_a_component(table: Registry[Any], name: str) -> None:
    component = resolve_in(parse_component(yaml.safe_load(name if name != "none" else "'none'")), table).component
    assert component == Component(name, identity=table.identity(name))
    assert component.values == table.arguments(name)
    assert component.record() == name if not table.arguments(name) else component.record() != name
    assert parse_component(component.record()) == component


@pytest.mark.parametrize(("table", "name"), ROWS)
def test_an_unknown_argument_is_one_clear_line(table: Registry[Any], name: str) -> None:
    takes = ", ".join(table.arguments(name))
    expected = f"{table.kind} {name!r} takes {takes or 'no argument'}; got colour=1"
    assert resolve_in(Component(name, {"colour": 1}), table).problems == (expected,)


@pytest.mark.parametrize(("table", "name", "argument"), ARGUMENTS)
@pytest.mark.parametrize("value", ["no_such_thing", True, (None, None), float("inf"), float("nan")], ids=str)
def test_a_value_of_the_wrong_kind_is_one_clear_line(
    table: Registry[Any], name: str, argument: str, value: Any
) -> None:
    if value is True and isinstance(table.arguments(name)[argument], bool):
        return
    found = resolve_in(Component(name, {argument: value}), table)
    assert len(found.problems) == 1
    [problem] = found.problems
    shown = re.escape(as_yaml(value))
    assert re.match(rf"^{table.kind} '{re.escape(name)}': {argument} must (not )?be .*, got {shown}", problem), problem
    assert "\n" not in problem
    assert "Input should" not in problem


# --- keys and params


@pytest.mark.parametrize(
    ("field", "name", "argument"),
    [
        pytest.param(field, name, argument, id=f"{field}-{name}-{argument}")
        for field, table in TABLES.items()
        for name in table
        for argument in table.arguments(name)
    ],
)
def test_an_argument_is_part_of_the_key_and_a_param(field: str, name: str, argument: str) -> None:
    axis = f"{field}.{argument}"
    needed = NEEDS.get(f"{name}.{argument}", NEEDS.get(axis, {}))
    base = {field: name, "batch_size": 2, **FITS.get(name, {}), **needed}
    before = check_trial(TrainSpec.parse(base))
    keys: dict[str, Any] = {before.key: before.params()[axis]}
    for value in other_values(TABLES[field], name, argument):
        try:
            after = check_trial(TrainSpec.parse({**base, axis: value}))
        except SpecError:
            continue  # it does not go with the rest
        if getattr(after, field).name != name or value == getattr(before, field).values[argument]:
            continue  # a strength of 0 is no regularizer
        assert after.key not in keys, f"{value!r} is another training than {keys[after.key]!r}"
        keys[after.key] = value
        assert after.params()[axis] == shown(value)
        kept = {other: plain(part) for other, part in getattr(before, field).arguments.items()}
        written = {field: {"name": name, **kept, argument: plain(value)}}
        rest = {other: value for other, value in base.items() if other.partition(".")[0] != field}
        assert check_trial(TrainSpec.parse({**rest, **written})).key == after.key
        again = TrainSpec.model_validate_json(after.model_dump_json())
        assert (again.key, again.params()) == (after.key, after.params())
    assert len(keys) > 1


def shown(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, tuple) else value


@pytest.mark.parametrize(
    ("name", "argument"), [(name, argument) for name in ANALYSES for argument in ANALYSES.arguments(name)]
)
def test_an_argument_of_an_analysis_makes_another_question(name: str, argument: str) -> None:
    ids = {Question(resolve_in(Component(name), ANALYSES).component).id}
    values = other_values(ANALYSES, name, argument)
    ids |= {Question(resolve_in(Component(name, {argument: value}), ANALYSES).component).id for value in values}
    assert len(ids) == len(set(values)) + 1
