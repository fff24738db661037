"""Which trainings may run as one pack, and how many trials are put into packs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from resablate.component import PER_MEMBER, Component, content_hash
from resablate.component_tables import TABLES
from resablate.spec import KEY_LENGTH, TrainSpec

Pack = tuple[TrainSpec, ...]
"""Trials that train as one, all of one shape."""


def shape_key(spec: TrainSpec, *, but: Collection[str] = ()) -> str:
    """Equal for trainings that may be members of one pack: those that differ in what is marked PER_MEMBER alone.

    A field is marked in `TrainSpec`, an argument of a component where its row declares it.

    Args:
        spec: canonical.
        but: axes, each a field or `field.argument`, in which they may differ too, though no pack has both then.
    """
    fields = [name for name in _shared_fields() if name not in but]
    return content_hash({name: _shape(name, getattr(spec, name), but) for name in fields}, KEY_LENGTH)


def by_shape(trials: Sequence[TrainSpec]) -> list[Pack]:
    """The trials of each shape, in the order of their first ones; in each the replicates of a cell follow each other.

    Args:
        trials: canonical.
    """
    cells: dict[str, list[TrainSpec]] = {}
    for spec in trials:
        cells.setdefault(spec.cell, []).append(spec)
    shapes: dict[str, list[TrainSpec]] = {}
    for replicates in cells.values():  # which have one shape: a seed is PER_MEMBER
        shapes.setdefault(shape_key(replicates[0]), []).extend(replicates)
    return [tuple(alike) for alike in shapes.values()]


def in_packs(trials: Sequence[TrainSpec], count_of: Callable[[Pack], int]) -> list[Pack]:
    """The trials in packs, in the order of their first members.

    Args:
        trials: canonical, each once.
        count_of: all trials of a shape -> how many packs they make, whose sizes differ by one at most.
    """
    places = {spec.key: place for place, spec in enumerate(trials)}
    packs = [pack for alike in by_shape(trials) for pack in _split(alike, count_of(alike))]
    return sorted(packs, key=lambda pack: min(places[spec.key] for spec in pack))


def _split(alike: Pack, count: int) -> list[Pack]:
    ends = [part * len(alike) // count for part in range(count + 1)]
    return [alike[start:end] for start, end in pairwise(ends)]


@cache
def _shared_fields() -> tuple[str, ...]:
    """The fields in which the members of a pack are alike, but for what their components mark."""
    return tuple(name for name, field in TrainSpec.model_fields.items() if PER_MEMBER not in field.metadata)


def _shape(field: str, value: Any, but: Collection[str]) -> Any:
    """A field's value without what the members of a pack may have their own of, and without these axes."""
    if not isinstance(value, Component):
        return value
    own = TABLES[field].per_member(value.name)
    shared = {name: part for name, part in value.values.items() if name not in own and f"{field}.{name}" not in but}
    return [value.name, value.identity, shared]
