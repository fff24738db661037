"""The parts of a sweep file as typed values, with every mistake in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from resablate.component import Component, check_argument, parse_component
from resablate.errors import nearest
from resablate.problems import problems
from resablate.question import AskedAnalysis
from resablate.spec import TrainSpec, component_fields


class Range(BaseModel):
    """A continuous axis, ends included."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    low: float
    high: float
    log: bool = False


def parse_base(base: Mapping[str, Any], found: list[str]) -> dict[str, Any]:
    """The fields and arguments of `base` that are right; problems are added to `found`."""
    parsed = {name: _parsed(name, value, "base", found) for name, value in base.items()}
    for name in parsed:
        if "." in name and isinstance(base.get(name.partition(".")[0]), dict):
            field, _, argument = name.partition(".")
            if argument in base[field]:
                found.append(f"base.{name}: also set in base.{field}; write it in one place")
    return {name: value for name, value in parsed.items() if value is not _WRONG}


def parse_axis(axis: str, values: Any, base: Mapping[str, Any], found: list[str]) -> tuple[Any, ...] | Range | None:
    """The axis with every value as the trial will hold it; its problems are added to `found`."""
    if not _known(axis, "axes", found):
        return None
    if isinstance(values, dict):
        return _range(axis, cast(dict[str, Any], values), found)
    if not isinstance(values, list | tuple) or not values:
        what = "an empty list" if values in ([], ()) else repr(values)
        found.append(f"axes.{axis}: an axis is a list of values or a range {{low, high, log}}, got {what}")
        return None
    parsed = [_parsed(axis, value, "axes", found) for value in cast(list[Any], values)]
    kept = [value for value in parsed if value is not _WRONG]
    distinct = list(dict.fromkeys(kept))
    if len(distinct) < len(kept):
        repeated = [value for place, value in enumerate(kept) if value in kept[:place]]
        found.append(f"axes.{axis}: duplicate value {', '.join(map(_text, repeated))}")
    return tuple(distinct) or None


def parse_cases(
    cases: Any, base: Mapping[str, Any], axes: Mapping[str, Any], found: list[str]
) -> tuple[dict[str, Any], ...]:
    """The cases that are right; problems are added to `found`."""
    if cases is None or cases == []:
        return ()
    if not isinstance(cases, list | tuple) or not all(isinstance(case, dict) and case for case in cases):  # pyright: ignore[reportUnknownVariableType]
        found.append(f"cases: a list of mappings from field to value, one mapping for each case, got {cases!r}")
        return ()
    parsed: list[dict[str, Any]] = []
    for place, case in enumerate(cast(list[dict[Any, Any]], cases)):
        values = {str(name): _parsed(str(name), value, f"cases[{place}]", found) for name, value in case.items()}
        kept = {name: value for name, value in values.items() if value is not _WRONG}
        if kept in parsed:
            found.append(f"cases[{place}]: the same as cases[{parsed.index(kept)}]; remove one of the two")
        parsed.append(kept)
    named = dict.fromkeys(name for case in parsed for name in case)
    found += [
        f"cases: {name} is an axis too ({clash}); write its values in one place"
        for name in named
        for clash in axes
        if clash == name or (name.startswith(f"{clash}.") and "." not in clash)
    ]
    found += [
        f"cases: every case sets {name}, so base.{name} has no effect; remove it there"
        for name in named
        if name in base and all(name in case for case in parsed)
    ]
    return tuple(case for case in parsed if case)


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
        found.append(f"analyses: a mapping from analysis to its arguments, or a list of names, got {analyses!r}")
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
        found.append(f"analyses.{name}: a mapping from argument to value, such as {{examples: 2000}}, got {given!r}")
        return None
    known = {str(key): value for key, value in cast(dict[Any, Any], given).items()}
    epochs = known.pop("epochs", [])
    listed = cast(list[Any], epochs) if isinstance(epochs, list | tuple) else [epochs]
    whole = all(isinstance(epoch, int) and not isinstance(epoch, bool) and epoch >= 0 for epoch in listed)
    if not whole or listed != sorted(set(listed)):
        found.append(f"analyses.{name}.epochs: rising whole numbers from 0 on, got {epochs!r}")
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
        listed = f"fields: {', '.join(fields)}; arguments as FIELD.ARGUMENT"
        found.append(f"{place}.{name}: no such field{nearest(field, fields)} ({listed})")
    elif dot and (not argument or field not in component_fields()):
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
        found.append(f"axes.{axis}: an axis is a list; write [{values!r}] for one value")
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
        found.append(f"axes.{axis}: takes names, which have no range; write a list")
        return None
    before = len(found)
    for end in (span.low, span.high):
        whole = int(end) if float(end).is_integer() else end
        _parsed(axis, whole, "axes", found)
    return span if len(found) == before else None


def _text(value: Any) -> str:
    return str(value) if isinstance(value, Component) else repr(value)
