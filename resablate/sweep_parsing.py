"""The parts of a sweep file as typed values, with every mistake in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from resablate.component import Component, as_yaml, check_argument, parse_component
from resablate.errors import SHOWN_PROBLEMS, nearest
from resablate.problems import check_truth_of_field, problems
from resablate.question import AskedAnalysis
from resablate.spec import TrainSpec, component_fields


class Range(BaseModel):
    """A continuous axis, ends included."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    low: float
    high: float
    log: bool = False

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_true_or_false(cls, value: Any, field: ValidationInfo) -> Any:
        return check_truth_of_field(cls, value, field)


def parse_base(base: Mapping[str, Any], found: list[str], *, place: str = "base") -> dict[str, Any]:
    """The fields and arguments of `base` that are right; problems are added to `found`."""
    parsed = {name: _parsed(name, value, place, found) for name, value in base.items()}
    return {name: value for name, value in parsed.items() if value is not _WRONG}


def parse_axis(axis: str, values: Any, found: list[str]) -> tuple[Any, ...] | Range | None:
    """The axis with every value as the trial will hold it; its problems are added to `found`."""
    if not _known(axis, "axes", found):
        return None
    if isinstance(values, dict):
        return _range(axis, cast(dict[str, Any], values), found)
    if not isinstance(values, list | tuple) or not values:
        what = "an empty list" if values in ([], ()) else as_yaml(values)
        found.append(f"axes.{axis}: an axis is a list of values or a range {{low, high, log}}, got {what}")
        return None
    parsed = [_parsed(axis, value, "axes", found) for value in cast(list[Any], values)]
    kept = [value for value in parsed if value is not _WRONG]
    distinct = list(dict.fromkeys(kept))
    if len(distinct) < len(kept):
        repeated = [value for place, value in enumerate(kept) if value in kept[:place]]
        found.append(f"axes.{axis}: duplicate value {', '.join(map(_text, repeated))}")
    return tuple(distinct) or None


def parse_cases(cases: Any, found: list[str]) -> tuple[dict[str, Any], ...]:
    """The cases with the values that are right; problems are added to `found`."""
    if cases is None or cases == []:
        return ()
    if not isinstance(cases, list | tuple) or not all(isinstance(case, dict) and case for case in cases):  # pyright: ignore[reportUnknownVariableType]
        found.append(f"cases: must be a list of mappings from field to value, one for each case, got {as_yaml(cases)}")
        return ()
    parsed: list[dict[str, Any]] = []
    for place, case in enumerate(cast(list[dict[Any, Any]], cases)):
        values = {str(name): _parsed(str(name), value, f"cases[{place}]", found) for name, value in case.items()}
        parsed.append({name: value for name, value in values.items() if value is not _WRONG})
    return tuple(parsed)


