"""Which trainings may run as one pack: those of one shape."""

from __future__ import annotations

from typing import Any

from resablate.component import PER_MEMBER, Component, content_hash
from resablate.component_tables import TABLES
from resablate.spec import KEY_LENGTH, TrainSpec


def shape_key(spec: TrainSpec) -> str:
    """Equal for trainings that may be members of one pack: those that differ in what is marked PER_MEMBER alone.

    A field is marked in `TrainSpec`, an argument of a component where its row declares it.

    Args:
        spec: canonical.
    """
    shape = {name: _shape(name, value) for name, value in dict(spec).items()}
    return content_hash({name: part for name, part in shape.items() if not _differs(name)}, KEY_LENGTH)


def _differs(field: str) -> bool:
    """Whether the members of a pack may have their own values of a field."""
    return PER_MEMBER in TrainSpec.model_fields[field].metadata


def _shape(field: str, value: Any) -> Any:
    """A field's value without what the members of a pack may have their own of."""
    if not isinstance(value, Component):
        return value
    own = TABLES[field].per_member(value.name)
    return [value.name, value.identity, {name: part for name, part in value.values.items() if name not in own}]
