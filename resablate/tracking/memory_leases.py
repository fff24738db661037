"""The in-process twin of the leases in MLflow."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import final

from resablate.tracking.leases import (
    TAKEN,
    Claim,
    Lease,
    LeaseState,
    Watch,
    lease_is_lost,
    this_process,
    trial_is_taken,
)


@final
class MemoryLeases:
    """The lease that one holder has, and those of all, which holders share as processes share a server's.

    Args:
        beside: a holder whose leases these are too.
    """

    def __init__(self, *, beside: MemoryLeases | None = None) -> None:
        self._open: dict[str, Claim] = beside._open if beside else {}
        self._numbers = beside._numbers if beside else count()
        self._watch = Watch()
        self._sweep = ""
        self._held = ""

    def claim(self, sweep: str) -> tuple[dict[str, LeaseState], str]:
        """The leases that were taken from who has ended, with the state in which they were, and the new one.

        Raises:
            LeaseTaken: if another holder is at work; names it.
        """
        ended = self._watch.wait_for_ended(
            sweep, lambda: [claim for claim in self._open.values() if claim.sweep == sweep]
        )
        for claim, _ in ended:
            self._open.pop(claim.submission, None)
        self._sweep, self._held = sweep, f"lease-{next(self._numbers)}"
        self._open[self._held] = Claim(self._held, sweep, this_process(), "", int(1000 * time.time()))
        return {claim.submission: state for claim, state in ended}, self._held

    def adopt(self, submission: str) -> None:
        """Go on with a lease; one of other records is none."""
        if claim := self._open.get(submission):
            self._sweep, self._held = claim.sweep, submission

    def submission_of(self, sweep: str) -> str:
        """The lease that is held, if it is one of this sweep."""
        return self._held if self._sweep == sweep else ""

    def renew(self) -> None:
        """Keep the lease."""
        self.check()
        if claim := self._open.get(self._held):
            self._open[self._held] = claim._replace(beat=f"{claim.beat}.")

    def check(self) -> None:
        """Raise LeaseLost if the lease is not held any more."""
        if self._held and self._held not in self._open:
            now = next((claim.owner for claim in self._open.values() if claim.sweep == self._sweep), None)
            raise lease_is_lost(self._sweep, now)

    def check_trial(self, key: str, submission: str) -> LeaseState | None:
        """The state of a lease that was taken from who has ended; None where it was given back before.

        Raises:
            LeaseTaken: if its holder is at work.
        """
        if (claim := self._open.get(submission)) is None:
            return None
        state = self._watch.state(claim)
        if state in TAKEN:
            raise trial_is_taken(key, claim)
        del self._open[submission]
        return state

    def leases(self, keys: Callable[[str], frozenset[str]], *, watch_seconds: float) -> list[Lease]:
        """All leases; `keys` gives the trials of each."""
        time.sleep(watch_seconds if any(self._watch.state(claim) == "unheard" for claim in self._open.values()) else 0)
        return [Lease(claim, self._watch.state(claim), keys(claim.submission)) for claim in self._open.values()]

    def release(self) -> str:
        """Give the lease back, and return what it was; empty where none is held."""
        held, self._held = self._held, ""
        return held if self._open.pop(held, None) else ""
