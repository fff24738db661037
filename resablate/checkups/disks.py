"""Room for what is written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from resablate.checkups.interface import Fault, Scope

_ROOM_MIB = 100
"""Less than this is full within minutes: a checkpoint of a small network takes megabytes."""


def disks(scope: Scope) -> Iterator[Fault]:
    """Folders that cannot be written, or have no room."""
    folder = scope.work
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        yield Fault(str(folder), "it cannot be written", "give this user the right to, or set $RESABLATE_HOME")
    free = shutil.disk_usage(folder).free // 2**20
    if free < _ROOM_MIB:
        yield Fault(str(folder), f"its disk has {free} MiB left", "make room; a sweep waits until there is some")
