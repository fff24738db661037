"""Every table, closed ones too, the same suite: names, order and descriptions."""

import inspect
import re
from pathlib import Path

import pytest

import resablate
from resablate.commands.tables import TABLES, describe
from resablate.component_tables import TABLES as COMPONENT_TABLES
from resablate.errors import UnknownName
from resablate.registry import Registry, row_functions
from resablate.spec import TrainSpec

PACKAGE = Path(resablate.__file__ or "").parent
ROWS = [pytest.param(table, name, id=f"{table}-{name}") for table, rows in TABLES.items() for name in rows]


def test_the_tables() -> None:
    assert list(TABLES)[:2] == ["networks", "shortcuts"]
    assert {table.table for table in COMPONENT_TABLES.values()} <= set(TABLES)
    assert {"analyses", "searches", "figures", "claims", "adapters"} <= set(TABLES)
    for name, table in TABLES.items():
        assert isinstance(table, Registry)
        assert table.table == name
        assert table.kind != name, "the singular"
        assert len(table) > 0


@pytest.mark.parametrize(("table", "name"), ROWS)
def test_a_name_can_be_typed_and_plotted(table: str, name: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_+]*|[A-Z][0-9]+", name), "a claim goes by its letter and number"
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
    texts = [row.text for row in rows]
    assert len(set(texts)) == len(texts), "a text of the row's own, not of what a row is"


def test_fields_are_described_with_their_defaults() -> None:
    rows = {row.name: row for row in describe("fields")}
    assert list(rows) == list(TrainSpec.model_fields)
    assert rows["depth"].takes == "20"
    assert rows["shortcut"].takes == "identity"
    assert all(row.text for row in rows.values()), "a field without a docstring"


def test_what_a_row_takes_is_shown() -> None:
    shown = {row.name: row.takes for row in describe("shortcuts")}
    assert shown["exclusive_gate"] == "bias=-6, batch_norm=false"
    assert shown["identity"] == ""
    assert {row.name: row.takes for row in describe("schedules")}["steps"].startswith("milestones=0.5,0.75, decay")
    assert "crop=null" in {row.name: row.takes for row in describe("analyses")}["lesion"]


FOLDERS = ("shortcuts", "regularizers", "optimizers", "schedules", "augmentations", "datasets", "analyses", "searches")


@pytest.mark.parametrize("table", FOLDERS)
def test_one_file_for_each_row(table: str) -> None:
    """A plural folder is an open set: a row is one file of its own name."""
    files = {path.stem for path in (PACKAGE / table).glob("*.py")}
    assert set(TABLES[table]) <= files
    text = (PACKAGE / table / "__init__.py").read_text(encoding="utf-8")
    for name in TABLES[table]:
        assert f"from resablate.{table}.{name} import" in text


@pytest.mark.parametrize("table", ["shortcuts", "orderings", "datasets", "analyses", "optimizers"])
def test_every_row_names_its_source(table: str) -> None:
    for name, row in TABLES[table].items():
        texts = [inspect.getdoc(function) or "" for function in row_functions(row)]
        source = getattr(row, "source", "") or "".join(text.partition("Source: ")[2] for text in texts)
        assert source, name
