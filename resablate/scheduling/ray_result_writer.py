"""The process that writes the results of a sweep on Ray. It imports no torch, so that it is there before the trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ray

from resablate.result import Status, TrialResult
from resablate.scheduling.result_writer import ResultWriter
from resablate.spec import TrainSpec
from resablate.storage.locks import hold_worker_lock
from resablate.sweep import SweepSpec
from resablate.tracking import SweepStatus, open_tracker


@ray.remote(num_cpus=0)
class ResultWriterActor:
    """The one writer of a sweep, in a process of its own on the driver's node.

    So neither the driver nor a trial waits for the tracker, trials on other nodes need no way to it, and a sqlite
    file has one writer.
    """

    def __init__(self, uri: str, spool: str) -> None:
        hold_worker_lock(Path(spool).parent)
        self._writer = ResultWriter(open_tracker(uri), spool=Path(spool))

    def start(self, sweep: SweepSpec, trials: Sequence[TrainSpec], command: str) -> None:
        """As `ResultWriter.start`."""
        self._writer.start(sweep, trials=trials, command=command)

    def note_trial(self, spec: TrainSpec) -> None:
        """As `ResultWriter.note_trial`."""
        self._writer.note_trial(spec)

    def start_trial(self, spec: TrainSpec) -> None:
        """As `ResultWriter.start_trial`."""
        self._writer.start_trial(spec)

    def epoch(self, key: str, metrics: Any) -> None:
        """As `ResultWriter.epoch`."""
        self._writer.epoch(key, metrics)

    def finish_trial(self, result: str, weights: Mapping[str, bytes]) -> tuple[Status, str]:
        """As `ResultWriter.finish_trial`, with the result as JSON; status and reason of what is filed."""
        filed = self._writer.finish_trial(TrialResult.from_json(result), weights=weights)
        return filed.status, filed.reason

    def end(self, status: SweepStatus) -> list[str]:
        """As `ResultWriter.end`."""
        return self._writer.end(status)
