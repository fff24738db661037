"""`Component`: one row of an open table by its name, with its arguments."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType, NoneType
from typing import Any, cast, final

Scalar = bool | int | float | str | None
Value = Scalar | tuple[Scalar, ...]
"""What an argument may be."""

RECORD_KEYS = ("arguments", "defaults", "identity")
"""Besides `name`, what a record of a component holds; no argument may be called so."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
"""Names become parts of file names and of MLflow's metrics, and what is read may have been written by somebody else."""


@final
class PerMember:
    """Marks, in an annotation, an argument or a field in which the members of a pack may differ."""


PER_MEMBER = PerMember()


def _nothing() -> Mapping[str, Value]:
    return MappingProxyType({})


@dataclass(frozen=True)
class Component:
    """A name and its arguments, such as `exclusive_gate` with `bias` -6.

    Two components are equal if name, arguments and identity are.

    Args:
        name: a row of a table.
        arguments: those that differ from the row's defaults; before a check, all that were given.
        defaults: the row's other arguments and their values, once it was checked; no part of what the component is, so
            that a row may get an argument more.
        identity: what the name does not tell: package, version and hash of the source of a row of another package; of
            a data set the fingerprint of its content.
    """

    name: str
    arguments: Mapping[str, Value] = field(default_factory=_nothing)
    defaults: Mapping[str, Value] = field(default_factory=_nothing, compare=False)
    identity: str = ""

    def __post_init__(self) -> None:
        for name in ("arguments", "defaults"):
            given: Mapping[str, Any] = getattr(self, name)
            object.__setattr__(self, name, MappingProxyType({key: _frozen(given[key]) for key in sorted(given)}))

    def __hash__(self) -> int:
        return hash((self.name, tuple(self.arguments.items()), self.identity))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self.name, dict(self.arguments), dict(self.defaults), self.identity)

    def __str__(self) -> str:
        """`exclusive_gate(bias=-3)`: with the arguments that differ from the defaults."""
        parts = [f"{name}={shown_value(value)}" for name, value in self.arguments.items()]
        return f"{self.name}({', '.join(parts)})" if parts else self.name

    @property
    def values(self) -> dict[str, Any]:
        """Every argument that is known: the keywords of the row."""
        return {**self.defaults, **self.arguments}

    def params(self, field_name: str) -> dict[str, Scalar]:
        """Flat names and values for tables: `shortcut`, `shortcut.bias`; lists joined with commas."""
        flat: dict[str, Scalar] = {field_name: self.name}
        for name, value in sorted(self.values.items()):
            flat[f"{field_name}.{name}"] = ",".join(map(str, value)) if isinstance(value, tuple) else value
        return flat

    def brief(self) -> str | dict[str, Any]:
        """As a person writes it in a sweep file, with its identity: what keys are made of."""
        known = {name: list(value) if isinstance(value, tuple) else value for name, value in self.arguments.items()}
        extra = {"identity": self.identity} if self.identity else {}
        return {"name": self.name, **known, **extra} if known or extra else self.name

    def record(self) -> str | dict[str, Any]:
        """As it stands in records, defaults included: read back equal by `parse_component`."""
        parts: dict[str, Any] = {
            "arguments": dict(self.arguments),
            "defaults": dict(self.defaults),
            "identity": self.identity,
        }
        kept = {name: value for name, value in parts.items() if value}
        return {"name": self.name, "arguments": {}, **kept} if kept else self.name

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """How pydantic reads and writes it; called by pydantic alone."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            parse_component,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda component: component.record()),
        )


def _rebuilt(name: str, arguments: dict[str, Value], defaults: dict[str, Value], identity: str) -> Component:
    return Component(name, arguments, defaults, identity)


def parse_component(value: Any) -> Component:
    """A component from a name, a mapping of its name and arguments, or a record.

    Raises:
        ValueError: if it is none of these, or an argument is neither a number, a text, true, false, null nor a list.
    """
    if isinstance(value, Component):
        return value
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, Mapping):
        raise ValueError(f"a name, or {{name: NAME, argument: value}}, got {as_yaml(value)}")
    given: dict[str, Any] = {str(key): part for key, part in cast(Mapping[Any, Any], value).items()}
    if "name" not in given:
        raise ValueError(f"the name is missing: write {{name: NAME, argument: value}}, got {as_yaml(value)}")
    name = given.pop("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"name must be a name of letters, digits and _, got {as_yaml(name)}")
    record = {key: given.pop(key) for key in RECORD_KEYS if key in given}
    parts = [record[key] for key in ("arguments", "defaults") if key in record]
    if (parts and given) or not all(isinstance(part, Mapping) for part in parts):
        raise ValueError(f"no argument of {name} may be called {' or '.join(RECORD_KEYS)}, got {as_yaml(value)}")
    arguments = {**given, **record.get("arguments", {})}
    defaults = record.get("defaults", {})
    for argument, part in (*arguments.items(), *defaults.items()):
        check_argument(argument, part)
    return Component(name, arguments, defaults, str(record.get("identity", "")))


def parse_choices(**written: Any) -> dict[str, Component]:
    """Field -> the component that is written for it, as `parse_component` reads it."""
    return {field: parse_component(value) for field, value in written.items()}


def check_argument(name: str, value: object) -> None:
    """Raise ValueError unless the argument has a name and a value of the plain kinds."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"an argument is named by letters, digits and _, got {as_yaml(name)}")
    parts: Sequence[object] = value if isinstance(value, list | tuple) else [value]
    if not all(part is None or isinstance(part, bool | int | float | str) for part in parts):
        raise ValueError(f"{name} must be a number, a text, true, false, null or a list of these, got {as_yaml(value)}")