def clashes(base: Mapping[str, Any], axes: Mapping[str, Any], cases: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each value that is written in two places, and for each case that is equal to another.

    Args:
        base: as `parse_base` returned it, and so are the other two.
        axes: name -> its values, or a range.
        cases: one mapping for each.
    """
    found = [f"axes.{axis}: also set in base; write it in one place" for axis in axes if axis in base]
    named = dict.fromkeys(name for case in cases for name in case)
    found += [f"cases: {name} is also an axis; write its values in one place" for name in named if name in axes]
    found += [
        f"cases: every case sets {name}, so base.{name} has no effect; remove it there"
        for name in named
        if name in base and all(name in case for case in cases)
    ]
    found += [
        f"cases[{place}]: the same as cases[{cases.index(case)}]; remove one of the two"
        for place, case in enumerate(cases)
        if case and cases.index(case) < place
    ]
    shared = {"base": {name: [value] for name, value in base.items()}, "axes": axes}
    found += _argument_clashes(shared)
    for place, case in enumerate(cases):
        listed = {name: [value] for name, value in case.items()}
        others = {name: {n: v for n, v in part.items() if n not in case} for name, part in shared.items()}
        found += _argument_clashes({**others, f"cases[{place}]": listed})
    return list(dict.fromkeys(found))


def _argument_clashes(places: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One line for each argument that is set by itself and also inside a component that it goes with.

    Args:
        places: where -> name -> its values, or a range.
    """
    inside: dict[str, str] = {}
    for place, parts in places.items():
        for name, values in parts.items():
            for value in () if isinstance(values, Range) else values:
                if isinstance(value, Component):
                    inside |= {f"{name}.{argument}": f"{place}.{name}" for argument in value.arguments}
    return [
        f"{place}.{name}: also set inside {inside[name]}; write it in one place"
        for place, parts in places.items()
        for name in parts
        if name in inside
    ]


def parse_analyses(analyses: Any, found: list[str]) -> tuple[AskedAnalysis, ...]:
    """What is asked of every trained network; problems are added to `found`.

    Args:
        analyses: name -> arguments, or a list of several sets of arguments; or a list of names.
        found: gets the problems.
    """
    if analyses is None:
        return ()
    if isinstance(analyses, list | tuple) and all(isinstance(name, str) for name in analyses):  # pyright: ignore[reportUnknownVariableType]
        analyses = dict.fromkeys(cast(list[str], analyses), None)
    if not isinstance(analyses, dict):
        found.append(
            f"analyses: must be a mapping from analysis to its arguments, or a list of names, got {as_yaml(analyses)}"
        )
        return ()
    asked: list[AskedAnalysis] = []
    for name, given in cast(dict[Any, Any], analyses).items():
        for arguments in cast(list[Any], given) if isinstance(given, list) and given else [given]:
            analysis = _asked(str(name), arguments, found)
            if analysis is not None and any(analysis.analysis == other.analysis for other in asked):
                found.append(f"analyses.{name}: the same arguments twice: {analysis.analysis}")
            elif analysis is not None:
                asked.append(analysis)
    return tuple(asked)


def _asked(name: str, arguments: Any, found: list[str]) -> AskedAnalysis | None:
    given = {} if arguments is None else arguments
    if not isinstance(given, dict):
        found.append(
            f"analyses.{name}: must be a mapping from argument to value, such as {{examples: 2000}}, got"
            f" {as_yaml(given)}"
        )
        return None
    known = {str(key): value for key, value in cast(dict[Any, Any], given).items()}
    epochs = known.pop("epochs", [])
    listed = cast(list[Any], epochs) if isinstance(epochs, list | tuple) else [epochs]
    whole = all(isinstance(epoch, int) and not isinstance(epoch, bool) and epoch >= 0 for epoch in listed)
    if not whole or listed != sorted(set(listed)):
        found.append(f"analyses.{name}.epochs: must be rising whole numbers from 0 on, got {as_yaml(epochs)}")
        listed = []
    try:
        component = parse_component({"name": name, **known})
    except ValueError as error:
        found.append(f"analyses.{name}: {error}")
        return None
    return AskedAnalysis(component, tuple(listed))


class _Wrong:
    """Stands for a value that is not valid."""


_WRONG = _Wrong()


def _known(name: str, place: str, found: list[str]) -> bool:
    """Whether there is a field of this name that takes it; a problem is added to `found` if not."""
    field, dot, argument = name.partition(".")
    fields = TrainSpec.model_fields
    if field == "analyses":
        found.append(f"{place}.{name}: questions stand under `analyses`, beside {place.partition('[')[0]}")
    elif field not in fields:
        listed = f"fields: {', '.join(fields)}; their arguments: FIELD.ARGUMENT"
        near = nearest(field, fields) if len(found) < SHOWN_PROBLEMS else ""
        found.append(f"{place}.{name}: no such field{near} ({listed})")
    elif dot and not argument:
        found.append(f"{place}.{name}: the name of an argument must follow the dot")
    elif dot and field not in component_fields():
        takes = ", ".join(component_fields())
        found.append(f"{place}.{name}: {field} takes no arguments (those that do: {takes})")
    else:
        return True
    return False


def _parsed(name: str, value: Any, place: str, found: list[str]) -> Any:
    """The value as a trial holds it, or `_WRONG`."""
    if not _known(name, place, found):
        return _WRONG
    field, dot, argument = name.partition(".")
    try:
        if dot:
            check_argument(argument, value)
            return tuple(cast(list[Any], value)) if isinstance(value, list) else value
        parsed = getattr(TrainSpec.model_validate({field: value}), field)
    except ValidationError as error:
        found.extend(problems(error, known=TrainSpec.model_fields, prefix=f"{place}."))
        return _WRONG
    except ValueError as error:
        found.append(f"{place}.{name}: {error}")
        return _WRONG
    return parsed


def _range(axis: str, values: dict[str, Any], found: list[str]) -> Range | None:
    if "name" in values:
        found.append(f"axes.{axis}: an axis is a list; write [{as_yaml(values)}] for one value")
        return None
    try:
        span = Range.model_validate(values)
    except ValidationError as error:
        found.extend(problems(error, known=Range.model_fields, prefix=f"axes.{axis}."))
        return None
    if not span.low < span.high or (span.log and span.low <= 0):
        rule = "0 < low < high (log)" if span.log else "low < high"
        found.append(f"axes.{axis}: {rule} must hold, but got low={span.low}, high={span.high}")
        return None
    if "." in axis:
        return span
    if axis in component_fields():
        found.append(f"axes.{axis}: names have no range; write a list of them")
        return None
    before = len(found)
    for end in (span.low, span.high):
        whole = int(end) if float(end).is_integer() else end
        _parsed(axis, whole, "axes", found)
    return span if len(found) == before else None


def _text(value: Any) -> str:
    return str(value) if isinstance(value, Component) else as_yaml(value)
