"""Words of the command line: `name=value`, and times."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from resablate.errors import SpecError
from resablate.spec import TrainSpec
from resablate.strict_yaml import parse_yaml


def parse_assignments(words: Sequence[str], *, place: str) -> dict[str, Any]:
    """`name=value` words by name; `shortcut.bias=-6` sets one argument.

    Args:
        words: one for each knob.
        place: what the person was writing, for error messages.

    Raises:
        SpecError: for a word without `=` or with a value that is no YAML; the others are its `valid_part`.
    """
    fields: dict[str, Any] = {}
    found: list[str] = []
    for word in words:
        name, equals, text = word.partition("=")
        try:
            value = parse_yaml(text, place=name)
        except SpecError as error:
            found.append(f"{word!r}: the value is no YAML ({error.problems[0]})")
            continue
        if not equals or not name:
            found.append(f"{word!r}: write a knob as name=value")
        elif name in fields:
            found.append(f"{word!r}: {name} is set twice")
        else:
            fields[name] = value
    if found:
        raise SpecError(found, place=place, valid_part=fields)
    return fields


def split_questions(fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The fields of a training, and the analyses by name with their arguments; None where none is named.

    Args:
        fields: by `parse_assignments`; `analyses` lists names, and `lesion.examples` sets an argument of one.
    """
    base = {name: value for name, value in fields.items() if name.partition(".")[0] in TrainSpec.model_fields}
    rest = {name: value for name, value in fields.items() if name not in base}
    names = rest.pop("analyses", None)
    listed = cast(list[Any], names) if isinstance(names, list) else str(names).split(",") if names is not None else []
    asked: dict[str, Any] = {str(name).strip(): {} for name in listed}
    for name, value in rest.items():
        analysis, dot, argument = name.partition(".")
        if dot:
            asked.setdefault(analysis, {})[argument] = value
        else:
            base[name] = value  # no field: reported with those that there are
    return base, asked if asked or names is not None else None


def parse_count(text: str, *, place: str) -> int:
    """A whole number of at least 1.

    Raises:
        SpecError: if it is none.
    """
    if not re.fullmatch(r"[0-9]{1,18}", text.strip()) or not int(text):
        raise SpecError(f"{place}: a whole number of at least 1, got {text!r}")
    return int(text)


_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str, *, place: str) -> float:
    """Seconds of a time such as `90s`, `30m` or `1.5h`.

    Raises:
        SpecError: if it is none, or not above zero.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not seconds > 0:
        raise SpecError(f"{place}: a time above zero, such as 90s, 30m or 2h; got {text!r}")
    return seconds
