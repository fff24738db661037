"""Which results belong together: legend entries and panels.

A *series* is one legend entry: a shortcut, or a network where networks are compared, and whatever else was swept. A
*panel* is one small multiple: data set, ordering and depth. The trials of one panel and series are the replicates of
one cell, unless a parameter between them is pooled.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from resablate.component import Scalar, shown_value
from resablate.figures.parameters import Flat, flat_row, sort_key, varying
from resablate.result import TrialResult
from resablate.shortcuts import SHORTCUTS
from resablate.statistics.replicates import cells

PANEL_FIELDS = ("dataset", "ordering", "depth")
HEAD_FIELDS = ("network", "shortcut")
"""What a legend entry begins with."""
DISTINGUISHABLE = 8
"""A parameter with more values than this, as searches try, is pooled: its trials share a series. He et al. (2016),
Table 1, have eight biases of a gate."""


class Panel(NamedTuple):
    """One small multiple."""

    dataset: str
    ordering: str
    """Empty for a network that has no choice of orderings, and where several orderings share the panel."""
    depth: int
    """0 where several depths share the panel."""
    label: str
    """The fields that vary between panels, empty if there is one panel only."""


@dataclass(frozen=True)
class Series:
    """One legend entry."""

    name: str
    """The shortcut; the network where networks are compared, or where it has no choice of shortcuts."""
    label: str
    """The name, and the value of every other parameter that varies."""
    place: int
    """Among all series, from 0, in the order of the tables."""
    style: int
    """Place among the series of the same name, from 0; fixes the marker and the line style."""
    color: int
    """Place in the palette: that of the shortcut in its table, of the name where networks are compared, or of the
    series where all have one name."""


class Member(NamedTuple):
    """A result and where it is drawn."""

    panel: Panel
    series: Series
    result: TrialResult


def arrange(
    results: Sequence[TrialResult], *, pooled: Collection[str] = (), panel_fields: Sequence[str] = PANEL_FIELDS
) -> list[Member]:
    """Every result with its panel and series, in the order of the tables.

    Takes time in proportion to the number of results.

    Args:
        results: what to compare.
        pooled: flat parameters that do not separate series, because they are the picture's horizontal axis.
        panel_fields: those of PANEL_FIELDS that separate panels; the others separate series.
    """
    found = cells(results)
    specs = [cell.results[0].spec for cell in found]
    rows = [flat_row(spec) for spec in specs]
    names = varying(specs)
    panels = [_panel(row, names, panel_fields) for row in rows]
    series = _series(rows, [name for name in names if name not in (*panel_fields, *HEAD_FIELDS, *pooled)])
    placed = sorted(
        zip(series, panels, found, strict=True),
        key=lambda part: (part[0].place, _panel_order(part[1])),
    )
    return [Member(panel, one, result) for one, panel, cell in placed for result in cell.results]


def arrange_shared(results: Sequence[TrialResult]) -> list[Member]:
    """Every result with panel and series, networks and depths in the same axes as far as they can be told apart.

    Depths share a panel if no panel has more than DISTINGUISHABLE series then. A network that has no choice of
    orderings, such as a VGG, stands beside the others in each of their panels; where panels are by depth, if it was
    trained at one depth.
    """
    members = arrange(results, panel_fields=("dataset", "ordering"))
    crowd: dict[Panel, set[Series]] = {}
    for member in members:
        crowd.setdefault(member.panel, set()).add(member.series)
    hosts = {panel for panel in crowd if panel.ordering}
    guests = {series for panel, found in crowd.items() if not panel.ordering for series in found}
    if max((len(found | guests) for found in crowd.values()), default=0) > DISTINGUISHABLE:
        members = arrange(results)
        hosts = {member.panel for member in members if member.panel.ordering}
    at = {series: set[int]() for series in {member.series for member in members}}
    for member in members:
        at[member.series].add(member.panel.depth)
    ordered = in_order(hosts)
    spread: list[Member] = []
    for member in members:
        beside = [panel for panel in ordered if panel.dataset == member.panel.dataset]
        alone = member.panel.ordering or not beside or len(at[member.series]) > 1
        spread += [member] if alone else [member._replace(panel=panel) for panel in beside]
    kept = {member.panel for member in spread}
    return [m._replace(panel=m.panel._replace(label="")) for m in spread] if len(kept) == 1 else spread


def in_order(panels: Iterable[Panel]) -> list[Panel]:
    """The distinct panels, by data set, ordering and depth."""
    return sorted(set(panels), key=_panel_order)


def describe(parameters: Mapping[str, Scalar]) -> str:
    """`bias=-6, regularizer.strength=0.5`: the parameters that have a value, behind a network's or shortcut's name."""
    prefixes = tuple(f"{field}." for field in HEAD_FIELDS)
    return ", ".join(
        f"{name.partition('.')[2] if name.startswith(prefixes) else name}={shown_value(value)}"
        for name, value in parameters.items()
        if value is not None
    )


def _panel_order(panel: Panel) -> tuple[Any, ...]:
    return (sort_key("dataset", panel.dataset), sort_key("ordering", panel.ordering), panel.depth, panel.label)


def _panel(row: Flat, names: Collection[str], fields: Collection[str]) -> Panel:
    dataset = str(row["dataset"]) if "dataset" in fields else ""
    ordering = str(row.get("ordering", "")) if "ordering" in fields else ""
    depth = row["depth"] if "depth" in fields else 0
    assert isinstance(depth, int)
    parts = {"dataset": dataset, "ordering": ordering, "depth": f"depth {depth}" if depth else ""}
    return Panel(dataset, ordering, depth, ", ".join(part for name, part in parts.items() if part and name in names))


def _series(rows: Sequence[Flat], names: Sequence[str]) -> list[Series]:
    """The series of every row.

    Args:
        rows: the parameters of the cells.
        names: those that separate series, or are pooled if they have too many values.
    """
    values = {name: _in_order(name, {row[name] for row in rows if name in row}) for name in names}
    ranges = {
        name: f"{shown_value(found[0])} to {shown_value(found[-1])}"
        for name, found in values.items()
        if len(found) > DISTINGUISHABLE
    }
    separating = [name for name in names if name not in ranges]
    heads = _heads(rows)
    entries = [
        (head, tuple(row.get(name) for name in separating), tuple(name for name in ranges if name in row))
        for head, row in zip(heads, rows, strict=True)
    ]

    def order(entry: tuple[str, tuple[Scalar, ...], tuple[str, ...]]) -> tuple[Any, ...]:
        head, parts, pooled = entry
        return (*places[head], [sort_key(name, part) for name, part in zip(separating, parts, strict=True)], pooled)

    places = {head: _head_order(row) for head, row in zip(heads, rows, strict=True)}
    networks = {row["network"] for row in rows}
    ordered_heads = sorted(places, key=lambda head: places[head])
    styles: dict[str, int] = {}
    series: dict[Any, Series] = {}
    for place, entry in enumerate(sorted(set(entries), key=order)):
        head, parts, pooled = entry
        style = styles.setdefault(head, 0)
        styles[head] += 1
        by_name = ordered_heads.index(head) if len(networks) > 1 else SHORTCUTS.position(head)
        told = dict(zip(separating, parts, strict=True)) | {name: ranges[name] for name in pooled}
        label = f"{head} ({tail})" if (tail := describe(told)) else head
        series[entry] = Series(head, label, place, style, by_name if len(places) > 1 else style)
    return [series[entry] for entry in entries]


def _heads(rows: Sequence[Flat]) -> list[str]:
    """The name of every row's series: what tells networks apart, and shortcuts within a network."""
    shortcuts: dict[Scalar, set[Scalar]] = {}
    for row in rows:
        shortcuts.setdefault(row["network"], set()).add(row.get("shortcut"))
    compared = len(shortcuts) > 1
    heads: list[str] = []
    for row in rows:
        network, shortcut = row["network"], row.get("shortcut")
        shown = shortcut is not None and not (compared and len(shortcuts[network]) == 1)
        parts = ([network] if compared or not shown else []) + ([shortcut] if shown else [])
        heads.append(" ".join(map(str, parts)))
    return heads


def _head_order(row: Flat) -> tuple[Any, ...]:
    return (sort_key("network", row["network"]), sort_key("shortcut", row.get("shortcut")))


def _in_order(name: str, values: Iterable[Scalar]) -> list[Scalar]:
    keys = {value: sort_key(name, value) for value in values}
    return sorted(keys, key=lambda value: keys[value])
