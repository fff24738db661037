"""`SweepSpec`: one YAML file, read without torch."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_serializer, field_validator

from resablate.component import Component, as_yaml, shown_value
from resablate.errors import SpecError, nearest
from resablate.problems import problems
from resablate.question import TEST, AskedAnalysis, Question, all_questions
from resablate.spec import TrainSpec
from resablate.strict_yaml import load_yaml
from resablate.sweep_blocks import Resources, Search, SeedRounds
from resablate.sweep_changes import changed_content
from resablate.sweep_parsing import Range, clashes, parse_analyses, parse_axis, parse_base, parse_cases

LARGEST_GRID = 100_000
"""Points of a grid: more take longer to check than anybody wants to wait."""
CASE = "case"
"""The axis of tied values: a point holds the place of one of the sweep's cases."""
Point = dict[str, Any]
"""One value for each axis, and the place of a case where the sweep has cases."""
SEEDS_FORM = "rounds of seeds, such as {until: decided, most: 20}; a fixed number is an axis, seed: [0, 1, 2]"
DEFAULT_ANALYSES: Mapping[str, Any] = {"lesion": {}, "path_gradient": {}}
"""What a sweep asks that says nothing of analyses, besides the test."""


class SweepSpec(BaseModel):
    """One question: a base trial, the axes along which it is changed, and what is asked of the trained networks."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=100)  # as locations.is_sweep_name has it
    question: str = ""
    """What the sweep asks, in one sentence; the report's second line."""
    base: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Field or `field.argument` -> value, of every trial."""
    baseline: dict[str, Any] = Field(default_factory=dict[str, Any])
    """What the winner of a search is compared with, as the fields in which it differs from the base."""
    axes: dict[str, tuple[Any, ...] | Range] = Field(default_factory=dict[str, tuple[Any, ...] | Range])
    """Field or `field.argument` -> its values; every combination is a point."""
    cases: tuple[dict[str, Any], ...] = ()
    """Values that belong together, crossed with the axes: a ResNet of 110 layers and a VGG of 15."""
    analyses: tuple[AskedAnalysis, ...] = ()
    """What is asked of every trained network; the test always, first."""
    seeds: SeedRounds | None = None
    """Seeds in rounds until claims are decided; None where the file says which seeds there are."""
    search: Search = Field(default_factory=Search)
    resources: Resources = Field(default_factory=Resources)

    @field_validator("name")
    @classmethod
    def _no_device(cls, name: str) -> str:
        if re.fullmatch(r"con|prn|aux|nul|(com|lpt)\d", name, re.IGNORECASE):
            raise ValueError(f"Windows has no folder of this name, and a report is one; got {name!r}")
        return name

    @field_validator("analyses", mode="before")
    @classmethod
    def _with_the_test(cls, asked: Any) -> Any:
        if not isinstance(asked, tuple):
            raise ValueError(f"a sweep is read by parse_sweep, got {asked!r}")
        given = cast(tuple[AskedAnalysis, ...], asked)
        tests = tuple(a for a in given if a.analysis.name == TEST) or (AskedAnalysis(Component(TEST)),)
        return (*tests, *(a for a in given if a.analysis.name != TEST))

    @field_serializer("base", "baseline", "axes", "cases")
    def _plain(self, values: Any) -> Any:
        return _plain_values(values)

    @field_serializer("analyses")
    def _plain_analyses(self, asked: tuple[AskedAnalysis, ...]) -> dict[str, Any]:
        found: dict[str, list[Any]] = {}
        for analysis in asked:
            found.setdefault(analysis.analysis.name, []).append(analysis.plain())
        return {name: sets[0] if len(sets) == 1 else sets for name, sets in found.items()}

    @property
    def space(self) -> dict[str, tuple[Any, ...] | Range]:
        """The axes, and that of the cases first where there are any."""
        return {**({CASE: tuple(range(len(self.cases)))} if self.cases else {}), **self.axes}

    @property
    def swept(self) -> list[str]:
        """Names of the fields and arguments that change: those of the cases, then those of the axes."""
        return list(dict.fromkeys([*(name for case in self.cases for name in case), *self.axes]))

    @property
    def point_seeds(self) -> tuple[int, ...]:
        """The seeds with which every point is tried, to begin with; empty where seeds are an axis like others."""
        return tuple(range(self.seeds.first)) if self.seeds else self.search.seeds or ()

    @property
    def new_seeds(self) -> range:
        """The seeds with which the winner of a search is replicated: those after all that the search uses."""
        axis = self.axes.get("seed", ())
        swept = [math.floor(axis.high)] if isinstance(axis, Range) else list(axis)
        cases = [case["seed"] for case in self.cases if "seed" in case]
        first = max([self.base.get("seed", 0), *self.point_seeds, *swept, *cases]) + 1
        return range(first, first + (self.search.replicate or 0))

    def points(self) -> Iterator[Point]:
        """Every combination of the listed values, the last axis fastest."""
        lists = {axis: values for axis, values in self.space.items() if not isinstance(values, Range)}
        return (dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values()))

    @property
    def grid_size(self) -> int:
        """How many points the listed values make."""
        return math.prod(len(values) for values in self.space.values() if not isinstance(values, Range))

    @property
    def questions(self) -> list[Question]:
        """What is asked of every trained network, as far as it can answer."""
        return all_questions(self.analyses)

    def values(self, point: Point) -> dict[str, Any]:
        """The values of a point by field or argument; those of its case are written out."""
        case = self.cases[point[CASE]] if CASE in point else {}
        return {**case, **{axis: value for axis, value in point.items() if axis != CASE}}

    def fields(self, point: Point) -> dict[str, Any]:
        """Field or `field.argument` -> value of a point: the base's, its case's and its axes'."""
        return {**self.base, **self.values(point)}

    def trial(self, point: Point) -> TrainSpec:
        """The base changed to `point`.

        Raises:
            SpecError: if the combination is no valid trial.
        """
        return TrainSpec.parse(self.fields(point))

    def label(self, spec: TrainSpec) -> str:
        """A short name for one of the sweep's trials: its shortcut, or network, and its value on every other axis."""
        names = [*self.swept, *(["seed"] if self.point_seeds or self.search.replicate else [])]
        return self._label(spec, names) if names else spec.label()

    def cell_label(self, spec: TrainSpec) -> str:
        """A short name for all of the sweep's trials that differ from `spec` in their seed alone."""
        return self._label(spec, [name for name in self.swept if name != "seed"])

    def _label(self, spec: TrainSpec, names: Sequence[str]) -> str:
        head = "network" if spec.network.name == "vgg" else "shortcut"
        ignored = {head, *(("shortcut", "ordering") if head == "network" else ())}
        params = spec.params()
        drawn = {axis for axis, span in self.axes.items() if isinstance(span, Range)}
        component: Component = getattr(spec, head)
        own = {name: v for name, v in component.arguments.items() if f"{head}.{name}" not in names}
        parts = [str(Component(component.name, own))]
        for name in names:
            if name in ignored or name not in params:
                continue
            held: object = getattr(spec, name, None)
            if isinstance(held, Component):  # two values of an axis may differ in an argument alone
                elsewhere = {*names, *self.base}
                given = {key: v for key, v in held.arguments.items() if f"{name}.{key}" not in elsewhere}
                parts.append(f"{name} {Component(held.name, given)}")
                continue
            value = params[name]
            shown = f"{value:.4g}" if name in drawn and isinstance(value, float) else shown_value(value)
            parts.append(f"{name.rpartition('.')[2]} {shown}")
        return " ".join(parts)


