"""The studies of searches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from resablate.checkups.interface import Fault, Scope
from resablate.searches import is_adaptive
from resablate.searches.examining import end_points, running_points


def studies(scope: Scope) -> Iterator[Fault]:
    """Studies that are gone, or believe that trials run which do not."""
    for name in scope.names:
        sweep = scope.records.sweep(name) if scope.records else None
        if sweep is None or not is_adaptive(sweep.search.method):
            continue
        running = running_points(sweep)
        if running is None:
            yield Fault(f"study {name}", "it is not there", "the next sweep makes it anew from the results")
            continue
        begun = scope.records.begun(name) if running and scope.records else {}
        points = [number for number, keys in running.items() if not _waits(keys, begun)]
        if points:
            problem = f"{len(points)} points are said to be tried, and nobody tries them"
            remedy = "--mend tells it so, and the next sweep proposes them again"
            yield Fault(f"study {name}", problem, remedy, partial(end_points, sweep, points))


def _waits(keys: Sequence[str], begun: Mapping[str, bool]) -> bool:
    """Whether a submission that ended by itself left the point, at its limit say: the next one goes on with it.

    A kill leaves a training that is open, or a point of which nothing began.
    """
    return any(key in begun for key in keys) and not any(begun.get(key, False) for key in keys)
