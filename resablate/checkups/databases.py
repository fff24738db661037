"""The files of sqlite."""

from __future__ import annotations

from collections.abc import Iterator

from resablate.checkups.interface import Fault, Scope
from resablate.searches.study import study_address
from resablate.storage.locations import sqlite_file
from resablate.storage.sqlite_files import sqlite_problem
from resablate.tracking import lost_records


def databases(scope: Scope) -> Iterator[Fault]:
    """Databases that are damaged, or have lost what they held."""
    remedy = "put back a copy; without one, move it away: what it held is lost, and the next sweep makes a new one"
    for uri in (scope.uri, study_address()):
        file = sqlite_file(uri)
        if file is None or not file.exists():
            continue
        if problem := sqlite_problem(file):
            yield Fault(str(file), problem, remedy)
        elif uri == scope.uri and (lost := lost_records(file)):
            yield Fault(str(file), lost.removeprefix(f"{file}: "), remedy)
