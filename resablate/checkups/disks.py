"""Room for what is written."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from resablate.checkups.interface import Fault, Scope
from resablate.storage.files import why_unwritable

_ROOM_MIB = 100
"""Less than this is full within minutes: a checkpoint of a small network takes megabytes."""


def disks(scope: Scope) -> Iterator[Fault]:
    """Folders that cannot be written, or have no room."""
    sweeps = [place for name in scope.names if (place := scope.work / name).exists()]
    for place in (scope.work, *sweeps):
        if why := why_unwritable(place):
            remedy = "remove what is in its place, give this user the right to write there, or set $RESABLATE_HOME"
            yield Fault(str(place), f"it cannot be written ({why})", remedy)
    folder = scope.work
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free // 2**20
    if free < _ROOM_MIB:
        yield Fault(str(folder), f"its disk has {free} MiB left", "make room; a sweep waits until there is some")
