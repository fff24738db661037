"""Points of a sweep: where its axes end, and which point a trial belongs to."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, get_args

from resablate.errors import ResablateError
from resablate.result import COMPLETE, TrialResult
from resablate.searches.objectives import objective
from resablate.spec import TrainSpec
from resablate.sweep import Point, Range, SweepSpec

_MOST_CORNERS = 2_000
"""Checking so many takes a second."""


def takes_whole_numbers(axis: str) -> bool:
    """Whether a trial holds a whole number on this axis."""
    field = TrainSpec.model_fields.get(axis)
    kinds = (get_args(field.annotation) or (field.annotation,)) if field else ()
    return int in kinds


def ends(axis: str, span: Range) -> tuple[float, float]:
    """The lowest and highest value of a range; the whole numbers inside it where the axis takes those alone."""
    return (math.ceil(span.low), math.floor(span.high)) if takes_whole_numbers(axis) else (span.low, span.high)


def corners(sweep: SweepSpec) -> list[Point]:
    """Every combination of listed values and ends of ranges; where these are too many, each on its own."""
    values = {axis: ends(axis, span) if isinstance(span, Range) else span for axis, span in sweep.axes.items()}
    if math.prod(len(listed) for listed in values.values()) <= _MOST_CORNERS:
        return [dict(zip(values, point, strict=True)) for point in itertools.product(*values.values())]
    first: Point = {axis: listed[0] for axis, listed in values.items()}
    return [first, *({**first, axis: value} for axis, listed in values.items() for value in listed[1:])]


def point_of(spec: TrainSpec, sweep: SweepSpec) -> Point:
    """The point of the sweep that `spec`, one of its trials, belongs to.

    An axis without effect under the others is back at its default in a spec; any of its values gives the same trial.
    """
    point: Point = {}
    for axis, span in sweep.axes.items():
        field, _, argument = axis.partition(".")
        value: Any = getattr(spec, field)
        value = value.get(argument) if argument else value
        if isinstance(span, Range):
            low, high = ends(axis, span)
            point[axis] = value if isinstance(value, int | float) and low <= value <= high else low
        else:
            point[axis] = value if value in span else span[0]
    return point


@dataclass(frozen=True)
class Outcome:
    """A point and what came of it."""

    point: Point
    results: tuple[TrialResult, ...]
    """One for each of the search's seeds."""
    values: tuple[float, ...] | None
    """The means of what the search minimizes; None where a trial was pruned or failed."""


def outcomes(results: Sequence[TrialResult], sweep: SweepSpec) -> list[Outcome]:
    """The points of the sweep in the order of their first results."""
    groups: dict[str, list[TrialResult]] = {}
    for result in results:
        key = result.spec.replace(seed=0).key if sweep.search.seeds else result.key
        groups.setdefault(key, []).append(result)
    return [
        Outcome(point_of(group[0].spec, sweep), tuple(group), _values(group, sweep.search.minimize))
        for group in groups.values()
    ]


def _values(results: Sequence[TrialResult], names: Sequence[str]) -> tuple[float, ...] | None:
    if any(result.status not in COMPLETE for result in results):
        return None
    try:
        return tuple(fmean(objective(result, name) for result in results) for name in names)
    except ResablateError:
        return None
