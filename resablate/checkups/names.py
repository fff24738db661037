"""Names that are no sweep's, and links in the places of folders: neither becomes a path that `--mend` follows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from resablate.checkups.interface import Fault, Scope
from resablate.spec import KEY_LENGTH
from resablate.storage.files import remove
from resablate.storage.locations import TRIALS, is_sweep_name
from resablate.storage.locks import WORKERS
from resablate.storage.spool import SPOOL

_KEY = re.compile(rf"[0-9a-f]{{{KEY_LENGTH}}}")
_LINK = "it is a link, and what it leads to is neither looked at nor mended"


def names(scope: Scope) -> Iterator[Fault]:
    """Records and folders that are called as no sweep can be."""
    for place, problem, *_ in scope.records.misnamed() if scope.records else ():
        yield Fault(place, f"{problem}; it does not count", "delete the run in MLflow")
    for folder in sorted(scope.work.glob("*")):
        if folder.is_dir() and not is_sweep_name(folder.name):
            yield Fault(str(folder), "no sweep can be called so, and it is not looked at", "move it away")


def links(scope: Scope) -> Iterator[Fault]:
    """Links where a sweep has folders of its own."""
    for name in scope.names:
        work = scope.work / name
        for place in (work, *(work / part for part in (TRIALS, SPOOL, WORKERS))):
            if place.is_symlink():
                yield Fault(str(place), _LINK, "put the folder itself there, or set $RESABLATE_HOME")
        for part in (TRIALS, SPOOL):
            for place in _entries(work / part):
                if place.is_symlink():
                    yield Fault(str(place), _LINK, "--mend removes the link alone", partial(remove, place))


def of_trials(folder: Path) -> list[Path]:
    """What lies in a sweep's folder under the key of a trial; without links, and without what is somebody else's."""
    return [place for place in _entries(folder) if not place.is_symlink()]


def _entries(folder: Path) -> list[Path]:
    if folder.is_symlink() or folder.parent.is_symlink():
        return []
    return sorted(place for place in folder.glob("*") if _KEY.fullmatch(place.name))
