"""Keeps the lease of a sweep while it runs, and gives it back however the run ends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from resablate.errors import LeaseLost, TrackingError
from resablate.scheduling.stopping import Stopping
from resablate.tracking import BEAT_SECONDS, Tracker

log = logging.getLogger(__name__)


class HeldLease(NamedTuple):
    """The lease of a sweep, while it is kept."""

    claim: str
    """For `Tracker.adopt_claim`."""
    ending: threading.Event
    """Set by whoever is about to close the submission: from then on one that is not open is not lost."""


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
    lease = HeldLease(tracker.claim_sweep(sweep), threading.Event())
    closed = threading.Event()

    def beat() -> None:
        while not closed.wait(BEAT_SECONDS):
            try:
                tracker.keep_alive()
            except LeaseLost as lost:
                if not lease.ending.is_set():
                    stopping.halt(str(lost))
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
