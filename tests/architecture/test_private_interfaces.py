"""What others keep to themselves stands in one file for each service, called after it, and nowhere else."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tests.architecture.sources import PACKAGE, trees

PRIVATE = {
    "scheduling/ray_private.py": "Ray's cache of its token",
    "submission/ray_private.py": "the files that Ray would send, and the texts of its job server",
    "tracking/mlflow_sqlite.py": "MLflow's tables, read by SQL",
    "tracking/mlflow_moved.py": "where MLflow's tables say that files lie",
    "tracking/mlflow_pages.py": "the queries of MLflow's pages",
    "torch_errors.py": "the texts of torch's errors",
    "datasets/sklearn_private.py": "the file in which scikit-learn keeps the digits",
}
"""File -> what is private in it. Each says which versions it was checked against, and a test of its own name fails when
that changes."""
PUBLIC_SQL = {
    "local_cluster/postgres.py": "its own roles and databases, in PostgreSQL's documented language",
    "storage/sqlite_files.py": "sqlite's documented check of any database",
}
NAMED_TUPLE = {"_replace", "_asdict", "_fields", "_make"}
"""Public, by Python's documentation."""
_CHECKED = re.compile(r"(?:Checked against|Source:) (ray|MLflow|torch|scikit-learn) ((?:\d[\d.]*\d(?: and | to )?)+)")
"""A package, and the versions that it was checked against."""
_SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|PRAGMA|WITH)\s+[\w*{(]")
_SEARCHES = {"search", "match", "fullmatch", "findall", "startswith", "endswith"}


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _own_names(tree: ast.Module) -> set[str]:
    """Private names that this file gives to its own functions, classes and attributes."""
    found: set[str] = set(NAMED_TUPLE)
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                found.add(name)
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return found


def private_uses(tree: ast.Module) -> Iterator[str]:
    """One line for each private name of another module that is imported, read or set, and each SQL statement."""
    own = _own_names(tree)
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), names=names) if module not in sys.stdlib_module_names:
                parts = [*module.split("."), *(alias.name for alias in names)]
                yield from (f"from {module} import {part}" for part in parts if _private(part))
            case ast.Import(names=names):
                imported = [alias.name for alias in names if alias.name not in sys.stdlib_module_names]
                yield from (f"import {name}" for name in imported if any(map(_private, name.split("."))))
            case ast.Attribute(attr=name) if _private(name) and name not in own:
                yield ast.unparse(node)
            case ast.Call(func=ast.Name(id=verb), args=[_, ast.Constant(value=str(name)), *_]):
                if verb in ("getattr", "setattr", "hasattr") and _private(name):
                    yield ast.unparse(node)
            case ast.Constant(value=str(text)) if _SQL.match(text):
                yield f"SQL: {text.strip()[:40]}"


def matched_errors(tree: ast.Module) -> Iterator[str]:
    """One line for each place that goes by the text of an error."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=others):
                if any(_is_error_text(part) for part in (left, *others)):
                    yield ast.unparse(node)
            case ast.Call(func=ast.Attribute(value=value, attr=name), args=arguments) if name in _SEARCHES:
                if any(_is_error_text(part) for part in (value, *arguments)):
                    yield ast.unparse(node)


def _is_error_text(node: ast.expr) -> bool:
    """`str(error)`, `error.args`, `error.message` and what is cut out of them."""
    return re.search(r"\bstr\((\w*error|exc\w*|e)\)|\b(\w*error|exc)\.(args|message)\b", ast.unparse(node)) is not None


@pytest.mark.parametrize("path", trees())
def test_private_interfaces_are_used_in_their_files_alone(path: str) -> None:
    tree = trees()[path]
    found = [*private_uses(tree), *matched_errors(tree)]
    if path in PUBLIC_SQL:
        found = [use for use in found if not use.startswith("SQL: ")]
    if path not in PRIVATE:
        assert not found


@pytest.mark.parametrize("path", PRIVATE)
def test_such_a_file_says_what_it_was_checked_against_and_has_a_test(path: str) -> None:
    document = ast.get_docstring(trees()[path]) or ""
    assert _CHECKED.search(document), document
    named = PACKAGE.parent / "tests" / path
    assert (named.parent / f"test_{named.name}").is_file()


def _allowed(package: str) -> list[SpecifierSet]:
    """What pyproject.toml allows of a package, wherever it names it."""
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    return [asked.specifier for asked in map(Requirement, lines) if asked.name == package]


def _installed(package: str) -> str:
    """The version of constraints.txt, with which the tests run."""
    lines = (PACKAGE.parent / "constraints.txt").read_text().splitlines()
    [version] = [line.partition("==")[2] for line in lines if line.partition("==")[0] == package]
    return version


@pytest.mark.parametrize("path", PRIVATE)
def test_such_a_package_is_allowed_up_to_the_versions_that_were_checked(path: str) -> None:
    [(name, told)] = _CHECKED.findall(ast.get_docstring(trees()[path]) or "")
    package, versions = name.lower(), re.findall(r"\d[\d.]*\d", told)
    newest = max(map(Version, versions))
    following = f"{newest.major}.{newest.minor + 1}"
    allowed = _allowed(package)
    assert allowed
    for specifier in allowed:
        assert any(part.operator == "<" and part.version == following for part in specifier), (
            f"pyproject.toml: {package}{specifier}: resablate/{path} was checked against {told}, so <{following}"
        )
        assert all(version in specifier for version in versions)
        assert _installed(package) in specifier
    assert Version(_installed(package)).release[:2] == newest.release[:2]


@pytest.mark.parametrize(
    "code",
    [
        "from ray._raylet import Token",
        "from ray._private.services import x",
        "import mlflow._store",
        "from torch.optim.optimizer import _use_grad",
        "study._storage.get()",
        "torch._C._cuda_init()",
        "trial._trial_id = 3",
        "getattr(tuner, '_internal')",
        "connection.execute('SELECT * FROM runs')",
    ],
)
def test_the_search_finds(code: str) -> None:
    assert list(private_uses(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "if 'already exists' in str(error): pass",
        "re.search('out of memory', str(error))",
        "pattern.match(error.args[0])",
        "str(error).startswith('CUDA')",
        "if error.message == 'no': pass",
    ],
)
def test_the_search_finds_matched_texts(code: str) -> None:
    assert list(matched_errors(ast.parse(code)))


def test_the_search_leaves_alone_what_is_ours() -> None:
    methods = "def _f(self): self._x = 1", "def g(self, other): return other._x + other._f() + row._replace(a=1)"
    assert not list(private_uses(ast.parse("\n".join(methods))))
    assert not list(matched_errors(ast.parse("raise ValueError(f'{path}: {str(error)}')")))
