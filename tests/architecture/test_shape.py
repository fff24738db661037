"""Sizes, names and inheritance: what keeps the code readable."""

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "resablate").rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION = 300, 60
DRAWERS = {"utils", "util", "helpers", "common", "misc"}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST_FILE
    long = {
        node.name: node.end_lineno - node.lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
        and node.end_lineno
        and node.end_lineno - node.lineno + 1 - len((ast.get_docstring(node) or "").splitlines()) > LONGEST_FUNCTION
    }
    assert not long


def test_there_are_no_drawers() -> None:
    assert not [_name(path) for path in FILES if path.stem in DRAWERS or path.parent.name in DRAWERS]


def _classes() -> Iterator[type]:
    for path in FILES:
        if path.stem == "__main__":
            continue
        parts = path.relative_to(ROOT).with_suffix("").parts
        module = import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
        yield from (c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__)


def test_classes_are_abstract_or_final() -> None:
    """No class of ours extends a class of ours that can be instantiated (errors are a tree of names alone)."""
    extended = {
        (child.__name__, parent.__name__)
        for child in _classes()
        for parent in child.__mro__[1:]
        if parent.__module__.startswith("resablate")
        and not inspect.isabstract(parent)
        and not issubclass(parent, Exception)
    }
    assert not extended


def test_the_public_names_are_there() -> None:
    import resablate

    assert sorted(resablate.__all__) == dir(resablate)
    for name in resablate.__all__:
        assert getattr(resablate, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'lesions'"):
        _ = resablate.lesions  # type: ignore[attr-defined]
