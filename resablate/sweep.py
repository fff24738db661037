"""`SweepSpec`: one YAML file, read without torch."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from resablate.errors import SpecError, nearest
from resablate.problems import problems
from resablate.spec import TrialSpec
from resablate.strict_yaml import parse_yaml

LARGEST_GRID = 100_000
"""Points of a grid: more would take longer to look at than anybody means to wait."""
Point = dict[str, Any]
"""One value for each axis."""


class Range(BaseModel):
    """A continuous axis, ends included."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    low: float
    high: float
    log: bool = False


class Search(BaseModel):
    """How the axes are explored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str = "grid"
    """A row of `resablate list searches`."""
    trials: int | None = Field(default=None, ge=1)
    """Points that are tried; of a search that knows all of them ahead, how many it draws."""
    seed: int = Field(default=0, ge=0)
    """Of the search's own random numbers."""
    minimize: tuple[str, ...] = ("val_error",)
    """`val_error`, `val_loss`, or `<analysis>/<number of its summary>`; several for `nsga2` and `tpe`."""
    seeds: tuple[Annotated[int, Field(ge=0)], ...] | None = None
    """Every point is tried once with each of these seeds, and the mean is what the search is told."""
    pruning: str = "none"
    """Which trials are stopped before their last epoch: a row of `resablate list prunings`."""
    analyze_best: int | None = Field(default=None, ge=1)
    """Run the analyses on so many trials, the best of the sweep, once all have ended; on every trial where null."""

    @field_validator("minimize", mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, names: Any) -> Any:
        return (names,) if isinstance(names, str) else names

    @field_validator("minimize", "seeds")
    @classmethod
    def _not_empty(cls, values: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        if values == ():
            raise ValueError("at least one is needed, got an empty list")
        return values


class Resources(BaseModel):
    """What one trial gets. CPUs are also its number of threads; a GPU may be shared in fractions."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    cpus: float = Field(default=1, gt=0)
    gpus: Annotated[float, Field(ge=0)] | Literal["auto"] = "auto"
    """`auto` takes one where a node has one, else none."""
    gpu_memory_gib: float | None = Field(default=None, gt=0)
    """What one trial needs of a GPU that it shares: no more trials share one than fit into its memory."""

    @field_validator("cpus", "gpus", "gpu_memory_gib", mode="before")
    @classmethod
    def _no_truth_as_number(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError(f"must be a number, got {value!r}")
        return value

    @field_validator("gpus")
    @classmethod
    def _whole_gpus(cls, gpus: float | str) -> float | str:
        if not isinstance(gpus, str) and gpus > 1 and not float(gpus).is_integer():
            raise ValueError(f"a part of one GPU or whole ones, got {gpus:g}")
        return gpus


class SweepSpec(BaseModel):
    """One question: a base trial and the axes along which it is changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=100)
    question: str = ""
    """What the sweep asks, in one sentence; the report's second line."""
    base: dict[str, Any] = Field(default_factory=dict[str, Any])
    axes: dict[str, tuple[Any, ...] | Range] = Field(default_factory=dict[str, tuple[Any, ...] | Range])
    search: Search = Field(default_factory=Search)
    resources: Resources = Field(default_factory=Resources)

    @field_validator("name")
    @classmethod
    def _no_device(cls, name: str) -> str:
        if re.fullmatch(r"con|prn|aux|nul|(com|lpt)\d", name, re.IGNORECASE):
            raise ValueError(f"Windows has no folder of this name, and a report is one; got {name!r}")
        return name

    def points(self) -> Iterator[Point]:
        """Every combination of the listed values, the last axis fastest."""
        lists = [values for values in self.axes.values() if not isinstance(values, Range)]
        return (dict(zip(self.axes, values, strict=True)) for values in itertools.product(*lists))

    @property
    def grid_size(self) -> int:
        """How many points the listed values make."""
        return math.prod(len(values) for values in self.axes.values() if not isinstance(values, Range))

    def label(self, spec: TrialSpec) -> str:
        """A short name for one of the sweep's trials: its shortcut, or network, and its value on every other axis."""
        if not self.axes and not self.search.seeds:
            return spec.label()
        head = "shortcut" if spec.network == "resnet" else "network"
        values = {**spec.params(), "shortcut_args": spec.shortcut_args}
        axes = [*self.axes, *(["seed"] if self.search.seeds else [])]
        swept = {axis: values[axis] for axis in axes if axis != head and axis in values}
        drawn = {axis for axis, span in self.axes.items() if isinstance(span, Range)}
        parts = [
            f"{axis.removeprefix('shortcut_args.')} {f'{value:.4g}' if axis in drawn else value}"
            for axis, value in swept.items()
        ]
        return " ".join([str(values[head]), *parts])

    def trial(self, point: Point) -> TrialSpec:
        """The base changed to `point`.

        Raises:
            SpecError: if the combination is no valid trial.
        """
        return TrialSpec.parse(merge(self.base, point))


