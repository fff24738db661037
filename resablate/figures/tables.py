"""The tables of a report: rows of replicates, analysis summaries, and the raw numbers of every trial."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from resablate.component import shown_value
from resablate.csv_files import Cell
from resablate.figures.parameters import flat_row, parameter_order, sort_key, varying
from resablate.measurement import AnalysisResult
from resablate.result import TrialResult
from resablate.statistics.replicates import cells

Kind = Literal["text", "count", "percent", "points", "number"]
"""`percent` and `points` hold fractions and are shown times 100."""


@dataclass(frozen=True)
class Table:
    """Named columns and rows of plain values.

    Args:
        columns: name -> how its values are shown.
        rows: a value for each column; None where there is none.
    """

    columns: Mapping[str, Kind]
    rows: Sequence[Sequence[Cell]]

    def shown(self) -> list[list[str]]:
        """The cells as a reader sees them."""
        kinds = list(self.columns.values())
        return [[show(value, kind) for value, kind in zip(row, kinds, strict=True)] for row in self.rows]


@dataclass(frozen=True)
class Replicates:
    """The replicates of one cell."""

    fields: Mapping[str, Any]
    """The flat parameters that tell them from the others; None for one that this cell does not take."""
    results: tuple[TrialResult, ...]


def show(value: Cell, kind: Kind) -> str:
    """`1.10 %`, `38.9 %`, `+0.27`, `0.0123`; `fail` for an infinite one, a dash for none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, str):
        return value
    if math.isinf(value):
        return "fail"
    if kind == "percent":
        return f"{100 * value:.{1 if abs(value) >= 0.1 else 2}f} %"  # noqa: PLR2004 - three digits
    if kind == "points":
        return f"{100 * value:+.2f}"
    return shown_value(value) if kind in ("count", "text") else f"{value:.3g}"


SEEDS_OF = "seeds_of"
"""The column that tells what a search has chosen by from what replicates its winner."""


def replicates(
    results: Sequence[TrialResult], *, axes: Sequence[str] = (), new_seeds: Collection[int] = ()
) -> list[Replicates]:
    """The cells of the results in the order of the tables, each with the parameters that tell it from the others.

    Args:
        results: what to group.
        axes: flat parameters to show although the results do not differ in them.
        new_seeds: those of the trainings that replicate a search's winner and its baseline. They are groups of their
            own: with the trainings by which the winner was chosen their mean would be that of what was chosen.
    """
    searched = [result for result in results if result.spec.seed not in new_seeds]
    anew = [result for result in results if result.spec.seed in new_seeds]
    found = [*(chosen := cells(searched)), *cells(anew)]
    specs = [cell.results[0].spec for cell in found]
    rows = [flat_row(spec) for spec in specs]
    known = {name for row in rows for name in row}
    names = sorted({*varying(specs), *known.intersection(["shortcut", "depth", *axes])}, key=parameter_order)
    groups = [
        Replicates({name: row.get(name) for name in names}, cell.results) for row, cell in zip(rows, found, strict=True)
    ]
    if anew:
        groups = [
            replace(group, fields={**group.fields, SEEDS_OF: "search" if place < len(chosen) else "replication"})
            for place, group in enumerate(groups)
        ]
    return sorted(groups, key=lambda group: [sort_key(name, value) for name, value in group.fields.items()])


def measured_at(results: Sequence[TrialResult], epoch: int | None) -> list[Mapping[str, AnalysisResult]]:
    """The analyses of every result by name, after an epoch, or at the end if it is None."""
    return [r.analyses if epoch is None else r.analyses_by_epoch.get(epoch, {}) for r in results]


def trial_table(results: Sequence[TrialResult]) -> Table:
    """One row per trial with every field and its end."""
    params = [result.spec.params() for result in results]
    names = list(dict.fromkeys(name for row in params for name in row))
    ends = ["test_error", "test_loss", "parameter_count", "wall_seconds"]
    rows: list[list[Cell]] = [
        [r.key, r.status, r.reason, *(getattr(r, end) for end in ends), *(row.get(name) for name in names)]
        for r, row in zip(results, params, strict=True)
    ]
    columns: dict[str, Kind] = dict.fromkeys(["key", "status", "reason", *ends, *names], "text")
    return Table(columns, rows)


def raw_table(groups: Sequence[Replicates], read: Callable[[TrialResult], Iterable[Mapping[str, float]]]) -> Table:
    """One row per trial and whatever `read` finds in it: epochs, blocks or path lengths."""
    heads = ["key", *(groups[0].fields if groups else []), "seed"]
    names: dict[str, int] = {}
    rows: list[list[Cell]] = []
    for group in groups:
        for result in group.results:
            head = [result.key, *group.fields.values(), result.spec.seed]
            for measured in read(result):
                for name in measured:
                    names.setdefault(name, len(names))
                rows.append([*head, *(measured.get(name) for name in names)])
    width = len(heads) + len(names)  # rows that were read before a column first appeared are shorter
    for row in rows:
        row.extend([None] * (width - len(row)))
    columns: dict[str, Kind] = dict.fromkeys([*heads, *(apart(name, heads) for name in names)], "text")
    return Table(columns, rows)


def apart(name: str, taken: Collection[str]) -> str:
    """A name for a measured number that is none of the columns before it."""
    return f"measured_{name}" if name in taken else name


def field_columns(groups: Sequence[Replicates]) -> dict[str, Kind]:
    """The columns that tell the groups apart."""
    return dict.fromkeys(groups[0].fields, "text")


def kind_of(unit: str) -> Kind:
    """How numbers of a unit are shown."""
    return "percent" if unit == "fraction" else "number"


def without_empty(table: Table, names: Sequence[str]) -> Table:
    """The table without those of the columns `names` in which every cell is empty."""
    kept = [
        place
        for place, name in enumerate(table.columns)
        if name not in names or any(row[place] is not None for row in table.rows)
    ]
    columns = list(table.columns.items())
    return Table(dict(columns[place] for place in kept), [[row[place] for place in kept] for row in table.rows])
