"""A table of named things: read-only, in a fixed order, open to other packages."""

from __future__ import annotations

import hashlib
import inspect
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache, cached_property, partial
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar, get_type_hints

from resablate.component import PER_MEMBER, RECORD_KEYS, Component, parse_component
from resablate.errors import UnknownName

T = TypeVar("T")
log = logging.getLogger(__name__)

_RESERVED = frozenset({"name", *RECORD_KEYS})
_SOURCE_DIGITS = 12


class Registry(Mapping[str, T], Generic[T]):
    """A literal table plus the rows that other packages add through the entry-point group `resablate.<table>`.

    Row order is the order of every legend and table. A row of another package never replaces one of ours, and one that
    cannot be loaded is left out with a warning.

    A row is a function or a class, whose keywords with defaults are its arguments, or something with `functions`, which
    tells the functions whose keywords count.

    Args:
        kind: what one row is, in the singular, as error messages say it ("shortcut"); also the name of the field of
            `TrainSpec` that takes a row, where there is one.
        table: the plural: the folder's name and the entry-point group's last part ("shortcuts").
        rows: name -> thing.
        given: keywords that whoever calls a row supplies, and so no arguments of its own.
    """

    def __init__(self, kind: str, table: str, rows: Mapping[str, T], *, given: Collection[str] = ()) -> None:
        self.kind = kind
        self.table = table
        self.given = frozenset(given)
        self._own = MappingProxyType(dict(rows))

    @cached_property
    def _entries(self) -> Mapping[str, EntryPoint]:
        """Rows of other packages."""
        found = entry_points(group=f"resablate.{self.table}")
        return {entry.name: entry for entry in found if entry.name not in self._own}

    @cached_property
    def _rows(self) -> Mapping[str, T]:
        rows = dict(self._own)
        for name, entry in self._entries.items():
            try:
                row = entry.load()
                if reserved := sorted(_RESERVED & set(keyword_defaults(row, self.given))):
                    raise ValueError(f"no argument may be called {', '.join(reserved)}")
            except Exception as error:  # whatever another package raises, the other rows are there
                log.warning("%s %r of %s is left out: %s: %s", self.kind, name, _package(entry), _kind(error), error)
                continue
            rows[name] = row
        return MappingProxyType(rows)

    def __getitem__(self, name: str) -> T:
        """The row called `name`.

        Raises:
            UnknownName: if there is none; the message names the nearest rows and lists all.
        """
        try:
            return self._rows[name]
        except KeyError:
            raise UnknownName(self.kind, name, self._rows, listing=f"resablate list {self.table}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:  # a table stands in annotations, which are looked up by hash
        return id(self)

    def position(self, name: str) -> int:
        """The row's place in the table, which fixes its color and legend order; unknown names come last."""
        return list(self._rows).index(name) if name in self._rows else len(self._rows)

    def arguments(self, name: str) -> Mapping[str, Any]:
        """The arguments of a row and their defaults."""
        return keyword_defaults(self[name], self.given)

    def types(self, name: str) -> Mapping[str, Any]:
        """The arguments of a row and the types they are annotated with; those that cannot be told are left out."""
        return _annotations(self[name], self.given)

    def per_member(self, name: str) -> frozenset[str]:
        """The arguments of a row in which the members of a pack may differ."""
        return per_member(self[name]) - self.given

    def identity(self, name: str) -> str:
        """Package, version and hash of the source of a row of another package; empty for one of ours."""
        entry = self._entries.get(name)
        return "" if entry is None else f"{_package(entry)} {_source_hash(entry.module)}"


def row_functions(row: object) -> tuple[Callable[..., object], ...]:
    """The functions whose keywords are the arguments of a row."""
    functions = getattr(row, "functions", None)
    if functions is not None:
        return functions
    return (row,) if callable(row) else ()


@cache
def keyword_defaults(row: object, given: frozenset[str] = frozenset()) -> Mapping[str, Any]:
    """The keyword-only parameters of a row that have a default, without those that its caller supplies."""
    found: dict[str, Any] = {}
    for function in row_functions(row):
        for parameter in inspect.signature(function).parameters.values():
            known = parameter.kind is parameter.KEYWORD_ONLY and parameter.default is not parameter.empty
            if known and parameter.name not in given:
                found[parameter.name] = parameter.default
    return MappingProxyType(found)


@cache
def _annotations(row: object, given: frozenset[str]) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for function in row_functions(row):
        try:
            hints = get_type_hints(function.__init__ if inspect.isclass(function) else function, include_extras=True)
        except Exception:  # names that only a type checker sees; the defaults tell then
            continue
        found |= {name: hints[name] for name in keyword_defaults(function, given) if name in hints}
    return MappingProxyType(found)


def per_member(row: object) -> frozenset[str]:
    """The keywords of a row that are marked PER_MEMBER."""
    types = _annotations(row, frozenset())
    return frozenset(name for name, hint in types.items() if PER_MEMBER in getattr(hint, "__metadata__", ()))


def with_arguments(
    table: Registry[Callable[..., T]], component: str | Mapping[str, Any] | Component
) -> Callable[..., T]:
    """The row of `table` that `component` names, with its arguments filled in.

    Raises:
        UnknownName: if there is no such row.
    """
    parsed = parse_component(component)
    return partial(table[parsed.name], **parsed.values)


def filter_kwargs(function: Callable[..., object], values: Mapping[str, object]) -> dict[str, Any]:
    """Those of `values` that `function` takes as keywords."""
    taken = _keywords(function)
    return {name: value for name, value in values.items() if name in taken}


@cache
def _keywords(function: Callable[..., object]) -> frozenset[str]:
    parameters = inspect.signature(function).parameters.values()
    return frozenset(parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY)


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.module


def _kind(error: Exception) -> str:
    return type(error).__name__


@cache
def _source_hash(module: str) -> str:
    """Of all Python files of the package that `module` belongs to, so that a helper of a row counts too."""
    top = find_spec(module.partition(".")[0])
    places = [Path(place) for place in (top.submodule_search_locations or [])] if top else []
    files = sorted(file for place in places for file in place.rglob("*.py"))
    if not files and top and top.origin:
        files = [Path(top.origin)]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:_SOURCE_DIGITS]