def merge(base: Mapping[str, Any], point: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `point`; `shortcut_args.bias` sets one argument and leaves the others."""
    fields = dict(base)
    # A field's whole value comes before its single arguments, in whatever order they are written.
    for axis, value in sorted(point.items(), key=lambda item: "." in item[0]):
        field, _, argument = axis.partition(".")
        fields[field] = {**fields.get(field, {}), argument: value} if argument else value
    return fields


def load_sweep(path: str | Path) -> SweepSpec:
    """The sweep in a YAML file.

    Raises:
        SpecError: if the file is missing or holds mistakes: all of them, each with its place.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError(f"{path}: no such sweep file{_neighbors(path)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not readable as a text file ({error})") from None
    content = parse_yaml(text, place=str(path))
    if not isinstance(content, dict):
        what = "empty" if content is None else f"a {type(content).__name__}"
        raise SpecError(f"{path}: a sweep is a mapping with name, base and axes, but this file is {what}")
    return parse_sweep(cast(dict[str, Any], content), place=str(path))


def parse_sweep(content: Mapping[str, Any], *, place: str = "sweep") -> SweepSpec:
    """A sweep from plain values, as `load_sweep` does it.

    Raises:
        SpecError: all mistakes at once; its `sound` is the sweep without them where the rest makes a sweep.
    """
    found: list[str] = []
    content = {str(name): value for name, value in content.items()}
    for name in ("base", "axes"):
        if content.get(name) is None:
            content[name] = {}
        if not isinstance(content[name], dict):
            found.append(f"{name}: must be a mapping from field to value, got {content[name]!r}")
            content[name] = {}
    if content.get("resources") in (None, "auto"):
        content["resources"] = {}
    search = content.get("search")
    if search is None or isinstance(search, str):
        content["search"] = {"method": search} if search else {}
    # YAML reads `on` as true and `1` as a number, also where a name should be.
    for name in ("base", "axes"):
        content[name] = {str(field): value for field, value in content[name].items()}
    base = cast(dict[str, Any], content["base"])
    axes = cast(dict[str, Any], content["axes"])
    found += _base_problems(base)
    sound = {name: value for name, value in base.items() if not _field_problems(name, value)}
    checked = {axis: _axis(axis, values, sound, found) for axis, values in axes.items()}
    found += [f"axes.{axis}: also set in base; write it in one place" for axis in axes if axis in base]
    content["axes"] = {axis: values for axis, values in checked.items() if values is not None}
    try:
        SweepSpec.model_validate(content)
    except ValidationError as error:
        found += problems(error, known=SweepSpec.model_fields)
    if not found:
        return SweepSpec.model_validate(content)
    rest = {"name": "sound", "base": sound, "axes": content["axes"]}
    try:
        sweep = SweepSpec.model_validate({**rest, "search": content["search"]})
    except ValidationError:
        sweep = SweepSpec.model_validate(rest)
    raise SpecError(found, place=place, sound=sweep)


def _base_problems(base: Mapping[str, Any]) -> list[str]:
    try:
        TrialSpec.model_validate(dict(base))
    except ValidationError as error:
        return problems(error, known=TrialSpec.model_fields, prefix="base.")
    return []


def _field_problems(name: str, value: Any) -> list[str]:
    try:
        TrialSpec.model_validate({name: value})
    except ValidationError as error:
        return problems(error, known=TrialSpec.model_fields, prefix="axes.")
    return []


def _axis(axis: str, values: Any, base: Mapping[str, Any], found: list[str]) -> tuple[Any, ...] | Range | None:
    """The axis with every value as the trial will hold it; its problems are added to `found`."""
    field, _, argument = axis.partition(".")
    known_field = axis in TrialSpec.model_fields or (field == "shortcut_args" and argument)
    if not known_field:
        known = [*TrialSpec.model_fields, "shortcut_args.<argument>"]
        found.append(f"axes.{axis}: not a trial field{nearest(axis, known)} (fields: {', '.join(known)})")
        return None
    if isinstance(values, dict):
        return _range(axis, cast(dict[str, Any], values), base, found)
    if not isinstance(values, list) or not values:
        what = "an empty list" if values == [] else repr(values)
        found.append(f"axes.{axis}: an axis is a list of values or a range {{low, high, log}}, got {what}")
        return None
    kept: list[Any] = []
    for value in cast(list[Any], values):
        fields = merge(base, {axis: value})
        mistakes = _field_problems(field, fields[field])
        found.extend(mistakes)
        if not mistakes:
            parsed = getattr(TrialSpec.model_validate({field: fields[field]}), field)
            kept.append(parsed[argument] if argument else parsed)
    if repeated := _repeated(kept):
        found.append(f"axes.{axis}: every value once; {', '.join(map(repr, repeated))} is there again")
    return tuple(kept) or None


def _repeated(values: list[Any]) -> list[Any]:
    seen: set[Hashable] = set()
    again: list[Any] = []
    for value in values:
        mark = tuple(sorted(value.items())) if isinstance(value, dict) else value
        if mark in seen:
            again.append(value)
        seen.add(mark)
    return again


def _range(axis: str, values: dict[str, Any], base: Mapping[str, Any], found: list[str]) -> Range | None:
    try:
        span = Range.model_validate(values)
    except ValidationError as error:
        found.extend(problems(error, known=Range.model_fields, prefix=f"axes.{axis}."))
        return None
    if not span.low < span.high or (span.log and span.low <= 0):
        rule = "0 < low < high (log)" if span.log else "low < high"
        found.append(f"axes.{axis}: {rule} must hold, but got low={span.low}, high={span.high}")
        return None
    field = axis.partition(".")[0]
    ends = [merge(base, {axis: end})[field] for end in (span.low, span.high)]
    mistakes = [line for end in ends for line in _field_problems(field, end)]
    found.extend(mistakes)
    return None if mistakes else span


def _neighbors(path: Path) -> str:
    files = sorted(str(p) for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
    return f"{nearest(str(path), files)} (there: {', '.join(files)})" if files else ""
