"""Whether a value fits the annotation of an argument, and its canonical form."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Annotated, Any, cast, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError

from resablate.component import Value, as_yaml, check_truth
from resablate.errors import nearest
from resablate.registry import Registry

_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "tuple": "a list", "string": "a text"}
"""What pydantic's kinds of mistakes ask for; its own words follow the type of the value too."""


def checked_argument(hint: Any, default: object, value: Any) -> Value:
    """`value` as the row will hold it.

    Args:
        hint: the annotation of the argument: a type, with ranges of annotated_types and, where it names a row of a
            table, the table itself; None where it cannot be told.
        default: the argument's default, which tells the type where the annotation does not.
        value: what somebody wrote.

    Raises:
        ValueError: if it does not fit; the text, such as `must be less than 1, got 1`, follows the argument's name.
    """
    if hint is None:
        return _like(default, value)
    kinds = set(_plain_types(hint))
    check_truth(value, kinds)
    given = value
    if isinstance(value, str) and any(get_origin(part) is tuple for part in _parts(hint)):
        given = [part.strip() for part in value.split(",") if part.strip()]  # as a run's params show a list
    choices = [name for table in _tables(hint) for name in table]
    if isinstance(value, str) and choices and value not in choices and float in kinds:
        given = _number(value)  # YAML reads 1e-3 as a text
    try:
        checked = _adapter(hint).validate_python(given)
    except ValidationError as error:
        raise ValueError(f"must be {_rules(error, choices)}, got {as_yaml(value)}") from None
    for number in cast(Sequence[Any], checked) if isinstance(checked, tuple | list) else [checked]:
        if isinstance(number, float) and not math.isfinite(number):
            raise ValueError(f"must be a finite number, got {as_yaml(value)}")
    if isinstance(checked, str) and choices and checked not in choices:
        raise ValueError(f"must be {_listed(choices)}, got {as_yaml(value)}{nearest(checked, choices)}")
    return tuple(cast(list[Any], checked)) if isinstance(checked, list) else checked


def _rules(error: ValidationError, choices: Sequence[str]) -> str:
    """What the value had to be: every possibility once, in our words."""
    found: dict[str, None] = {}
    for mistake in error.errors():
        kind = mistake["type"].partition("_")[0]
        if mistake["type"].endswith(("_type", "_parsing", "_from_float")) and kind in _KINDS:
            found[_listed(choices) if kind == "string" and choices else _KINDS[kind]] = None
        else:
            found[mistake["msg"].removeprefix("Input should be ").removeprefix("Value error, ")] = None
    return " or ".join(found)


def _listed(choices: Sequence[str]) -> str:
    return f"one of {', '.join(choices)}"


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


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
        rule = "must be true or false" if isinstance(default, bool) else "must not be true or false"
        raise ValueError(f"{rule}, got {as_yaml(value)}")
    if isinstance(default, int | float) and not isinstance(value, int | float):
        raise ValueError(f"must be a number, got {as_yaml(value)}")
    return value
