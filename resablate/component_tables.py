"""The open tables by the field of a trial that takes their rows, and a component against its table."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from resablate.argument_types import checked_argument
from resablate.augmentations import AUGMENTATIONS, ERASINGS, MIXINGS
from resablate.component import Component, as_yaml
from resablate.datasets import DATASETS
from resablate.errors import UnknownName, nearest
from resablate.model import INITIALIZATIONS, NETWORKS, NORMS
from resablate.optimizers import OPTIMIZERS
from resablate.orderings import ORDERINGS
from resablate.registry import Registry
from resablate.regularizers import REGULARIZERS
from resablate.schedules import SCHEDULES
from resablate.shortcuts import SHORTCUTS
from resablate.spec import TrainSpec
from resablate.training import AVERAGINGS, BLOCK_SAMPLINGS, CLIPPINGS, LOSSES, MEMORY_FORMATS, PRECISIONS

TABLES: Mapping[str, Registry[Any]] = {
    table.kind: table
    for table in (
        NETWORKS,
        SHORTCUTS,
        ORDERINGS,
        NORMS,
        INITIALIZATIONS,
        DATASETS,
        AUGMENTATIONS,
        ERASINGS,
        MIXINGS,
        OPTIMIZERS,
        SCHEDULES,
        LOSSES,
        CLIPPINGS,
        AVERAGINGS,
        PRECISIONS,
        MEMORY_FORMATS,
        BLOCK_SAMPLINGS,
        REGULARIZERS,
    )
}
"""Field of TrainSpec -> the table that its component is a row of; a table's kind is the field's name."""
_CACHED = 65_536


class Resolved(NamedTuple):
    """A component with its arguments checked, and what is wrong with it."""

    component: Component
    """Arguments that differ from the defaults apart from those that do not; as given where something is wrong."""
    problems: tuple[str, ...]


def resolve(component: Component, kind: str) -> Resolved:
    """`component` against the table of its kind."""
    truths = tuple(name for name, value in component.arguments.items() if isinstance(value, bool))
    return _resolved(component, kind, truths)


@lru_cache(maxsize=_CACHED)
def _resolved(component: Component, kind: str, truths: tuple[str, ...]) -> Resolved:
    # `truths` tells true from 1, which are equal.
    return resolve_in(component, TABLES[kind])


def resolve_in(component: Component, table: Registry[Any]) -> Resolved:
    """`component` against a table."""
    if component.name not in table:
        unknown = UnknownName(table.kind, component.name, table, listing=f"resablate list {table.table}")
        return Resolved(component, (str(unknown),))
    defaults = table.arguments(component.name)
    types = table.types(component.name)
    choices = f"takes {', '.join(defaults)}" if defaults else "takes no argument"
    named = f"{table.kind} {component.name!r}"
    found: list[str] = []
    values: dict[str, Any] = dict(defaults)
    for name, value in component.values.items():
        if name not in defaults:
            if name in component.arguments:
                found.append(f"{named} {choices}; got {name}={as_yaml(value)}{nearest(name, defaults)}")
            continue
        try:
            values[name] = checked_argument(types.get(name), defaults[name], value)
        except ValueError as error:
            found.append(f"{named}: {name} {error}")
    if found:
        return Resolved(component, tuple(found))
    return Resolved(
        Component(
            component.name,
            {name: value for name, value in values.items() if value != defaults[name]},
            {name: value for name, value in values.items() if value == defaults[name]},
            component.identity or table.identity(component.name),
        ),
        (),
    )


def takes(field: str, name: str) -> Mapping[str, Any]:
    """The arguments of a row and their defaults; none where there is no such row."""
    table = TABLES[field]
    return table.arguments(name) if name in table else {}


def takes_whole_numbers(axis: str) -> bool:
    """Whether a trial holds a whole number on this axis: a field, or an argument of the rows that take it."""
    field, dot, argument = axis.partition(".")
    if not dot:
        known = TrainSpec.model_fields.get(field)
        return known is not None and "int" in str(known.annotation)
    table = TABLES.get(field)
    rows = [name for name in table or () if table and argument in table.arguments(name)]
    kinds = [table.types(name).get(argument, type(table.arguments(name)[argument])) for name in rows if table]
    return bool(kinds) and all("int" in str(kind) and "float" not in str(kind) for kind in kinds)
