"""Keeps the lease of a sweep while it runs, and gives it back however the run ends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import final

from resablate.errors import LeaseLost, TrackingError
from resablate.scheduling.stopping import Stopping
from resablate.tracking import BEAT_SECONDS, Tracker
from resablate.tracking.leases import running_seconds

log = logging.getLogger(__name__)

_BEATS_MISSED = 2
"""So many beats after it was last confirmed a lease counts as held: nobody else takes it before more are missed."""


def is_recent(confirmed: float) -> bool:
    """Whether a lease that was confirmed then, by `running_seconds`, cannot have been taken by now."""
    return running_seconds() - confirmed < _BEATS_MISSED * BEAT_SECONDS


@final
class HeldLease:
    """The lease of a sweep, while it is kept.

    Args:
        tracker: where it was claimed.
        claim: by `Tracker.claim_sweep`.
        stopping: told where it is lost.
    """

    def __init__(self, tracker: Tracker, claim: str, stopping: Stopping) -> None:
        self._tracker = tracker
        self._stopping = stopping
        self._confirmed = running_seconds()
        """When it was last asked with the answer that the lease is held."""
        self._lost = ""
        """Why it is held no more."""
        self._asking = threading.Lock()
        self._reporting: Callable[[float], object] = lambda at: None
        self.claim = claim
        """For `Tracker.adopt_claim`."""
        self.ending = threading.Event()
        """Set by whoever is about to close the submission: from then on one that is not open is not lost."""

    def check(self) -> None:
        """To be called before every write that no request to the tracker checks, such as one to the study.

        The tracker is asked only where the lease was not confirmed lately: where beats fail, or this process was
        stopped meanwhile.

        Raises:
            LeaseLost: if it is not held any more; then the sweep is stopped too.
            TrackingError: if the tracker cannot be asked.
        """
        if self._lost or not is_recent(self._confirmed):
            self.renew()

    def is_confirmed(self) -> bool:
        """Whether it is known to be held; asks nobody, for a write that can be put off."""
        return not self._lost and is_recent(self._confirmed)

    def renew(self) -> None:
        """A beat; raises as `check` does."""
        with self._asking:
            if self._lost:
                raise LeaseLost(self._lost)
            asked = running_seconds()
            try:
                self._tracker.keep_alive()
            except LeaseLost as lost:
                if not self.ending.is_set():
                    self._lost = str(lost)
                    self._stopping.halt(self._lost)
                raise
            self._confirmed = asked
        try:
            self._reporting(asked)
        except Exception:  # whoever is told may have ended
            log.debug("nobody was told that the lease is held", exc_info=True)

    def report_to(self, reporting: Callable[[float], object]) -> None:
        """From now on have another process told when the lease was last confirmed, by `running_seconds`."""
        self._reporting = reporting
        reporting(self._confirmed)


@contextmanager
def kept_lease(tracker: Tracker, sweep: str, stopping: Stopping) -> Generator[HeldLease]:
    """Claims the lease of a sweep and renews it; where it is lost, the sweep is stopped.

    Args:
        tracker: where the sweep is recorded.
        sweep: its name.
        stopping: told why it stops.

    Raises:
        LeaseTaken: if another process runs the sweep; nothing of it was touched then.
        TrackingError: if the tracker cannot be used.
    """
    lease = HeldLease(tracker, tracker.claim_sweep(sweep), stopping)
    closed = threading.Event()

    def beat() -> None:
        asked = running_seconds()
        while not closed.wait(max(0.0, asked + BEAT_SECONDS - running_seconds())):
            asked = running_seconds()  # a renewal that takes long delays the next one by nothing
            try:
                lease.renew()
            except LeaseLost:
                return
            except Exception:  # whatever the tracker raises, the next time may be better
                log.debug("renewing the lease failed", exc_info=True)

    thread = threading.Thread(target=beat, name="lease", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        closed.set()
        thread.join()
        with suppress(TrackingError):  # the next submission finds out that this process has ended
            tracker.release_sweep()
