"""Every table, the same suite: names, order, knobs and descriptions."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import resablate
from resablate.analyses import ANALYSES, Analysis
from resablate.errors import UnknownName
from resablate.registry import Registry, keyword_defaults
from resablate.spec import TrainSpec
from resablate.commands.tables import TABLES, describe
from resablate.training import AUGMENTATIONS, SCHEDULES

PACKAGE = Path(resablate.__file__ or "").parent
ROWS = [pytest.param(table, name, id=f"{table}-{name}") for table, rows in TABLES.items() for name in rows]


def function_of(row: Any) -> Callable[..., object] | None:
    found = row.run if isinstance(row, Analysis) else row
    return found if callable(found) else None


def test_the_tables() -> None:
    assert list(TABLES)[:2] == ["networks", "shortcuts"]
    assert {"datasets", "augmentations", "schedules", "regularizers", "analyses", "searches"} <= set(TABLES)
    for name, table in TABLES.items():
        assert isinstance(table, Registry)
        assert table.table == name
        assert table.kind != name, "the singular"
        assert len(table) > 0


@pytest.mark.parametrize(("table", "name"), ROWS)
def test_a_name_can_be_typed_and_plotted(table: str, name: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_+]*", name)
    assert TABLES[table].position(name) == list(TABLES[table]).index(name)


@pytest.mark.parametrize(("table", "name"), ROWS)
def test_a_misspelt_name_is_answered_with_the_row(table: str, name: str) -> None:
    with pytest.raises(
        UnknownName, match=rf"^unknown {TABLES[table].kind} '{re.escape(name)}x'; did you mean .*'{re.escape(name)}'"
    ):
        TABLES[table][f"{name}x"]


@pytest.mark.parametrize("table", TABLES)
def test_a_description_of_every_row(table: str) -> None:
    rows = describe(table)
    assert [row.name for row in rows] == list(TABLES[table])
    for row in rows:
        assert len(row.text) >= 8, f"{row.name} is not described"
        assert "\n" not in row.text


def test_fields_are_described_with_their_defaults() -> None:
    rows = {row.name: row for row in describe("fields")}
    assert list(rows) == list(TrainSpec.model_fields)
    assert rows["depth"].takes == "20"
    assert rows["shortcut_args"].takes == "{}"
    assert all(row.text for row in rows.values()), "a field without a docstring"


KNOBS = [
    pytest.param(function, knob, default, id=f"{name}-{knob}")
    for table in (SCHEDULES, AUGMENTATIONS, ANALYSES)
    for name, row in table.items()
    if (function := function_of(row))
    for knob, default in keyword_defaults(function).items()
    if knob != "generator"
]


@pytest.mark.parametrize(("function", "knob", "default"), KNOBS)
def test_a_knob_has_the_name_and_the_default_of_its_field(
    function: Callable[..., object], knob: str, default: object
) -> None:
    """Rule 1: one name, one line. A second default would be a second truth."""
    assert knob in TrainSpec.model_fields
    assert getattr(TrainSpec(), knob) == default


@pytest.mark.parametrize(("table", "name"), ROWS)
def test_every_knob_is_described(table: str, name: str) -> None:
    function = function_of(TABLES[table][name])
    if table in ("shortcuts", "analyses") and function:
        text = inspect.getdoc(function) or ""
        for knob in keyword_defaults(function):
            assert f"    {knob}: " in text


@pytest.mark.parametrize("table", ["shortcuts", "regularizers", "datasets", "analyses", "searches"])
def test_one_file_for_each_row(table: str) -> None:
    """A plural folder is an open set: a row is one file of its own name."""
    files = {path.stem for path in (PACKAGE / table).glob("*.py")}
    assert set(TABLES[table]) <= files
    text = (PACKAGE / table / "__init__.py").read_text(encoding="utf-8")
    for name in TABLES[table]:
        assert f"from resablate.{table}.{name} import" in text


@pytest.mark.parametrize("table", ["shortcuts", "orderings", "datasets", "analyses"])
def test_every_row_names_its_source(table: str) -> None:
    for name, row in TABLES[table].items():
        source = getattr(row, "source", "") or (inspect.getdoc(row) or "").partition("Source: ")[2]
        assert source, name