def whole_numbers(value: Any) -> Any:
    """`value` with every whole float as an int, so that -6 and -6.0 are one number in JSON."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {name: whole_numbers(part) for name, part in cast(Mapping[str, Any], value).items()}
    if isinstance(value, list | tuple):
        return [whole_numbers(part) for part in cast(Sequence[Any], value)]
    return value


def content_hash(value: Any, digits: int) -> str:
    """The first `digits` hexadecimal digits of the SHA-256 of plain values, equal for equal ones."""
    import hashlib

    text = json.dumps(whole_numbers(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def shown_value(value: object) -> str:
    """A value for people: whole numbers without a point, at most four digits of others."""
    if isinstance(value, tuple):
        return ",".join(map(shown_value, cast(tuple[object, ...], value)))
    if isinstance(value, float):
        return f"{value:g}"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def as_yaml(value: object) -> str:
    """A value in one line, as a sweep file writes it: an error names what somebody finds there."""
    if isinstance(value, Mapping):
        parts = cast(Mapping[object, object], value).items()
        shown = [f"{key if isinstance(key, str) else as_yaml(key)}: {as_yaml(part)}" for key, part in parts]
        return f"{{{', '.join(shown)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_yaml, cast(Sequence[object], value)))}]"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{'-' if value < 0 else ''}.{'nan' if math.isnan(value) else 'inf'}"
    return shown_value(value) if value is None or isinstance(value, bool) else repr(value)


def check_truth(value: object, kinds: Collection[object]) -> None:
    """Raise ValueError where a truth value stands for something else, or something else for one.

    Only true and false are truth values, as in YAML 1.2, and neither is a number.

    Args:
        value: what somebody wrote.
        kinds: the types that it may have, None's own included.
    """
    if isinstance(value, bool) and bool not in kinds:
        raise ValueError(f"must not be true or false, got {as_yaml(value)}")
    if kinds and {*kinds} <= {bool, NoneType} and type(value) not in kinds:
        raise ValueError(f"must be true or false, got {as_yaml(value)}")


def _frozen(value: Any) -> Value:
    return tuple(value) if isinstance(value, list | tuple) else value
