"""The cluster that `make cluster` starts."""

from __future__ import annotations

from collections.abc import Iterator

from resablate.checkups.interface import Fault, Scope
from resablate.local_cluster.examining import damaged_files
from resablate.local_cluster.settings import DEFAULT_FOLDER


def clusters(scope: Scope) -> Iterator[Fault]:
    """Files of the cluster of the current folder that a kill cut off, or that something else has replaced."""
    for file, problem, remedy in damaged_files(DEFAULT_FOLDER.absolute()):
        yield Fault(str(file), problem, remedy)
