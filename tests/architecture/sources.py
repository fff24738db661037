"""The package's source as trees: what its code mentions, comments and docstrings left out."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "resablate"


@cache
def trees() -> dict[str, ast.Module]:
    """Path below the package -> its tree."""
    files = sorted(PACKAGE.rglob("*.py"))
    return {str(file.relative_to(PACKAGE)): ast.parse(file.read_text(encoding="utf-8")) for file in files}


def words(tree: ast.AST) -> Iterator[str]:
    """Every name, keyword, attribute and text in the code."""
    documents = {id(statement.value) for statement in ast.walk(tree) if isinstance(statement, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=word) | ast.arg(arg=word) | ast.Attribute(attr=word) | ast.keyword(arg=str(word)):
                yield word
            case ast.Constant(value=str(word)) if id(node) not in documents:
                yield word


def files_with(word: str) -> set[str]:
    """The files whose code has this name, or a text that is it or ends with a dot and it, as `shortcut.bias` does."""
    return {path for path, tree in trees().items() if any(w == word or w.endswith(f".{word}") for w in words(tree))}
