"""What pydantic finds wrong with a sweep or a trial, in our words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError, ValidationInfo

from resablate.component import as_yaml, check_truth
from resablate.errors import SHOWN_PROBLEMS, choices_of, nearest

_UNION_BRANCHES = ("bool", "float", "str", "int", "constrained-float", "literal")
"""What pydantic appends to the place of a mistake in a value that may be of several types."""


def problems(error: ValidationError, *, known: Mapping[str, Any], prefix: str = "") -> list[str]:
    """One line for each mistake pydantic found: place, rule, value.

    Args:
        error: what validation raised.
        known: the model's fields, to name the nearest one.
        prefix: put before each field's name, such as `base.`.
    """
    # Of a value that may be of several types pydantic says once for each what is wrong; here it is one line.
    found: dict[tuple[str, str], list[str]] = {}
    for mistake in error.errors():
        path = [str(part) for part in mistake["loc"]]
        if len(path) > 1 and path[-1].partition("[")[0] in _UNION_BRANCHES:
            path.pop()
        place, given = prefix + ".".join(path), ""
        if mistake["type"] == "extra_forbidden":
            fields = _nested_fields(known.get(path[0])) if len(path) > 1 else known
            near = nearest(path[-1], fields) if len(found) < SHOWN_PROBLEMS else ""
            rule = f"no such field{near} ({choices_of('fields', list(fields), 'resablate list fields')})"
        elif mistake["type"] == "value_error":
            rule = str(mistake.get("ctx", {}).get("error"))
        else:
            rule, given = _lower(mistake["msg"]), f", got {as_yaml(mistake['input'])}"
        found.setdefault((place, given), []).append(rule)
    return [f"{place}: {' or '.join(rules)}{given}".removeprefix(": ") for (place, given), rules in found.items()]


def check_truth_of_field(model: type[BaseModel], value: Any, field: ValidationInfo) -> Any:
    """`value` before pydantic sees it, which takes `yes` and 1 for true, and true for 1.

    Raises:
        ValueError: as `check_truth` does, of the value or of one in a list.
    """
    annotation = model.model_fields[str(field.field_name)].annotation
    for part in cast(list[Any], value) if isinstance(value, list) else [value]:
        check_truth(part, get_args(annotation) or (annotation,))
    return value


def _nested_fields(field: Any) -> Mapping[str, Any]:
    annotation = getattr(field, "annotation", None)
    models = (part for part in (annotation, *get_args(annotation)) if hasattr(part, "model_fields"))
    return getattr(next(models, None), "model_fields", {})


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
