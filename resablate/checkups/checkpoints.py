"""What trials continue from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

from resablate.checkups.interface import Fault, Scope
from resablate.checkups.names import of_trials
from resablate.storage.checkpoint_files import Examined, examine
from resablate.storage.checkpoint_store import CheckpointStore, checkpoint_store
from resablate.storage.files import remove, why_unreadable
from resablate.storage.locations import TRIALS
from resablate.tracking import open_tracker

_COMPLETE = "its trial is complete and needs it no more"


def checkpoints(scope: Scope) -> Iterator[Fault]:
    """Checkpoints that are damaged, parts of none, and those of trials that are complete; the store's too."""
    complete = open_tracker(scope.uri).complete_keys() if scope.records else {}
    for name in scope.names:
        yield from _of_folder(scope.work / name / TRIALS, complete)
    for name in scope.names:  # after the others: it may be away
        if address := checkpoint_store(name):
            yield from _of_store(CheckpointStore(address), complete)


def _of_folder(folder: Path, complete: Collection[str]) -> Iterator[Fault]:
    for place in of_trials(folder):
        if place.name in complete:
            yield Fault(str(place), _COMPLETE, "--mend removes it", partial(remove, place))
        elif why := why_unreadable(place):  # what goes with it, or with which it goes, is not known then either
            remedy = "see that it can be read: it may be whole, so --mend leaves it"
            yield Fault(str(place), f"it cannot be read ({why})", remedy)
        else:
            yield from _found(examine(place, key=place.name), lambda path: (str(path), partial(remove, path)))


def _of_store(store: CheckpointStore, complete: Collection[str]) -> Iterator[Fault]:
    for key in store.keys():
        if key in complete:
            yield Fault(store.address(key), _COMPLETE, "--mend removes it", partial(store.remove, key))
        else:
            place = partial(_stored, store, key)
            yield from _found(store.examine(key), place)


def _stored(store: CheckpointStore, key: str, path: Path) -> tuple[str, Callable[[], None]]:
    return store.address(key, path.name), partial(store.remove, key, path.name)


def _found(found: Examined, place: Callable[[Path], tuple[str, Callable[[], None]]]) -> Iterator[Fault]:
    """What is wrong with the files of a trial.

    Args:
        found: in its folder.
        place: path -> where that is, and what removes it.
    """
    of = found.whole[0].path.name if found.whole else "its beginning"
    for path, problem in found.damaged.items():
        where, mend = place(path)
        yield Fault(where, problem, f"--mend removes it, and the next sweep goes on from {of}", mend)
    for path in found.unknown:
        where, mend = place(path)
        yield Fault(where, "it goes with no checkpoint", "--mend removes it", mend)
