from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import Any

import pytest

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


def test_a_part_of_a_name_is_near() -> None:
    assert nearest("gate", ["identity", "exclusive_gate", "shortcut_only_gate"]) == (
        "; did you mean 'exclusive_gate' or 'shortcut_only_gate'?"
    )


def test_other_packages_add_rows_but_replace_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def entry_points(group: str) -> list[EntryPoint]:
        assert group == "resablate.numbers"
        return [EntryPoint("one", "math:tau", group), EntryPoint("pi", "math:pi", group)]

    monkeypatch.setattr(resablate.registry, "entry_points", entry_points)
    table: Registry[Any] = make_table()
    assert list(table) == ["one", "two", "three", "pi"]
    assert table["pi"] == pytest.approx(3.14159, abs=1e-5)
    assert table["one"] == 1


def row(positional: int, *, needed: int, knob: int = 3, other: str = "x") -> None: ...


def test_knobs_are_the_keywords_with_a_default() -> None:
    assert keyword_defaults(row) == {"knob": 3, "other": "x"}
    assert filter_kwargs(row, {"knob": 5, "needed": 1, "positional": 2, "elsewhere": 0}) == {"knob": 5}


def test_a_spec_error_counts_its_problems() -> None:
    assert str(SpecError(["a", "b"], place="x.yaml")) == "x.yaml: 2 problems\n  a\n  b"
    assert str(SpecError("a", place="x.yaml")) == "x.yaml: 1 problem\n  a"
    assert str(SpecError(["a", "b"])) == "a\nb"
    assert SpecError("a").problems == ["a"]
