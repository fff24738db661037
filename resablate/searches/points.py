"""Points of a sweep: how they are drawn, where its axes end, and which point a trial belongs to."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from resablate.component import Component
from resablate.spec import TrainSpec
from resablate.sweep import CASE, Point, Range, SweepSpec

_MOST_CORNERS = 2_000
"""Checking so many takes a second."""
_UNKNOWN = object()
"""Stands for an argument that the component of a spec does not take."""


def ends(axis: str, span: Range) -> tuple[float, float]:
    """The lowest and highest value of a range; the whole numbers inside it where the axis takes those alone."""
    return (math.ceil(span.low), math.floor(span.high)) if _takes_whole_numbers(axis) else (span.low, span.high)


def _takes_whole_numbers(axis: str) -> bool:
    from resablate.component_tables import takes_whole_numbers  # loads torch, which reading a sweep does without

    return takes_whole_numbers(axis)


def points_at(sweep: SweepSpec, rows: Iterable[Sequence[float]]) -> list[Point]:
    """The points at these places of the sweep's space, so that uniform places give fair points.

    Listed values are equally likely. A range is uniform, or uniform in its logarithm. Whole numbers are those inside
    the range, all equally likely; on a logarithmic range n has the share of the interval from n - 1/2 to n + 1/2, as in
    Optuna's samplers.

    Args:
        sweep: whose points they are.
        rows: places in [0, 1), one for each axis in the order of `sweep.space`.
    """
    value_at = [(axis, _placed(axis, values)) for axis, values in sweep.space.items()]
    return [{axis: value(place) for (axis, value), place in zip(value_at, row, strict=True)} for row in rows]


def _placed(axis: str, values: tuple[Any, ...] | Range) -> Callable[[float], Any]:
    """Place in [0, 1) -> the value of the axis there."""
    if not isinstance(values, Range):
        return lambda place: values[int(place * len(values))]
    low, high = ends(axis, values)
    if _takes_whole_numbers(axis):
        first, last = int(low), int(high)
        if values.log:
            start, ratio = low - 0.5, (high + 0.5) / (low - 0.5)
            return lambda place: min(max(round(start * ratio**place), first), last)
        return lambda place: min(first + int(place * (last - first + 1)), last)
    # Rounding may lead beyond the ends.
    if values.log:
        return lambda place: min(max(low * (high / low) ** place, low), high)
    return lambda place: min(max(low + place * (high - low), low), high)


def corners(sweep: SweepSpec) -> list[Point]:
    """Every combination of listed values and ends of ranges; where these are too many, each on its own."""
    values = {axis: listed_values(axis, span) for axis, span in sweep.space.items()}
    if math.prod(len(listed) for listed in values.values()) <= _MOST_CORNERS:
        return [dict(zip(values, point, strict=True)) for point in itertools.product(*values.values())]
    first: Point = {axis: listed[0] for axis, listed in values.items()}
    return [first, *({**first, axis: value} for axis, listed in values.items() for value in listed[1:])]


def point_of(spec: TrainSpec, sweep: SweepSpec) -> Point:
    """The point of the sweep that `spec`, one of its trials, belongs to.

    An axis that has no effect on the trial is back at its default in a canonical spec, or its component does not take
    the argument. Where none of its values stands in the spec, the first one, or the low end, is taken.

    Args:
        spec: canonical, so that its components hold every default.
        sweep: whose point it is.
    """
    point: Point = {}
    single = _single_arguments([*sweep.base, *sweep.axes])
    for axis, span in sweep.space.items():
        if axis == CASE:
            point[axis] = _nearest_case(spec, sweep)
        elif isinstance(span, Range):
            low, high = ends(axis, span)
            held = _held(spec, axis)
            point[axis] = held if isinstance(held, int | float) and low <= held <= high else low
        else:
            point[axis] = _nearest(span, lambda value, axis=axis: _distance(spec, {axis: value}, single))
    return point


def listed_values(axis: str, span: tuple[Any, ...] | Range) -> tuple[Any, ...]:
    """The values of an axis that are checked ahead: all that are listed, the ends of a range."""
    return tuple(dict.fromkeys(ends(axis, span))) if isinstance(span, Range) else span


def _nearest_case(spec: TrainSpec, sweep: SweepSpec) -> int:
    """The place of the case that the spec belongs to."""
    defaults = {name: field.default for name, field in TrainSpec.model_fields.items()}
    # What one case sets and another does not is as in the base there.
    others = {name: {**defaults, **sweep.base}.get(name) for case in sweep.cases for name in case if "." not in name}

    def distance(place: int) -> tuple[int, int]:
        case = sweep.cases[place]
        return _distance(spec, {**others, **case}, _single_arguments([*sweep.base, *sweep.axes, *case]))

    return _nearest(range(len(sweep.cases)), distance)


def _nearest(choices: Iterable[Any], distance: Callable[[Any], tuple[int, int]]) -> Any:
    """The choice of the smallest distance, the first of equals; looks no further than one of distance 0."""
    best, smallest = None, None
    for choice in choices:
        found = distance(choice)
        if smallest is None or found < smallest:
            best, smallest = choice, found
        if found == (0, 0):
            break
    return best


def _single_arguments(names: Iterable[str]) -> dict[str, set[str]]:
    """Field -> the arguments that are given as `field.argument`, whatever component stands there."""
    found: dict[str, set[str]] = {}
    for name in names:
        field, dot, argument = name.partition(".")
        if dot:
            found.setdefault(field, set()).add(argument)
    return found


def _distance(spec: TrainSpec, values: Mapping[str, Any], single: Mapping[str, set[str]]) -> tuple[int, int]:
    """How many of `values` the spec does not hold, and how many arguments of its components nobody gave.

    The second tells `exclusive_gate` from `exclusive_gate` with a bias where both are values of one axis.
    """
    missing, unasked = 0, 0
    for name, value in values.items():
        held = _held(spec, name)
        if not isinstance(value, Component) or not isinstance(held, Component):
            missing += held != value
            continue
        elsewhere = single.get(name, set())
        given = {argument: part for argument, part in value.arguments.items() if argument not in elsewhere}
        known = held.values
        if value.name == held.name and all(known.get(argument, _UNKNOWN) == part for argument, part in given.items()):
            unasked += len(held.arguments.keys() - given.keys() - elsewhere)
        else:
            missing += 1
    return missing, unasked


def _held(spec: TrainSpec, axis: str) -> Any:
    """What the spec holds on an axis: a field's value, or that of an argument."""
    name, dot, argument = axis.partition(".")
    value: Any = getattr(spec, name)
    return value.values.get(argument, _UNKNOWN) if dot else value
