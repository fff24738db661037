"""Which results belong together: what varies between them, legend entries and panels.

A *series* is one legend entry: a shortcut with its arguments and whatever else was swept. A *panel* is one
small multiple: data set, ordering and depth. Trials of one panel and series differ in their seed alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from resablate.orderings import ORDERINGS
from resablate.result import TrialResult
from resablate.shortcuts import SHORTCUTS
from resablate.spec import ParamValue, TrainSpec

PANEL_FIELDS = ("dataset", "ordering", "depth")
NOT_SWEPT = ("seed", "analyses")
"""Fields that make replicates or ask more of the same network, not another kind of network."""
DISTINGUISHABLE = 6
"""A field with more values than this, as searches try, is not told apart: its trials share a series."""

Value = ParamValue | None
"""A flat parameter; None where the trial's shortcut takes no such argument."""


class Panel(NamedTuple):
    """One small multiple."""

    dataset: str
    ordering: str
    depth: int
    label: str
    """The fields that vary between panels, empty if there is one panel only."""


@dataclass(frozen=True)
class Series:
    """One legend entry."""

    shortcut: str
    label: str
    style: int
    """Place among the series of the same shortcut, from 0; fixes the marker and the line style."""
    color: int
    """Place in the palette: that of the shortcut in its table, or of the series where all have one shortcut."""


class Member(NamedTuple):
    """A result and where it is drawn."""

    panel: Panel
    series: Series
    result: TrialResult


def varying_fields(results: Sequence[TrialResult]) -> tuple[str, ...]:
    """The flat parameters in which the results differ, seed left out, in the order of `TrainSpec`."""
    rows = [result.spec.params() for result in results]
    names = {name for row in rows for name in row}
    order = list(TrainSpec.model_fields)
    ranked = sorted(names, key=lambda name: (order.index(name.partition(".")[0]), name))
    return tuple(
        name for name in ranked if name.partition(".")[0] not in NOT_SWEPT and len({row.get(name) for row in rows}) > 1
    )


def sort_key(field: str, value: Value) -> tuple[int, float, str]:
    """Orders the values of one field: tables in their row order, numbers by size, missing values first."""
    if value is None:
        return (0, 0.0, "")
    if field == "shortcut":
        return (1, SHORTCUTS.position(str(value)), str(value))
    if field == "ordering":
        return (1, ORDERINGS.position(str(value)), str(value))
    return (2, 0.0, value) if isinstance(value, str) else (1, float(value), "")


def arrange(results: Sequence[TrialResult], *, pooled: Collection[str] = ()) -> list[Member]:
    """Every result with its panel and series, in the order of the `SHORTCUTS` table.

    Args:
        results: what to compare.
        pooled: fields that do not separate series, because they are the picture's horizontal axis.
    """
    varying = varying_fields(results)
    panels = [_panel(result.spec, varying) for result in results]
    fields = [f for f in varying if f not in (*PANEL_FIELDS, "shortcut", *pooled) and "shortcut_args" not in f]
    values = {f: sorted({r.spec.params()[f] for r in results}, key=lambda v, f=f: sort_key(f, v)) for f in fields}
    ranges = [f"{f}={_text(v[0])} to {_text(v[-1])}" for f, v in values.items() if len(v) > DISTINGUISHABLE]
    styled = [f for f in fields if len(values[f]) <= DISTINGUISHABLE]
    series = _series([result.spec for result in results], styled, ranges)
    members = [Member(*parts) for parts in zip(panels, series, results, strict=True)]
    order = ORDERINGS.position
    return sorted(
        members,
        key=lambda m: (
            SHORTCUTS.position(m.series.shortcut),
            m.series.shortcut,
            m.series.style,
            (m.panel.dataset, order(m.panel.ordering), m.panel.depth),
            m.result.spec.seed,
        ),
    )


def in_order(panels: Iterable[Panel]) -> list[Panel]:
    """The distinct panels, by data set, ordering and depth."""
    return sorted(set(panels), key=lambda p: (p.dataset, ORDERINGS.position(p.ordering), p.depth))


def describe(fields: Mapping[str, Value]) -> str:
    """`bias=-6, sv_strength=0.5`: the fields that have a value."""
    return ", ".join(
        f"{name.removeprefix('shortcut_args.')}={_text(value)}" for name, value in fields.items() if value is not None
    )


def _panel(spec: TrainSpec, varying: Collection[str]) -> Panel:
    parts = {"dataset": spec.dataset, "ordering": spec.ordering, "depth": f"depth {spec.depth}"}
    label = ", ".join(part for field, part in parts.items() if field in varying)
    return Panel(spec.dataset, spec.ordering, spec.depth, label)


def _series(specs: Sequence[TrainSpec], fields: Sequence[str], ranges: Sequence[str]) -> list[Series]:
    """The series of every spec: within a shortcut one style per combination of arguments and `fields`."""
    rests = [_rest(spec, fields) for spec in specs]
    distinct: dict[str, list[dict[str, Value]]] = {}
    for spec, rest in zip(specs, rests, strict=True):
        known = distinct.setdefault(spec.shortcut, [])
        if rest not in known:
            known.append(rest)
    for known in distinct.values():
        known.sort(key=lambda rest: [(name, sort_key(name, value)) for name, value in rest.items()])
    series: list[Series] = []
    for spec, rest in zip(specs, rests, strict=True):
        style = distinct[spec.shortcut].index(rest)
        color = SHORTCUTS.position(spec.shortcut) if len(distinct) > 1 else style
        series.append(Series(spec.shortcut, _label(spec.shortcut, rest, ranges), style, color))
    return series


def _rest(spec: TrainSpec, fields: Sequence[str]) -> dict[str, Value]:
    arguments = {f"shortcut_args.{name}": value for name, value in spec.shortcut_args.items()}
    params = spec.params()
    return {**arguments, **{field: params[field] for field in fields}}


def _label(shortcut: str, rest: Mapping[str, Value], ranges: Sequence[str]) -> str:
    tail = ", ".join([part for part in (describe(rest), *ranges) if part])
    return f"{shortcut} ({tail})" if tail else shortcut


def _text(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
