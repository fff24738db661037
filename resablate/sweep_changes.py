"""Words of the command line that change a sweep as it is read from its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from resablate.errors import nearest
from resablate.spec import TrainSpec
from resablate.sweep_blocks import Resources, Search, SeedRounds

_BLOCKS = {"search": Search, "resources": Resources, "seeds": SeedRounds}
_TEXTS = ("name", "question")


def changed_content(content: Mapping[str, Any], changes: Mapping[str, Any], found: list[str]) -> dict[str, Any]:
    """The content of a sweep file with other values: `epochs: 2`, `seed: [0, 1]`, `lesion.examples: 50`.

    A list is an axis, or the values of one. `search.trials` and `resources.pack` set one knob of a block.

    Args:
        content: of the file, before it is checked.
        changes: name -> value.
        found: gets one line for each name that is none of a sweep.
    """
    changed = {name: _copied(part) for name, part in content.items()}
    analyses = changed.setdefault("analyses", {"lesion": {}, "path_gradient": {}}) if _asks(changes, content) else {}
    for name, value in changes.items():
        head, _, rest = name.partition(".")
        if head in TrainSpec.model_fields:
            _set_field(changed, name, value)
        elif head in _BLOCKS and rest:
            changed[head] = {**(changed.get(head) or {}), rest: value}
        elif name in _TEXTS:
            changed[name] = value
        elif isinstance(analyses, dict) and head in analyses and rest:
            analyses[head] = {**(analyses[head] or {}), rest: value}
        else:
            others = ", ".join([*_TEXTS, *(f"{block}.KNOB" for block in _BLOCKS)])
            found.append(
                f"{name}: is nothing of this sweep that a word can set{nearest(name, TrainSpec.model_fields)} (a field,"
                f" listed by resablate list fields; {others}; ANALYSIS.ARGUMENT)"
            )
    return changed


def _set_field(content: dict[str, Any], name: str, value: Any) -> None:
    """Have a field or argument this value, or these where it is a list."""
    base = without(content.get("base") or {}, name)
    axes = dict(content.get("axes") or {})
    if isinstance(value, list) and name not in (content.get("base") or {}):
        axes[name] = value
    elif name in axes:
        axes[name] = [value]
    else:
        base[name] = value
    content |= {"base": base, "axes": axes}


def without(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Fields in which a field or argument is not set: neither by its name nor inside of its component."""
    field, _, argument = name.partition(".")
    kept = {other: part for other, part in fields.items() if other != name}
    if argument and isinstance(part := kept.get(field), Mapping):
        inside = cast(Mapping[str, Any], part)
        kept[field] = {key: value for key, value in inside.items() if key != argument}
    return kept


def _asks(changes: Mapping[str, Any], content: Mapping[str, Any]) -> bool:
    """Whether a change is of an analysis that a sweep asks by itself, or names."""
    heads = {name.partition(".")[0] for name in changes if "." in name}
    return bool(heads & {*(content.get("analyses") or {}), "lesion", "path_gradient"})


def _copied(part: Any) -> Any:
    return dict(cast(Mapping[str, Any], part)) if isinstance(part, Mapping) else part