def _plain_values(values: Any) -> Any:
    """Components as people write them, and tuples as lists, all the way down."""
    if isinstance(values, Component):
        return values.brief()
    if isinstance(values, Range):
        return values.model_dump()
    if isinstance(values, Mapping):
        return {name: _plain_values(value) for name, value in cast(Mapping[str, Any], values).items()}
    if isinstance(values, tuple | list):
        return [_plain_values(value) for value in cast(list[Any], values)]
    return values


class ValidPart(NamedTuple):
    """A sweep without what is wrong in it, so that a later check can add what it finds."""

    sweep: SweepSpec
    whole: bool
    """Whether the trainings are those that were meant: what is wrong stands elsewhere, or is written twice."""
    claims: tuple[str, ...] = ()
    """Those that its seeds were to come until, as they are written, where `sweep` is without its seeds."""


def load_sweep(path: str | Path, changes: Mapping[str, Any] = {}) -> SweepSpec:
    """The sweep in a YAML file.

    Args:
        path: of the file.
        changes: name -> value that takes the place of the file's, as `changed_content` reads them.

    Raises:
        SpecError: if the file is missing or holds mistakes: all of them, each with its place.
    """
    path = Path(path)
    try:
        content = load_yaml(path)
    except FileNotFoundError:
        raise SpecError(f"{path}: no such sweep file{_neighbors(path)}") from None
    if not isinstance(content, dict):
        what = "empty" if content is None else f"a {type(content).__name__}"
        raise SpecError(f"{path}: a sweep is a mapping with name, base and axes, but this file is {what}")
    found: list[str] = []
    changed = changed_content(cast(dict[str, Any], content), changes, found) if changes else content
    try:
        sweep = parse_sweep(cast(dict[str, Any], changed), place=str(path))
    except SpecError as error:
        raise SpecError([*found, *error.problems], place=str(path), valid_part=error.valid_part) from None
    if found:
        raise SpecError(found, place=str(path), valid_part=ValidPart(sweep, whole=True))
    return sweep


