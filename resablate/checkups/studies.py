"""The studies of searches."""

from __future__ import annotations

from collections.abc import Iterator

from resablate.checkups.interface import Fault, Scope
from resablate.searches import is_adaptive
from resablate.searches.examining import end_points, running_points


def studies(scope: Scope) -> Iterator[Fault]:
    """Studies that are gone, or believe that trials run which do not."""
    for name in scope.names:
        sweep = scope.records.sweep(name) if scope.records else None
        if sweep is None or not is_adaptive(sweep.search.method):
            continue
        points = running_points(sweep)
        if points is None:
            yield Fault(f"study {name}", "it is not there", "the next sweep makes it anew from the results")
        elif points:
            problem = f"{len(points)} points are said to be tried, and nobody tries them"
            remedy = "--mend tells it so, and the next sweep proposes them again"
            yield Fault(f"study {name}", problem, remedy, lambda sweep=sweep: end_points(sweep))
