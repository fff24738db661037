"""Who runs a sweep: one process at a time, on whatever machine it is."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

from resablate.errors import TrackingError
from resablate.processes import machine_identity, process_start
from resablate.tracking.mlflow_store import MlflowStore

if TYPE_CHECKING:
    from mlflow.entities import Run

OWNER = "resablate.owner"
"""Host, process, the process's start and its machine's identity, of whoever writes the records of a submission."""
ALIVE = "resablate.alive"
"""Changes every BEAT_SECONDS while the owner is at work."""
BEAT_SECONDS = 10.0
SILENT_SECONDS = 35.0
"""A process of another machine that has not been heard of for so long has ended."""
_POLL_SECONDS = 1.0


class Owner(NamedTuple):
    """A process."""

    host: str
    process: str
    start: str
    """In the machine's own count, so that a later process with the same number is another one."""
    machine: str
    """By `machine_identity`: two machines may have one host name. Empty where it is not known."""

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"

    @property
    def tag(self) -> str:
        """As it stands in the records."""
        return " ".join(self)


def this_process() -> Owner:
    """The process that asks."""
    return _process_here(os.getpid())


def abandoned_runs(store: MlflowStore, experiment_id: str, *, sweep: str) -> list[str]:
    """Run ids of the sweep's submissions whose process has ended without closing them.

    A process of this machine is looked up by its number; one of another machine, whatever its host name, is listened
    to, for SILENT_SECONDS at most.

    Args:
        store: where the records are.
        experiment_id: of the sweep.
        sweep: its name.

    Raises:
        TrackingError: if another process is at work on one of them; names it.
    """
    beats: dict[str, str] = {}
    deadline = time.monotonic() + SILENT_SECONDS
    while True:
        opened = running(store, experiment_id)
        elsewhere = False
        for run in opened:
            owner, beat = owner_of(run), run.data.tags.get(ALIVE, "")
            if owner.machine == machine_identity():
                at_work = owner == _process_here(int(owner.process)) != this_process()
            else:
                elsewhere = True
                at_work = beats.setdefault(run.info.run_id, beat) != beat
            if at_work:
                raise _taken(sweep, owner)
        if not elsewhere or time.monotonic() > deadline:
            return [run.info.run_id for run in opened]
        time.sleep(_POLL_SECONDS)


def abort_if_concurrent(store: MlflowStore, run: Run, *, sweep: str) -> None:
    """Close the submission `run` and raise TrackingError if another was opened at the same moment.

    Both may do so: rather none than both.
    """
    for other in running(store, run.info.experiment_id):
        if other.info.run_id != run.info.run_id:
            store.client().set_terminated(run.info.run_id, "KILLED")
            raise _taken(sweep, owner_of(other))


def running(store: MlflowStore, experiment_id: str) -> list[Run]:
    """The submissions of an experiment that somebody has opened and nobody has closed."""
    opened = f"tags.`{OWNER}` != '' AND attributes.status = 'RUNNING'"
    return list(store.runs(opened, experiment_ids=[experiment_id]))


def owner_of(run: Run) -> Owner:
    """Who opened a submission."""
    found = run.data.tags[OWNER].rsplit(" ", 3)
    return Owner(*found, *[""] * (4 - len(found)))


def _process_here(pid: int) -> Owner:
    """The process of this machine that has this number now; one that never was, if none has."""
    return Owner(socket.gethostname(), str(pid), str(process_start(pid)), machine_identity())


def _taken(sweep: str, owner: Owner) -> TrackingError:
    return TrackingError(
        f"sweep {sweep!r} is being run by {owner}, which files its records here; wait until it has ended, then run the"
        " command again for the trials that have not ended"
    )