def parse_sweep(content: Mapping[str, Any], *, place: str = "sweep") -> SweepSpec:
    """A sweep from plain values, as `load_sweep` does it.

    Raises:
        SpecError: all mistakes at once; its `valid_part` is a ValidPart.
    """
    found: list[str] = []
    content = {str(name): value for name, value in content.items()}
    for name in ("base", "baseline", "axes"):
        if content.get(name) is None:
            content[name] = {}
        if not isinstance(content[name], dict):
            found.append(f"{name}: must be a mapping from field to value, got {as_yaml(content[name])}")
            content[name] = {}
    if content.get("resources") in (None, "auto"):
        content["resources"] = {}
    search = content.get("search")
    if search is None or isinstance(search, str):
        content["search"] = {"method": search} if search else {}
    if (seeds := content.get("seeds")) is not None and not isinstance(seeds, dict):
        found.append(f"seeds: {SEEDS_FORM}, got {as_yaml(seeds)}")
        content["seeds"] = None
    # YAML reads `1` as a number, also where a name should be.
    for name in ("base", "baseline", "axes"):
        content[name] = {str(field): value for field, value in content[name].items()}
    base = parse_base(content["base"], found)
    baseline = parse_base(content["baseline"], found, place="baseline")
    axes = {axis: parse_axis(axis, values, found) for axis, values in content["axes"].items()}
    axes = {axis: values for axis, values in axes.items() if values is not None}
    cases = parse_cases(content.get("cases"), found)
    whole = not found
    found += clashes(base, axes, cases)
    content |= {"base": base, "baseline": baseline, "axes": axes, "cases": cases}
    content["analyses"] = parse_analyses(content.get("analyses", DEFAULT_ANALYSES), found)
    try:
        sweep = SweepSpec.model_validate(content)
    except ValidationError as error:
        found += problems(error, known=SweepSpec.model_fields)
    else:
        if not found:
            return sweep
    rest = {name: content[name] for name in ("base", "baseline", "axes", "cases", "analyses")}
    try:
        valid = SweepSpec.model_validate({"name": "valid", **rest, "search": content["search"]})
    except ValidationError:  # without its search a sweep has no use for ranges
        lists = {axis: values for axis, values in axes.items() if not isinstance(values, Range)}
        valid, whole = SweepSpec.model_validate({"name": "valid", **rest, "axes": lists}), False
    claims = (content.get("seeds") or {}).get("claims")
    listed = cast(list[Any], claims) if isinstance(claims, list) else [claims]
    named = tuple(name for name in listed if isinstance(name, str))
    raise SpecError(found, place=place, valid_part=ValidPart(valid, whole, named))


def _neighbors(path: Path) -> str:
    files = sorted(str(p) for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
    return f"{nearest(str(path), files)} (there: {', '.join(files)})" if files else ""
