"""What a sweep sets and changes none of its trainings, such as Nesterov's rule where there is no momentum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from resablate.argument_takers import ArgumentTakers
from resablate.check import check_trial, planned_steps
from resablate.component import Component, shown_value
from resablate.component_tables import resolve
from resablate.datasets import DATASETS
from resablate.errors import SpecError
from resablate.searches.points import listed_values
from resablate.spec import TrainSpec
from resablate.sweep import CASE, Point, SweepSpec

_Fields = Mapping[str, Any]


def idle_axes_notes(sweep: SweepSpec, points: Sequence[Point]) -> list[str]:
    """One line for each axis of which every value makes the same training, whatever the others are.

    Nothing is told of an argument that no component takes, which is an error of its own.

    Args:
        sweep: without a mistake.
        points: all that there are; of a search those that show whether it can propose them.
    """
    effects = _Effects(sweep)
    notes: list[str] = []
    for axis, span in sweep.space.items():
        values = listed_values(axis, span)
        if len(values) > 1 and all(effects.equal(point, axis, values) for point in points):
            reason = effects.reason(points[0], axis, values)
            name = "cases" if axis == CASE else axis
            notes.append(f"warning: {name} changes nothing{reason}: all its values make the same training")
    return notes


def idle_values_notes(sweep: SweepSpec, points: Sequence[Point]) -> list[str]:
    """One line for each value of the base that no training of the sweep has any use for; arguments as above."""
    effects = _Effects(sweep)
    notes: list[str] = []
    for name, value in _single(sweep.base).items():
        if name in sweep.swept or name.partition(".")[0] in sweep.swept or not points:
            continue
        if all(effects.is_dropped(point, name) for point in points):
            reason = effects.reason(points[0], name, [value, None])
            notes.append(f"warning: {name} {shown_value(value)} changes nothing{reason}")
    return notes


class _Effects:
    """What the points of a sweep train, each worked out once."""

    def __init__(self, sweep: SweepSpec) -> None:
        self._sweep = sweep
        self._takers = ArgumentTakers(sweep)
        self._known: dict[tuple[tuple[str, Any], ...], str] = {}

    def equal(self, point: Point, axis: str, values: Sequence[Any]) -> bool:
        """Whether all values of an axis train the same at a point."""
        first = self._of({**point, axis: values[0]})
        return all(self._of({**point, axis: value}) == first for value in values[1:])

    def is_dropped(self, point: Point, name: str) -> bool:
        """Whether a point's training is that without the value that is set for a field or an argument.

        One that is equal to its default is none, and where a component does not take an argument there is nothing to
        drop.
        """
        field, dot, argument = name.partition(".")
        fields = TrainSpec.parse(self._takers.effective(self._sweep.fields(point)))
        given = fields.components().get(field)
        if given is None:
            return False
        if not dot:  # with arguments of its own it may be none: a strength of 0 is a way to say so
            bare = fields.model_copy(update={field: Component(given.name)})
            try:
                return getattr(check_trial(bare), field).name != given.name
            except SpecError:  # its arguments are what makes it a valid one
                return False
        kept = getattr(check_trial(fields), field)
        written = resolve(given, field).component
        return argument in written.arguments and argument not in kept.arguments and kept.name == written.name

    def reason(self, point: Point, axis: str, values: Sequence[Any]) -> str:
        """`, as optimizer.momentum is 0`: what else is set and keeps an axis from an effect, or is so by default.

        Something that is set would have to be left out, a default would have to be another; empty if neither would do.

        Args:
            point: of the sweep.
            axis: a field or an argument.
            values: of it; None leaves it out.
        """
        points = [_single(self._sweep.fields({**point, axis: value})) for value in values]
        fields = [{name: value for name, value in each.items() if value is not None or name != axis} for each in points]
        given = {name: value for name, value in fields[0].items() if all(other.get(name) == value for other in fields)}
        for name, value in given.items():
            if self._differ([{key: kept for key, kept in each.items() if key != name} for each in fields]):
                return f", as {name} is {shown_value(value)}"
        for name, value in {**given, **self._defaults(fields, axis)}.items():
            if any(self._differ([{**each, name: other} for each in fields]) for other in _others(value)):
                return f", as {name} is {shown_value(value)}"
        return ""

    def _differ(self, points: Sequence[_Fields]) -> bool:
        """Whether these are different trainings; not where one of them is none."""
        try:
            return len({self._trains(each) for each in points}) > 1
        except SpecError:
            return False

    def _defaults(self, points: Sequence[_Fields], axis: str) -> dict[str, Any]:
        """What nobody set, neither for these trainings nor on `axis`."""
        params = check_trial(TrainSpec.parse(self._takers.effective(points[0]))).params()
        return {name: value for name, value in params.items() if name != axis and not any(name in p for p in points)}

    def _of(self, point: Point) -> str:
        known = tuple(point.items())
        if known not in self._known:
            self._known[known] = self._trains(self._sweep.fields(point))
        return self._known[known]

    def _trains(self, fields: _Fields) -> str:
        """The key of the training; of those that end with their epochs one key, however many more steps are allowed."""
        spec = check_trial(TrainSpec.parse(self._takers.effective(fields)))
        if spec.iterations is None or DATASETS[spec.dataset.name].streamed:  # whose images are not counted yet
            return spec.key
        unlimited = spec.model_copy(update={"iterations": None})
        return unlimited.key if planned_steps(spec) == planned_steps(unlimited) else spec.key


def _others(value: object) -> Sequence[float]:
    """Values that are not this one, of the same kind; none of what is neither a number nor true or false."""
    if isinstance(value, bool):
        return (not value,)
    return (2 * value + 1, value + 1) if isinstance(value, int | float) else ()


def _single(fields: _Fields) -> dict[str, Any]:
    """`fields` with every argument by itself, `regularizer.frequency`."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, Component):
            found[name] = value.name
            found |= {f"{name}.{argument}": part for argument, part in value.arguments.items()}
        else:
            found[name] = value
    return found
