"""The tables of a report that come from analyses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from resablate.figures.interval_tables import summary_table, with_intervals
from resablate.figures.tables import Replicates, Table, raw_table
from resablate.measurement import AnalysisResult
from resablate.question import TEST
from resablate.result import TrialResult


def analysis_tables(groups: Sequence[Replicates]) -> Iterator[tuple[str, Table]]:
    """Name and table, one after another: all numbers of every analysis, and their summaries."""
    for name in _names(groups):
        yield name, raw_table(groups, _rows(name))
        yield f"{name}_summary", summary_table(groups, name)
        if _epochs(groups, name):
            yield f"{name}_by_epoch", raw_table(groups, _rows_by_epoch(name))


def summaries(groups: Sequence[Replicates]) -> dict[str, Table]:
    """Heading -> summary of every analysis at the end, and after the first epoch after which it was run too.

    A number stands with its interval and the number of its trainings in one cell.
    """
    found: dict[str, Table] = {}
    for name in _names(groups):
        found[name] = with_intervals(summary_table(groups, name))
        for epoch in _epochs(groups, name)[:1]:
            heading = f"{name}, before training" if epoch == 0 else f"{name}, after epoch {epoch}"
            found[heading] = with_intervals(summary_table(groups, name, epoch=epoch))
    return found


def _names(groups: Sequence[Replicates]) -> list[str]:
    """The analyses in the order of their first results; the test's numbers are in the table of errors."""
    names = dict.fromkeys(name for result in _results(groups) for name in result.analyses)
    return [name for name in names if name != TEST]


def _epochs(groups: Sequence[Replicates], name: str) -> list[int]:
    """After which epochs the analysis was run besides the end."""
    return sorted({e for result in _results(groups) for e, done in result.analyses_by_epoch.items() if name in done})


def _results(groups: Sequence[Replicates]) -> Iterator[TrialResult]:
    return (result for group in groups for result in group.results)


def _rows(name: str) -> Callable[[TrialResult], Iterable[Mapping[str, float]]]:
    def rows(result: TrialResult) -> Iterable[Mapping[str, float]]:
        analyses = result.analyses
        return _table_rows(analyses[name]) if name in analyses else iter(())

    return rows


def _rows_by_epoch(name: str) -> Callable[[TrialResult], Iterable[Mapping[str, float]]]:
    def rows(result: TrialResult) -> Iterable[Mapping[str, float]]:
        measured = {epoch: done[name] for epoch, done in result.analyses_by_epoch.items() if name in done}
        return ({"epoch": epoch, **row} for epoch, table in measured.items() for row in _table_rows(table))

    return rows


def _table_rows(measured: AnalysisResult) -> Iterator[dict[str, float]]:
    table = measured.table
    return (dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True))
