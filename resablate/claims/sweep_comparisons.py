"""A sweep's own question as comparisons: what each value of an axis does, against the axis's first value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from resablate.check import idle_fields
from resablate.claims.analysis_measures import LESION_MEAN, MEAN_LOG_RATIO, TRANSITION_DISTANCE
from resablate.claims.arms import TOLD_BY_NAME, Params, listed
from resablate.claims.claim import Claim
from resablate.claims.measures import ERROR, Measure
from resablate.claims.named_cells import Against
from resablate.claims.trials import ClaimCell, Trials
from resablate.component import Component, shown_value
from resablate.searches.points import point_of
from resablate.spec import TrainSpec
from resablate.sweep import CASE, Range, SweepSpec

OWN_SOURCE = "this sweep; decided with the published claims, at one level"
ERROR_MARGIN = 0.001
"""A stated margin: a tenth of a point."""
MOST = 40
"""Comparisons of test errors beyond which the settings of each value are averaged."""
MOST_OF_ALL = 24
"""Comparisons, which all share one level, beyond which a further number than the test error is compared by means over
the settings of each value, or not at all."""
ALSO: Mapping[str, Measure] = {
    "spectrum": TRANSITION_DISTANCE,
    "norm_preservation": MEAN_LOG_RATIO,
    "lesion": LESION_MEAN,
}
"""Analysis -> the number of it that a sweep is about which asks for it."""


@dataclass(frozen=True)
class Effect:
    """What an axis does to a number.

    Args:
        axis: names of the fields that change together.
        measure: the number.
        claims: by id, in the order of the axis's values.
        changed: id -> the value that is compared.
        against: id -> the value it is compared with: the first of the axis.
        setting: id -> the values of the other axes; empty where there are none.
    """

    axis: str
    measure: Measure
    claims: Mapping[str, Claim] = field(default_factory=dict[str, Claim])
    changed: Mapping[str, str] = field(default_factory=dict[str, str])
    against: Mapping[str, str] = field(default_factory=dict[str, str])
    setting: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class _Matched:
    """Cells that differ in one axis alone from their rivals, one for each setting."""

    cells: tuple[str, ...]
    rivals: tuple[str, ...]
    changed: str
    against: str
    setting: str

    @property
    def names(self) -> tuple[str, str]:
        """Of the cells and of the rivals, in words."""
        place = f" ({self.setting})" if self.setting else ""
        return f"{self.changed}{place}", f"{self.against}{place}"


def effects_of(sweep: SweepSpec, specs: Iterable[TrainSpec]) -> tuple[Effect, ...]:
    """The comparisons that answer the question of a grid; none of a search, whose points are chosen by what they gave.

    They follow from the trainings that were asked for, whatever came of them. The test error comes first.

    Args:
        sweep: whose question it is.
        specs: its trainings, or one of each cell.
    """
    if sweep.search.method != "grid" or any(isinstance(values, Range) for values in sweep.axes.values()):
        return ()
    cells = _ordered(sweep, specs)
    axes = _axes(sweep)
    matched = [(names, _matched(cells, names, axes, sweep)) for names in axes]
    matched = [(names, found) for names, found in matched if found]
    if sum(len(found) for _, found in matched) > MOST:
        matched = [(names, _averaged(found)) for names, found in matched]
    count = sum(len(found) for _, found in matched)
    asked = {analysis.analysis.name for analysis in sweep.analyses}
    measures = [ERROR, *(measure for name, measure in ALSO.items() if name in asked)]
    effects: list[Effect] = []
    taken = 0
    for measure in measures:
        kept = matched
        if taken and taken + count > MOST_OF_ALL:
            kept = [(names, _averaged(found)) for names, found in matched]
            if taken + sum(len(found) for _, found in kept) > MOST_OF_ALL:
                continue
        for names, found in kept:
            effects.append(_effect(names, found, measure, first=taken + 1))
            taken += len(found)
    return tuple(effects)


def _effect(names: Sequence[str], matched: Sequence[_Matched], measure: Measure, *, first: int) -> Effect:
    by_id = {f"Q{first + place}": one for place, one in enumerate(matched)}
    return Effect(
        listed([name for name in names if name.partition(".")[0] == name or name.partition(".")[0] not in names]),
        measure,
        {name: _claim(name, one, measure) for name, one in by_id.items()},
        {name: one.changed for name, one in by_id.items()},
        {name: one.against for name, one in by_id.items()},
        {name: one.setting for name, one in by_id.items()},
    )


def _claim(name: str, matched: _Matched, measure: Measure) -> Claim:
    margin = ERROR_MARGIN if measure is ERROR else 0.0
    rule = Against(matched.cells, matched.rivals, matched.names, measure, margin)
    place = f", {matched.setting}" if matched.setting else ""
    statement = f"{measure.name}: {matched.changed} against {matched.against}{place}."
    return Claim(name, statement[0].upper() + statement[1:], OWN_SOURCE, rule, own=True)


def _ordered(sweep: SweepSpec, specs: Iterable[TrainSpec]) -> list[ClaimCell]:
    """The cells in the order of the sweep's values."""
    cells = Trials.planned(specs).cells

    def place(cell: ClaimCell) -> tuple[int, ...]:
        point = point_of(cell.spec, sweep)
        return tuple(
            0 if isinstance(values, Range) else list(values).index(point[axis])
            for axis, values in sweep.space.items()
            if axis != "seed"
        )

    return sorted(cells, key=place)


