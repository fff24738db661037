"""The process that writes the results of a sweep on Ray. It imports no torch, so that it is there before the trials."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any

import ray

from resablate.result import Status, TrialResult
from resablate.scheduling.lease_keeper import is_recent
from resablate.scheduling.ray_warnings import WaitingWarnings, Warned, send_warnings
from resablate.scheduling.result_writer import ResultWriter
from resablate.spec import TrainSpec
from resablate.storage.locks import hold_worker_lock
from resablate.sweep import SweepSpec
from resablate.tracking import SweepStatus, open_tracker

_CLAIMS_AT_ONCE = 8
"""So many trials may ask for their leases while others are filed; each waits for some answers of the server."""
CONCURRENCY = {"claims": _CLAIMS_AT_ONCE, "life": 1, "lease": 1, "warnings": 2}
"""Methods that do not wait for the others: how many of each run at a time."""


class ResultWriterActor:
    """The one writer of a sweep, in a process of its own on the driver's node.

    So neither the driver nor a trial waits for the tracker, trials on other nodes need no way to it, and a sqlite
    file has one writer. It writes under the lease that the driver has claimed and renews.
    """

    def __init__(self, uri: str, spool: str, claim: str) -> None:
        self._warnings = WaitingWarnings()
        send_warnings(self._warnings.add)
        hold_worker_lock(Path(spool).parent)
        self._tracker, self._claim = open_tracker(uri), claim
        self._writer = ResultWriter(self._tracker, spool=Path(spool))
        self._ended: dict[str, str] = {}
        """Key -> what `ended` tells of it."""
        self._over = threading.Event()
        self._confirmed = -inf

    def start(self, sweep: SweepSpec, trials: Sequence[TrainSpec], command: str) -> None:
        """As `ResultWriter.start`."""
        try:
            self._tracker.adopt_claim(self._claim)
            self._writer.start(sweep, trials=trials, command=command)
        except BaseException:
            self._over.set()
            raise

    def note_trial(self, spec: TrainSpec) -> None:
        """As `ResultWriter.note_trial`."""
        self._writer.note_trial(spec)

    @ray.method(concurrency_group="claims")
    def start_trial(self, spec: TrainSpec) -> bool:
        """As `ResultWriter.start_trial`."""
        self._ended.pop(spec.key, None)
        return self._writer.start_trial(spec)

    @ray.method(concurrency_group="lease")
    def confirm_lease(self, at: float) -> None:
        """The driver was told then, by the clock of this machine, that it holds the lease."""
        self._confirmed = at

    @ray.method(concurrency_group="lease")
    def may_write(self) -> bool:
        """Whether a trial may write where other drivers of the sweep would, such as to a store of checkpoints."""
        return is_recent(self._confirmed)

    @ray.method(concurrency_group="life")
    def until_end(self) -> None:
        """Fails where this process is killed: whoever looks at it knows at once."""
        self._over.wait()

    @ray.method(concurrency_group="warnings")
    def warn(self, warned: Warned) -> None:
        """A trial's process has something to tell the driver."""
        self._warnings.add(warned)

    @ray.method(concurrency_group="warnings")
    def warnings(self) -> list[Warned]:
        """What the driver has not been told, once there is something, or the sweep is over."""
        return self._warnings.fetch(self._over)

    def epoch(self, key: str, metrics: Any) -> None:
        """As `ResultWriter.epoch`."""
        self._writer.epoch(key, metrics)

    def finish_trial(self, result: str, weights: Mapping[str, bytes]) -> tuple[Status, str]:
        """As `ResultWriter.finish_trial`, with the result as JSON; status and reason of what is filed."""
        sent = TrialResult.from_json(result)
        filed = self._writer.finish_trial(sent, weights=weights)
        ended = sent.without_tables().model_copy(update={"status": filed.status, "reason": filed.reason})
        self._ended[sent.key] = ended.to_json()
        return filed.status, filed.reason

    def ended(self, keys: Collection[str]) -> dict[str, str]:
        """Those of these trials that ended: their results as JSON without tables; empty where the driver knows them."""
        return {key: self._ended[key] for key in keys if key in self._ended}

    def driver_knows(self, key: str) -> None:
        """The driver has been told how the trial ended."""
        self._ended[key] = ""

    def end(self, status: SweepStatus) -> list[str]:
        """As `ResultWriter.end`."""
        try:
            return self._writer.end(status)
        finally:
            self._over.set()
