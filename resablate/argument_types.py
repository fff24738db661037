"""Whether a value fits the annotation of an argument, and its canonical form."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Annotated, Any, cast, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError

from resablate.component import Value
from resablate.errors import UnknownName
from resablate.registry import Registry


def checked_argument(hint: Any, default: object, value: Any) -> Value:
    """`value` as the row will hold it.

    Args:
        hint: the annotation of the argument: a type, with ranges of annotated_types and, where it names a row of a
            table, the table itself; None where it cannot be told.
        default: the argument's default, which tells the type where the annotation does not.
        value: what somebody wrote.

    Raises:
        ValueError: if it does not fit; see `argument_problem`.
    """
    if hint is None:
        return _like(default, value)
    if isinstance(value, bool) and bool not in set(_plain_types(hint)):
        raise ValueError("must not be true or false")
    if isinstance(value, str) and any(get_origin(part) is tuple for part in _parts(hint)):
        value = [part.strip() for part in value.split(",") if part.strip()]  # as a run's params show a list
    checked = _adapter(hint).validate_python(value)
    for number in cast(Sequence[Any], checked) if isinstance(checked, tuple | list) else [checked]:
        if isinstance(number, float) and not math.isfinite(number):
            raise ValueError("must be a finite number")
    for table in _tables(hint):
        if isinstance(checked, str) and checked not in table:
            raise ValueError(f"must be a row of its table: {UnknownName(table.kind, checked, table)}")
    return tuple(cast(list[Any], checked)) if isinstance(checked, list) else checked


def argument_problem(error: ValueError) -> str:
    """The rule that a value broke, in words that follow the argument's name."""
    if not isinstance(error, ValidationError):
        return str(error)
    rules = dict.fromkeys(mistake["msg"] for mistake in error.errors())
    return " or ".join(rule.replace("Input should", "must").replace("Value error, ", "") for rule in rules)


@lru_cache(maxsize=1024)
def _adapter(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(hint, config=ConfigDict(allow_inf_nan=True))


def _parts(hint: Any) -> Iterator[Any]:
    """The annotation and everything inside it."""
    yield hint
    for part in get_args(hint):
        if not isinstance(part, str | int | float):
            yield from _parts(part)


def _plain_types(hint: Any) -> Iterator[type]:
    return (part for part in _parts(hint) if isinstance(part, type))


@lru_cache(maxsize=1024)
def _tables(hint: Any) -> tuple[Registry[Any], ...]:
    found: list[Registry[Any]] = []
    for part in _parts(hint):
        if get_origin(part) is Annotated:
            found += [mark for mark in part.__metadata__ if isinstance(mark, Registry)]
    return tuple(found)


def _like(default: object, value: Any) -> Value:
    if isinstance(default, bool) != isinstance(value, bool) and default is not None:
        raise ValueError("must be true or false" if isinstance(default, bool) else "must not be true or false")
    if isinstance(default, int | float) and not isinstance(value, int | float):
        raise ValueError("must be a number")
    return value
