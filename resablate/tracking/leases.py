"""Who may run a sweep, and train a trial: a lease, which is lost by whoever stops renewing it.

The lease of a sweep is its open submission, which names the process that holds it and is renewed every BEAT_SECONDS.
The lease of a trial, whichever sweeps it is of, is its open run, as long as the submission that the run belongs to
holds the lease of its own sweep. So a lease is no record of its own, and a trial's costs no request to renew.

It is claimed by writing first and looking afterwards: of two who claim at once, the one whose write the server had
last sees the other's, whatever the clocks and names of their machines say. Whoever sees another at work withdraws. (A
server that answers searches from a replica which lags breaks this.)

Time is measured by each process for itself, and never compared. One that looks on takes a lease to be given up where
it has seen no renewal for SILENT_SECONDS. The holder asks the server whether it still holds the lease before every
write that comes more than BEAT_SECONDS after it last did, so one that was stopped meanwhile, or cut off, notices. What
was on its way nevertheless meets no run: those of a holder that may still live are deleted when its lease is taken.
What a sweep writes elsewhere, to the study of a search and to a store of checkpoints, is not written either where the
last renewal is older than two beats: `scheduling.lease_keeper`.

`Tracker.leases` lists all leases with their state.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple, final

from resablate.errors import LeaseLost, LeaseTaken
from resablate.processes import machine_identity, process_start

BEAT_SECONDS = 10.0
"""Between two renewals."""
SILENT_SECONDS = 35.0
"""A lease expires after three renewals that were missed, and five seconds for one that is on its way: a server that is
busy answers within that (p99 of 64 writers at once: reports/benchmarks/tracking_load.md)."""
_POLL_SECONDS = 1.0
LeaseState = Literal["held", "unheard", "silent", "gone"]
"""`held`: its holder is at work. `unheard`: it is on another machine, and was listened to for less than SILENT_SECONDS.
`silent`: it was listened to for so long, and has not renewed. `gone`: its process has ended."""
TAKEN: frozenset[LeaseState] = frozenset({"held", "unheard"})
"""The states in which nobody else may take the lease."""


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

    @classmethod
    def parse(cls, tag: str) -> Owner:
        """From what stands in the records; one of a machine that nobody knows where that is cut short."""
        found = tag.rsplit(" ", 3)
        return cls(*found, *[""] * (4 - len(found)))


class Claim(NamedTuple):
    """An open submission of a sweep."""

    submission: str
    """Its run id."""
    sweep: str
    owner: Owner
    beat: str
    """Changes with every renewal."""
    since: int
    """Milliseconds since 1970, by its owner's clock: for people to read, not to compare."""


class Lease(NamedTuple):
    """A claim, what is known of its holder, and the trials that are leased with it."""

    claim: Claim
    state: LeaseState
    keys: frozenset[str]

    @property
    def taken(self) -> bool:
        """Whether nobody else may take it."""
        return self.state in TAKEN


def this_process() -> Owner:
    """The process that asks."""
    return _process_here(os.getpid())


def running_seconds() -> float:
    """A clock that goes on while this process is stopped or its machine sleeps, and that nobody sets."""
    # CLOCK_MONOTONIC stands still while a machine sleeps: clock_gettime(2).
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@final
class Watch:
    """Listens to the holders of leases."""

    def __init__(self) -> None:
        self._heard: dict[str, tuple[str, float]] = {}
        """Submission -> its latest renewal, and when that was heard first."""

    def state(self, claim: Claim) -> LeaseState:
        """What is known of the holder by now: the longer this watches, the more.

        A process of this machine is looked up by its number; one of another machine, whatever its host name, is
        listened to.
        """
        if claim.owner.machine == machine_identity():
            number = claim.owner.process
            return "held" if number.isdecimal() and claim.owner == _process_here(int(number)) else "gone"
        now = running_seconds()
        beat, since = self._heard.setdefault(claim.submission, (claim.beat, now))
        if beat != claim.beat:
            self._heard[claim.submission] = (claim.beat, now)
            return "held"
        return "silent" if now - since > SILENT_SECONDS else "unheard"

    def wait_for_ended(self, sweep: str, look: Callable[[], Iterable[Claim]]) -> list[tuple[Claim, LeaseState]]:
        """The claims to a sweep whose holders have ended, or say nothing for SILENT_SECONDS.

        What this process claimed before counts as given up.

        Args:
            sweep: its name.
            look: the claims that there are now.

        Raises:
            LeaseTaken: if a holder is at work; names it.
        """
        while True:
            found: list[tuple[Claim, LeaseState]] = []
            for claim in look():
                ours = claim.owner == this_process()
                found.append((claim, "gone" if ours else self.state(claim)))
            for claim, state in found:
                if state == "held":
                    raise sweep_is_taken(sweep, claim.owner)
            if all(state not in TAKEN for _, state in found):
                return found
            time.sleep(_POLL_SECONDS)


def sweep_is_taken(sweep: str, owner: Owner) -> LeaseTaken:
    """The error of who may not run a sweep."""
    return LeaseTaken(
        f"sweep {sweep!r} is being run by {owner}, which files its records here; wait until it has ended, then run the"
        " command again for the trials that have not ended"
    )


def lease_is_lost(sweep: str, now: Owner | None) -> LeaseLost:
    """The error of who may not run a sweep any more, which `now` runs, if anybody does."""
    since = f"{now} runs it now" if now else "somebody else has closed its record"
    return LeaseLost(f"the lease of sweep {sweep!r} is lost: {since}")


def trial_is_taken(key: str, claim: Claim) -> LeaseTaken:
    """The error of who may not train a trial."""
    return LeaseTaken(f"trial {key} is being trained by sweep {claim.sweep!r} ({claim.owner})")


def _process_here(pid: int) -> Owner:
    """The process of this machine that has this number now; one that never was, if none has."""
    return Owner(socket.gethostname(), str(pid), str(process_start(pid)), machine_identity())
