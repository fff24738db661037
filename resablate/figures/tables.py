"""The tables of a report: rows of replicates, analysis summaries, and the raw numbers of every trial."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev
from typing import Any, Literal

from resablate.figures.variants import sort_key, varying_fields
from resablate.measurement import AnalysisResult
from resablate.result import COMPLETE, TrialResult
from resablate.spec import TrainSpec

Kind = Literal["text", "count", "percent", "points", "number"]
"""`percent` and `points` hold fractions and are shown times 100."""
Cell = str | float | None


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
    """Trials that differ in nothing but their seed."""

    fields: Mapping[str, Any]
    """The fields that tell them from the others."""
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
    return f"{value:g}" if kind in ("count", "text") else f"{value:.3g}"


def replicates(results: Sequence[TrialResult], *, axes: Sequence[str] = ()) -> list[Replicates]:
    """The results grouped by everything but the seed, in the order of the tables.

    Args:
        results: what to group.
        axes: fields to show although the results do not differ in them.
    """
    varying = varying_fields(results)
    always = [name for name in TrainSpec.model_fields if name in ("shortcut", "depth", *axes)]
    order = list(TrainSpec.model_fields)
    names = sorted({*varying, *always} - {"seed", "shortcut_args"}, key=lambda n: (order.index(n.split(".")[0]), n))
    groups: dict[tuple[Any, ...], list[TrialResult]] = {}
    for result in results:
        params = result.spec.params()
        groups.setdefault(tuple(params.get(name) for name in names), []).append(result)
    ranked = sorted(groups, key=lambda values: [sort_key(n, v) for n, v in zip(names, values, strict=True)])
    return [Replicates(dict(zip(names, values, strict=True)), tuple(groups[values])) for values in ranked]


def error_table(groups: Sequence[Replicates], *, published: Callable[[TrainSpec], str | None]) -> Table:
    """Test error of every group over its seeds, beside identity's with the same other fields.

    A median is infinite ("fail") where half of the trials or more diverged; mean and deviation are over those
    that finished.

    Args:
        groups: what `replicates` found.
        published: the published error of a trial's shortcut and ordering, where there is one.
    """
    references = {_other(group): median_error(group) for group in groups if _is_identity(group)}
    rows: list[list[Cell]] = []
    for group in groups:
        finished = [r.test_error for r in group.results if r.status == "finished"]
        middle = median_error(group)
        reference = references.get(_other(group), math.nan)
        known = not _is_identity(group) and math.isfinite(middle) and math.isfinite(reference)
        rows.append(
            [
                *group.fields.values(),
                sum(r.status in COMPLETE for r in group.results),
                sum(r.status == "diverged" for r in group.results),
                middle,
                fmean(finished) if finished else None,
                stdev(finished) if len(finished) > 1 else None,
                middle - reference if known else None,
                _middle(group, _train_loss),
                published(group.results[0].spec),
            ]
        )
    columns: dict[str, Kind] = {
        **_field_columns(groups),
        "trials": "count",
        "diverged": "count",
        "median_error": "percent",
        "mean_error": "percent",
        "standard_deviation": "percent",
        "difference_to_identity": "points",
        "final_train_loss": "number",
        "published_error": "text",
    }
    return _without_empty(Table(columns, rows), ["published_error", "difference_to_identity", "standard_deviation"])


def median_error(group: Replicates) -> float:
    """The group's median test error, infinite ("fail") where half of the trials or more diverged."""
    return _middle(group, lambda result: result.test_error)


def summary_table(groups: Sequence[Replicates], analysis: str, *, epoch: int | None = None) -> Table:
    """The summary numbers of an analysis, as medians over the seeds of every group that has it.

    Args:
        groups: what `replicates` found.
        analysis: its name.
        epoch: what it measured after that epoch; at the end where None.
    """
    rows: list[list[Cell]] = []
    names: dict[str, Kind] = {}
    for group in groups:
        for result in measured_at(group.results, epoch):
            if analysis in result:
                names |= {n: _kind(result[analysis].units[n]) for n in result[analysis].summary}
    for group in groups:
        found = [result[analysis].summary for result in measured_at(group.results, epoch) if analysis in result]
        if found:
            medians = [median(s[n] for s in found if n in s) if any(n in s for s in found) else None for n in names]
            rows.append([*group.fields.values(), len(found), *medians])
    return Table({**_field_columns(groups), "trials": "count", **names}, rows)


def measured_at(results: Sequence[TrialResult], epoch: int | None) -> list[Mapping[str, AnalysisResult]]:
    """The analyses of every result, by name: those after an epoch, or those of the end where it is None."""
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
    return Table(dict.fromkeys(["key", "status", "reason", *ends, *names], "text"), rows)


def raw_table(groups: Sequence[Replicates], read: Callable[[TrialResult], Sequence[Mapping[str, float]]]) -> Table:
    """One row per trial and whatever `read` finds in it: epochs, blocks or path lengths."""
    records = [
        ({"key": r.key, **group.fields, "seed": r.spec.seed}, measured)
        for group in groups
        for r in group.results
        for measured in read(r)
    ]
    names = list(dict.fromkeys(name for head, measured in records for name in (*head, *measured)))
    rows = [[{**head, **measured}.get(name) for name in names] for head, measured in records]
    return Table(dict.fromkeys(names, "text"), rows)


def _field_columns(groups: Sequence[Replicates]) -> dict[str, Kind]:
    return dict.fromkeys(groups[0].fields, "text")


def _other(group: Replicates) -> tuple[Any, ...]:
    return tuple(value for name, value in group.fields.items() if not name.startswith("shortcut"))


def _is_identity(group: Replicates) -> bool:
    return group.fields["shortcut"] == "identity"


def _train_loss(result: TrialResult) -> float:
    return result.history[-1].train_loss if result.history else math.nan


def _middle(group: Replicates, measure: Callable[[TrialResult], float]) -> float:
    """The median of the completed trials, those that diverged infinite; NaN where there is none."""
    completed = [r for r in group.results if r.status in COMPLETE]
    return median(math.inf if r.status == "diverged" else measure(r) for r in completed) if completed else math.nan


def _kind(unit: str) -> Kind:
    return "percent" if unit == "fraction" else "number"


def _without_empty(table: Table, names: Sequence[str]) -> Table:
    """The table without those of the columns `names` in which every cell is empty."""
    kept = [
        place
        for place, name in enumerate(table.columns)
        if name not in names or any(row[place] is not None for row in table.rows)
    ]
    columns = list(table.columns.items())
    return Table(dict(columns[place] for place in kept), [[row[place] for place in kept] for row in table.rows])
