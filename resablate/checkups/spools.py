"""Results that wait to be filed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from resablate.checkups.interface import Fault, Scope
from resablate.checkups.names import of_trials
from resablate.errors import CheckpointError
from resablate.storage.files import remove
from resablate.storage.spool import SPOOL, is_proved_damaged, read_spooled

_BY_HAND = "see that it can be read, by the version that wrote it: it may be whole, so --mend leaves it"


def spools(scope: Scope) -> Iterator[Fault]:
    """Results that were never filed: whole ones, which wait, and damaged ones."""
    for name in scope.names:
        for place in of_trials(scope.work / name / SPOOL):
            try:
                read_spooled(place)
            except CheckpointError as error:
                problem = str(error).removeprefix(f"{place}: ")
                if is_proved_damaged(place):
                    remedy = "--mend removes it, and the next sweep trains the rest of its trial again"
                    yield Fault(str(place), problem, remedy, partial(remove, place))
                else:
                    yield Fault(str(place), problem, _BY_HAND)
            else:
                yield Fault(str(place), "a result waits to be filed", f"the next sweep {name} files it")
