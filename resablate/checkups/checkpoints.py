"""What trials continue from."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from resablate.checkups.interface import Fault, Scope
from resablate.scheduling.ray_sessions import TUNE_PREFIX
from resablate.storage.checkpoint_files import examine
from resablate.storage.files import remove
from resablate.storage.locations import TRIALS
from resablate.tracking import open_tracker


def checkpoints(scope: Scope) -> Iterator[Fault]:
    """Checkpoints that are damaged, parts of none, and those of trials that are complete."""
    complete = open_tracker(scope.uri).complete_keys() if scope.records else {}
    for name in scope.names:
        folder = scope.work / name / TRIALS
        for place in sorted(set(folder.glob("*")) - set(folder.glob(f"{TUNE_PREFIX}*"))):
            if place.name in complete:
                remedy = "--mend removes it"
                yield Fault(str(place), "its trial is complete and needs it no more", remedy, partial(remove, place))
                continue
            found = examine(place, key=place.name)
            of = found.whole[0].path.name if found.whole else "its beginning"
            for path, problem in found.damaged.items():
                remedy = f"--mend removes it, and the next sweep goes on from {of}"
                yield Fault(str(path), problem, remedy, partial(remove, path))
            for path in found.unknown:
                yield Fault(str(path), "it goes with no checkpoint", "--mend removes it", partial(remove, path))
