"""A table of named things: read-only, in a fixed order, open to other packages."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from resablate.errors import UnknownName

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """A literal table plus the rows that other packages add through the entry-point group `resablate.<table>`.

    Row order is the order of every legend and table. A row of another package never replaces one of ours.

    Args:
        kind: what one row is, in the singular, as error messages say it ("shortcut").
        table: the plural: the folder's name and the entry-point group's last part ("shortcuts").
        rows: name -> thing.
    """

    def __init__(self, kind: str, table: str, rows: Mapping[str, T]) -> None:
        self.kind = kind
        self.table = table
        self._own = MappingProxyType(dict(rows))

    @cached_property
    def _rows(self) -> Mapping[str, T]:
        rows = dict(self._own)
        for entry in entry_points(group=f"resablate.{self.table}"):
            if entry.name not in rows:
                rows[entry.name] = entry.load()
        return MappingProxyType(rows)

    def __getitem__(self, name: str) -> T:
        """The row called `name`.

        Raises:
            UnknownName: if there is none; the message names the nearest rows and lists all.
        """
        try:
            return self._rows[name]
        except KeyError:
            raise UnknownName(self.kind, name, self._rows) from None

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def position(self, name: str) -> int:
        """The row's place in the table, which fixes its color and legend order; unknown names come last."""
        return list(self._rows).index(name) if name in self._rows else len(self._rows)


@cache
def arguments(function: Callable[..., object]) -> Mapping[str, object]:
    """The keyword-only arguments of a row that have a default: its knobs."""
    parameters = inspect.signature(function).parameters.values()
    return MappingProxyType(
        {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is not p.empty}
    )


def accepted(function: Callable[..., object], knobs: Mapping[str, object]) -> dict[str, Any]:
    """Those of `knobs` that `function` takes."""
    taken = arguments(function)
    return {name: value for name, value in knobs.items() if name in taken}
