"""YAML as a person means it: what PyYAML lets pass silently is a mistake with its place."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

from resablate.errors import SpecError


def parse_yaml(text: str, *, place: str) -> Any:
    """The content of a YAML text.

    Args:
        text: what the file holds.
        place: where it was written, for error messages.

    Raises:
        SpecError: if it is no YAML, or a key is written twice.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that there is not
        raise SpecError(_yaml_problem(error), place=place) from None
    except RecursionError:
        raise SpecError(f"{place}: nested too deeply for a sweep") from None


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe loader, refusing a key that is written twice (PyYAML keeps the last one silently)."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise yaml.constructor.ConstructorError(None, None, f"{key!r} cannot be a key", key_node.start_mark)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"{key!r} is written twice", key_node.start_mark)
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _yaml_problem(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: not valid YAML: {error.problem}"
    return f"not valid YAML: {error}"
