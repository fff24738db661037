"""Words of the command line: `name=value`, and times."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

from resablate.errors import SpecError


def parse_assignments(words: Sequence[str], *, place: str) -> dict[str, Any]:
    """`name=value` words as fields; `shortcut_args.bias=-6` sets one argument.

    Args:
        words: one for each knob.
        place: what the person was writing, for error messages.

    Raises:
        SpecError: for a word without `=` or with a value that is no YAML.
    """
    fields: dict[str, Any] = {}
    found: list[str] = []
    for word in words:
        name, equals, text = word.partition("=")
        field, dot, argument = name.partition(".")
        try:
            value = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError):  # ValueError: a date that there is not
            found.append(f"{word!r}: the value is no YAML")
            continue
        holder: Any = fields.setdefault(field, {}) if dot else fields
        if not equals or not name:
            found.append(f"{word!r}: write a knob as name=value")
        elif not isinstance(holder, dict) or (argument or field) in holder:
            found.append(f"{word!r}: {name} is set twice")
        else:
            holder[argument if dot else field] = value
    if found:
        raise SpecError(found, place=place)
    return fields


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
