"""What came of the points of a sweep, and the best of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from resablate.errors import ResablateError
from resablate.result import COMPLETE, TrialResult
from resablate.searches.objectives import objective
from resablate.searches.points import point_of
from resablate.statistics.replicates import cells
from resablate.sweep import Point, SweepSpec


@dataclass(frozen=True)
class Outcome:
    """A point and what came of it."""

    point: Point
    results: tuple[TrialResult, ...]
    """One for each of the search's seeds, as far as there are results."""
    values: tuple[float, ...] | None
    """The means of what the search minimizes; None where a trial was pruned or failed, or has no result yet."""


def outcomes(results: Sequence[TrialResult], sweep: SweepSpec) -> list[Outcome]:
    """The points of the sweep in the order of their first results.

    What replicates the winner with new seeds is no part of the search. With `search.seeds` a point is a cell, with all
    its replicates; else every result is a point of its own.
    """
    results = [result for result in results if result.spec.seed not in sweep.new_seeds]
    if sweep.search.seeds:
        groups = [cell.results for cell in cells(results)]
    else:
        groups = [(result,) for result in results]
    return [Outcome(point_of(group[0].spec, sweep), group, _values(group, sweep)) for group in groups]


def best_outcomes(results: Sequence[TrialResult], sweep: SweepSpec, count: int) -> list[Outcome]:
    """The `count` points with the lowest mean over the search's seeds of the first objective, the best first.

    A point counts once each of its seeds has ended, and if at least one trial of it finished: there is nothing to learn
    from a network that diverged. Of equal points the order is the same whatever order their results come in.
    """
    ended: list[tuple[float, Outcome]] = [
        (outcome.values[0], outcome)
        for outcome in outcomes(results, sweep)
        if outcome.values is not None and any(result.status == "finished" for result in outcome.results)
    ]
    ended.sort(key=lambda pair: (pair[0], min(result.key for result in pair[1].results)))
    return [outcome for _, outcome in ended[:count]]


def _values(group: Sequence[TrialResult], sweep: SweepSpec) -> tuple[float, ...] | None:
    if any(result.status not in COMPLETE for result in group):
        return None
    if not {*(sweep.search.seeds or ())} <= {result.spec.seed for result in group}:
        return None
    try:
        return tuple(
            fmean(objective(result, name, sweep.analyses) for result in group) for name in sweep.search.minimize
        )
    except ResablateError:
        return None