def _axes(sweep: SweepSpec) -> list[tuple[str, ...]]:
    """The names that change together: those of the cases, and those of a component with its arguments."""
    groups: list[dict[str, None]] = []
    tied = list(dict.fromkeys(name for case in sweep.cases for name in case if name != "seed"))
    for names in [*([tied] if tied else []), *([axis] for axis in sweep.axes if axis not in ("seed", CASE))]:
        roots = {name.partition(".")[0] for name in names}
        same = next((group for group in groups if roots & {name.partition(".")[0] for name in group}), None)
        if same is None:
            groups.append(dict.fromkeys(names))
        else:
            same.update(dict.fromkeys(names))
    return [tuple(group) for group in groups]


def _matched(
    cells: Sequence[ClaimCell], names: Sequence[str], axes: Sequence[Sequence[str]], sweep: SweepSpec
) -> list[_Matched]:
    """Every cell with the first one of those that are equal to it in everything but this axis.

    What one of the networks takes no account of, and no other axis changes, is no difference between them.
    """
    trials = Trials.planned(())
    trials.cells = list(cells)
    roots = tuple(dict.fromkeys(name.partition(".")[0] for name in names))
    others = [name for axis in axes if tuple(axis) != tuple(names) for name in axis]
    if "network" in roots:
        idle = dict.fromkeys(name for cell in cells for name in idle_fields(cell.spec.network.name))
        roots += tuple(name for name in idle if name not in {other.partition(".")[0] for other in others})
    shown, around = _telling(cells, names, sweep), _telling(cells, others, sweep)
    found: list[_Matched] = []
    for group in trials.settings({}, roots).values():
        first = group[0]
        for cell in group[1:]:
            values = [_told(one.params, shown) for one in (cell, first)]
            found.append(_Matched((cell.key,), (first.key,), values[0], values[1], _told(cell.params, around)))
    return found


def _averaged(matched: Sequence[_Matched]) -> list[_Matched]:
    """Each value against its rival over all settings that have both."""
    groups: dict[tuple[str, str], list[_Matched]] = {}
    for one in matched:
        groups.setdefault((one.changed, one.against), []).append(one)
    return [
        _Matched(
            tuple(key for one in found for key in one.cells),
            tuple(key for one in found for key in one.rivals),
            changed,
            against,
            f"mean over {len(found)} settings" if len(found) > 1 else found[0].setting,
        )
        for (changed, against), found in groups.items()
    ]


def _telling(cells: Sequence[ClaimCell], names: Sequence[str], sweep: SweepSpec) -> list[str]:
    """The flat fields that tell the values of an axis apart: those that it names, and arguments of its components."""
    given = [value for case in sweep.cases for value in case.values()]
    given += [value for values in sweep.axes.values() if not isinstance(values, Range) for value in values]
    arguments = {argument for value in given if isinstance(value, Component) for argument in value.arguments}
    found: dict[str, None] = {}
    for name in names:
        for flat in dict.fromkeys(flat for cell in cells for flat in cell.params):
            own = flat == name or (flat.startswith(f"{name}.") and flat.removeprefix(f"{name}.") in arguments)
            values = {cell.params.get(flat) for cell in cells}
            if own and len(values if flat == name else values - {None}) > 1:
                found[flat] = None
    return list(found)


def _told(params: Params, names: Sequence[str]) -> str:
    """`procrustes, strength 0.1, stem off`; `identity, block sampling all`; `depth 56`."""
    parts: list[str] = []
    for name in names:
        value = params.get(name)
        if value is None:
            continue
        words = name.rpartition(".")[2].replace("_", " ")
        if value == "none":
            parts.append(f"no {words}")
        elif name in TOLD_BY_NAME:
            parts.append(str(value))
        else:
            parts.append(f"{words} {shown_value(value)}")
    return ", ".join(parts)
