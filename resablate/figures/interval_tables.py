"""Tables of means with their intervals and numbers of trainings: of test errors, and of summaries of analyses."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from resablate.analyses import possible_values
from resablate.cell_means import Ranged, as_range, error_sample, is_test_error, mean_error, mean_number
from resablate.figures.tables import (
    Cell,
    Kind,
    Replicates,
    Table,
    apart,
    field_columns,
    kind_of,
    measured_at,
    show,
    without_empty,
)
from resablate.measurement import POSITIVE, AnalysisResult
from resablate.result import COMPLETE, TrialResult
from resablate.statistics import Sample, difference

_PARTS = ("_low", "_high", "_n")
_ERROR = "_standard_error"
_Answered = tuple[TrialResult, AnalysisResult]
"""A training, and what an analysis measured of it."""
_NO_DIFFERENCE = (None, None, None, None)
"""Nor a number of trainings: a column that no row has is left out."""


def error_table(groups: Sequence[Replicates], *, published: Callable[[TrialResult], str | None]) -> Table:
    """Mean test error of every group, and its difference to identity with the other parameters equal.

    Means are over the trainings that finished, and infinite ("fail") where all diverged. Intervals are at 5 % each,
    over seeds and test examples where the outcomes of these are known.

    Args:
        groups: what `replicates` found.
        published: the published error of a trial's kind of network, where there is one.
    """
    samples = [error_sample(group.results) for group in groups]
    references = {
        _without_shortcut(group): sample for group, sample in zip(groups, samples, strict=True) if _is_identity(group)
    }
    rows: list[list[Cell]] = []
    for group, sample in zip(groups, samples, strict=True):
        reference = None if _is_identity(group) else references.get(_without_shortcut(group))
        rows.append(
            [
                *group.fields.values(),
                sum(r.status in COMPLETE for r in group.results),
                sum(r.status == "diverged" for r in group.results),
                *mean_error(group.results, sample),
                *(gap if (gap := _difference(sample, reference)).trainings else _NO_DIFFERENCE),
                *mean_number(
                    [(_train_loss(r), 0.0) for r in group.results if r.status == "finished"], possible=POSITIVE
                ),
                published(group.results[0]),
            ]
        )
    columns: dict[str, Kind] = {
        **field_columns(groups),
        "trials": "count",
        "diverged": "count",
        **ranged("mean_error", "percent"),
        **ranged("difference_to_identity", "points"),
        **ranged("final_train_loss", "number"),
        "published_error": "text",
    }
    optional = ["published_error", *ranged("difference_to_identity", "points")]
    return without_empty(Table(columns, rows), optional)


def summary_table(groups: Sequence[Replicates], analysis: str, *, epoch: int | None = None) -> Table:
    """The summary numbers of an analysis, as means over the seeds of every group that has it, with intervals.

    An interval counts the spread over seeds and, where the analysis tells it, the standard error over examples, which
    all seeds share. A number that is the test error of each training has the interval of that.

    Args:
        groups: what `replicates` found.
        analysis: its name.
        epoch: what it measured after that epoch; at the end where None.
    """
    measured: list[tuple[Replicates, list[_Answered]]] = []
    for group in groups:
        answers = zip(group.results, measured_at(group.results, epoch), strict=True)
        measured.append((group, [(result, done[analysis]) for result, done in answers if analysis in done]))
    names: dict[str, Kind] = {}
    for _, taken in measured:
        for _, one in taken:
            names |= {name: kind_of(one.units[name]) for name in one.summary if not name.endswith(_ERROR)}
    rows: list[list[Cell]] = []
    for group, taken in measured:
        if taken:
            numbers = [part for name in names for part in _summary_number(analysis, name, taken)]
            rows.append([*group.fields.values(), len(taken), *numbers])
    heads: dict[str, Kind] = {**field_columns(groups), "trials": "count"}
    columns: dict[str, Kind] = {}
    for name, kind in names.items():
        columns |= ranged(apart(name, heads), kind)
    return Table({**heads, **columns}, rows)


def with_intervals(table: Table) -> Table:
    """The table with every mean, its interval and its number of trainings in one cell: `1.20 % (1.05 to 1.36), n 3`."""
    names = list(table.columns)
    places = {name: place for place, name in enumerate(names)}
    means = [name for name in names if all(name + part in places for part in _PARTS)]
    parts = {name + part for name in means for part in _PARTS}
    kept = [name for name in names if name not in parts]
    rows = [
        [
            _shown([row[places[name + part]] for part in ("", *_PARTS)], table.columns[name])
            if name in means
            else row[places[name]]
            for name in kept
        ]
        for row in table.rows
    ]
    return Table({name: table.columns[name] for name in kept}, rows)


def ranged(name: str, kind: Kind) -> dict[str, Kind]:
    """The columns of a mean, its interval, and its number of trainings."""
    return {name: kind, f"{name}_low": kind, f"{name}_high": kind, f"{name}_n": "count"}


def _shown(cells: Sequence[Any], kind: Kind) -> Cell:
    value, low, high, count = cells
    if value is None or not isinstance(value, float | int) or not math.isfinite(value):
        return value
    text = show(float(value), kind)
    if low is None or high is None:
        return f"{text}, n {count}"
    ends = " to ".join(show(float(end), kind).removesuffix(" %") for end in (low, high))
    return f"{text} ({ends}), n {count}"


def _difference(sample: Sample | None, reference: Sample | None) -> Ranged:
    if sample is None or reference is None:
        return Ranged(None)
    if (sample.outcomes is None) != (reference.outcomes is None):
        sample, reference = (Sample.of_numbers(one.numbers, seeds=one.seeds) for one in (sample, reference))
    found = difference(sample, reference)
    return as_range(float(found.value), found.interval(), min(sample.count, reference.count))


def _summary_number(analysis: str, name: str, taken: Sequence[_Answered]) -> Ranged:
    """The mean of a summary number with its interval; that of the test error where it is the test error."""
    results = [result for result, _ in taken]
    if is_test_error([one.summary.get(name, math.nan) for _, one in taken], results):
        return mean_error(results, error_sample(results))
    return mean_number([_with_error(one, name) for _, one in taken], possible=possible_values(analysis, name))


def _with_error(one: AnalysisResult, name: str) -> tuple[float, float]:
    return one.summary.get(name, math.nan), one.summary.get(name + _ERROR, 0.0)


def _without_shortcut(group: Replicates) -> tuple[Any, ...]:
    return tuple(value for name, value in group.fields.items() if name.partition(".")[0] != "shortcut")


def _is_identity(group: Replicates) -> bool:
    return group.fields.get("shortcut") == "identity"


def _train_loss(result: TrialResult) -> float:
    return result.history[-1].train_loss if result.history else math.nan
