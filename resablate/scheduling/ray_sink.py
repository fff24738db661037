"""What a session on Ray tells of its trials, on the way to the sweep's one writer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import ray
from ray.exceptions import GetTimeoutError, RayActorError

from resablate.measurement import EpochMetrics
from resablate.result import TrialResult
from resablate.spec import TrainSpec

_ANSWER_SECONDS = 10.0
"""So long a trial waits for what the writer knows already."""


class WriterEnded(Exception):
    """The process that files results has ended; the driver sees it too, and stops the sweep."""


def answer_of_writer(asked: Any) -> Any:
    """What the writer answers; raises WriterEnded where it never will."""
    try:
        return ray.get(asked)
    except RayActorError as error:
        raise WriterEnded from error


def may_write(writer: Any) -> bool:
    """Whether the driver is known to hold the lease of the sweep, by the sweep's one writer."""
    try:
        return ray.get(writer.may_write.remote(), timeout=_ANSWER_SECONDS)
    except (RayActorError, GetTimeoutError):
        return False


@final
class RemoteSink:
    """Passes what a session tells to the sweep's one writer, and keeps the epochs for the driver.

    Args:
        writer: handle of the ResultWriterActor.
        waits: whether an epoch counts only once the writer has it: needed where the driver may file the end of the
            trial, which must come after its epochs.

    Attributes:
        running: keys of the trials that have begun and not ended.
    """

    def __init__(self, writer: Any, *, waits: bool) -> None:
        self._writer = writer
        self._waits = waits
        self._histories: dict[str, list[EpochMetrics]] = {}
        self._reported: dict[str, int] = {}
        """Epochs of each trial that the driver has seen."""
        self.running: set[str] = set()

    def start_trial(self, spec: TrainSpec) -> bool:
        """As `ResultSink.start_trial`."""
        begins: bool = answer_of_writer(self._writer.start_trial.remote(spec))
        if begins:
            self.running.add(spec.key)
        return begins

    def epoch(self, key: str, metrics: EpochMetrics) -> None:
        """As `ResultSink.epoch`."""
        history = self._histories.get(key, [])
        self._histories[key] = [*(row for row in history if row.epoch < metrics.epoch), metrics]
        filed = self._writer.epoch.remote(key, metrics)
        if self._waits:
            answer_of_writer(filed)

    def finish_trial(self, result: TrialResult, *, weights: Mapping[str, bytes]) -> TrialResult:
        """As `ResultSink.finish_trial`: waits until the result lies in the spool, not until it is filed."""
        status, reason = answer_of_writer(self._writer.finish_trial.remote(result.to_json(), dict(weights)))
        self.running.discard(result.key)
        return result.model_copy(update={"status": status, "reason": reason})

    def new_epochs(self) -> dict[str, list[EpochMetrics]]:
        """Key -> the epochs that the driver has not seen; from now on it has."""
        found = {key: history[self._reported.get(key, 0) :] for key, history in self._histories.items()}
        self._reported = {key: len(history) for key, history in self._histories.items()}
        return {key: rows for key, rows in found.items() if rows}

    def latest(self) -> EpochMetrics | None:
        """The last epoch of the trial that has come furthest."""
        return max((rows[-1] for rows in self._histories.values()), key=lambda row: row.epoch, default=None)
