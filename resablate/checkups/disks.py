"""Room for what is written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from resablate.checkups.interface import Fault, Scope
from resablate.storage.files import why_unwritable
from resablate.tracking.mlflow_moved import ARTIFACTS

_ROOM_MIB = 100
"""Less than this is full within minutes: a checkpoint of a small network takes megabytes."""


def disks(scope: Scope) -> Iterator[Fault]:
    """Folders that cannot be written, or have no room."""
    sweeps = [place for name in scope.names if (place := scope.work / name).exists()]
    for place in (scope.work, *sweeps):
        if why := why_unwritable(place):
            remedy = "remove what is in its place, give this user the right to write there, or set $RESABLATE_HOME"
            yield Fault(str(place), f"it cannot be written ({why})", remedy)
    yield from _of_records(scope)
    folder = scope.work
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free // 2**20
    if free < _ROOM_MIB:
        yield Fault(str(folder), f"its disk has {free} MiB left", "make room; a sweep waits until there is some")


def _of_records(scope: Scope) -> Iterator[Fault]:
    """The database and the folders of its files: a sweep that cannot file what it trains is of no use."""
    database = scope.records.database if scope.records else None
    if database is None or not database.is_file():
        return
    remedy = "give this user the right to write there"
    if not os.access(database, os.W_OK):
        yield Fault(str(database), "it cannot be written (Permission denied)", remedy)
    files = database.parent / ARTIFACTS
    places = [database.parent, files, *(files / name for name in scope.names)]
    for place in places:
        if place.exists() and (why := why_unwritable(place)):
            yield Fault(str(place), f"it cannot be written ({why})", remedy)
