import re
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import Annotated, Any

import pytest
from annotated_types import Interval

import resablate.registry
from resablate.errors import SpecError, UnknownName, nearest
from resablate.registry import Registry, filter_kwargs, keyword_defaults


def make_table() -> Registry[int]:
    return Registry("number", "numbers", {"one": 1, "two": 2, "three": 3})


def test_a_table_keeps_its_order_and_cannot_be_written() -> None:
    table = make_table()
    assert list(table) == ["one", "two", "three"]
    assert table["two"] == 2
    assert len(table) == 3
    assert "one" in table
    assert "four" not in table
    assert [table.position(name) for name in ("one", "three", "ten")] == [0, 2, 3]
    assert isinstance(table, Mapping)
    with pytest.raises(TypeError):
        table["four"] = 4  # pyright: ignore[reportIndexIssue]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tow", r"^unknown number 'tow'; did you mean 'two'\? \(known: one, two, three\)$"),
        ("onee", "did you mean 'one'"),
        ("xyz", r"^unknown number 'xyz' \(known: one, two, three\)$"),
        ("", r"^unknown number '' \(known"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(UnknownName, match=message):
        make_table()[name]


def test_of_many_names_the_nearest_are_told_and_what_lists_them() -> None:
    many = [f"row{place}" for place in range(1500)]
    with pytest.raises(UnknownName) as caught:
        raise UnknownName("row", "raw77", many, listing="resablate list rows")
    assert re.fullmatch(
        r"unknown row 'raw77'; did you mean 'row77' or '\w+'\? \(known: 1,500 names, listed by resablate list rows\)",
        str(caught.value),
    )
    assert "row3, row4" in str(UnknownName("row", "x", many[:24], listing="resablate list rows")), "a few are told"


def test_a_part_of_a_name_is_near() -> None:
    assert nearest("gate", ["identity", "exclusive_gate", "shortcut_only_gate"]) == (
        "; did you mean 'exclusive_gate' or 'shortcut_only_gate'?"
    )


OWN = {"one": 1, "two": 2, "three": 3}


def with_entries(monkeypatch: pytest.MonkeyPatch, **entries: str) -> None:
    """Another package adds these rows, name -> module:thing, to the table of numbers."""

    def entry_points(group: str) -> list[EntryPoint]:
        assert group == "resablate.numbers"
        return [EntryPoint(name, value, group) for name, value in entries.items()]

    monkeypatch.setattr(resablate.registry, "entry_points", entry_points)


def test_other_packages_add_rows_but_replace_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with_entries(monkeypatch, one="math:tau", pi="math:pi")
    table: Registry[Any] = make_table()
    assert list(table) == ["one", "two", "three", "pi"]
    assert table["pi"] == pytest.approx(3.14159, abs=1e-5)
    assert table["one"] == 1


def test_a_row_that_cannot_be_loaded_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with_entries(monkeypatch, gone="no_such_module:row", lacks="math:no_such_name", pi="math:pi")
    table: Registry[Any] = make_table()
    assert list(table) == [*OWN, "pi"]
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "number 'gone' of no_such_module is left out",
        "number 'lacks' of math is left out",
    ]


def test_a_row_whose_argument_would_be_taken_for_a_record_is_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with_entries(monkeypatch, bad=f"{__name__}:misnamed")
    assert list(make_table()) == list(OWN)
    assert "no argument may be called defaults, name" in caplog.text


def test_only_rows_of_other_packages_have_an_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a key says which version of a package and which source a trial was run with."""
    with_entries(monkeypatch, pi=f"{__name__}:row")
    table: Registry[Any] = make_table()
    assert table.identity("one") == ""
    assert re.fullmatch(rf"{re.escape(__name__)} [0-9a-f]{{12}}", table.identity("pi"))
    assert make_table().identity("pi") == table.identity("pi")


def misnamed(*, name: str = "x", defaults: int = 3) -> None: ...


def row(positional: int, *, needed: int, knob: int = 3, other: str = "x", told: float = 0.5) -> None: ...


class Row:
    """A row that is a class."""

    def __init__(self, *, factor: Annotated[float, Interval(gt=0)] = 0.5, flag: bool = False) -> None: ...


class Several:
    """A row that is several functions."""

    functions = (row, Row)


def test_arguments_are_the_keywords_with_a_default() -> None:
    assert keyword_defaults(row) == {"knob": 3, "other": "x", "told": 0.5}
    assert filter_kwargs(row, {"knob": 5, "needed": 1, "positional": 2, "elsewhere": 0}) == {"knob": 5, "needed": 1}


def test_a_table_tells_arguments_types_and_what_its_caller_gives() -> None:
    table: Registry[Any] = Registry(
        "row", "rows", {"function": row, "class": Row, "several": Several(), "text": "a description"}, given=["told"]
    )
    assert table.arguments("function") == {"knob": 3, "other": "x"}
    assert table.types("function") == {"knob": int, "other": str}
    assert table.arguments("class") == {"factor": 0.5, "flag": False}
    assert table.types("class") == {"factor": Annotated[float, Interval(gt=0)], "flag": bool}
    assert table.arguments("several") == {"knob": 3, "other": "x", "factor": 0.5, "flag": False}
    assert table.types("several") == {**table.types("function"), **table.types("class")}
    assert table.arguments("text") == table.types("text") == {}
    with pytest.raises(UnknownName):
        table.arguments("nothing")


def test_types_that_cannot_be_told_are_left_out() -> None:
    def unknown(*, knob: "NoSuchType" = 3) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    table: Registry[Any] = Registry("row", "rows", {"unknown": unknown})
    assert table.arguments("unknown") == {"knob": 3}
    assert table.types("unknown") == {}


def test_a_spec_error_counts_its_problems() -> None:
    assert str(SpecError(["a", "b"], place="x.yaml")) == "x.yaml: 2 problems\n  a\n  b"
    assert str(SpecError("a", place="x.yaml")) == "x.yaml: 1 problem\n  a"
    assert str(SpecError(["a", "b"])) == "a\nb"
    assert SpecError("a").problems == ["a"]
