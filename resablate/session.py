"""What a session of trials is given, and what it tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from resablate.measurement import EpochMetrics
from resablate.question import Question
from resablate.result import TrialResult
from resablate.spec import TrainSpec
from resablate.storage.checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    import torch


class TrialRequest(NamedTuple):
    """A training and what is asked of its network."""

    spec: TrainSpec
    """As `check_trial` returned it."""
    questions: tuple[Question, ...]
    """As `questions_for` returned them."""


Prune = Callable[[str, EpochMetrics], str]
"""Key and an epoch that is not the trial's last -> why the trial is stopped after it; empty if it goes on."""


@dataclass(frozen=True)
class SessionPlace:
    """Where a session computes and keeps what it continues from."""

    device: torch.device
    folder: Path
    """For checkpoints, one folder for each key."""
    data_root: Path | None
    store: CheckpointStore
    """Gets every checkpoint too."""


def keep_all(key: str, metrics: EpochMetrics) -> str:
    """The pruning that stops no trial."""
    return ""


class PutOff(NamedTuple):
    """A trial of a session is not trained here now: another sweep trains it, or has completed it."""

    spec: TrainSpec


class EpochDone(NamedTuple):
    """A trial of a session has trained an epoch."""

    key: str
    metrics: EpochMetrics
    last: bool
    """Whether nothing but the questions about the trained network is left."""


class ResultSink(Protocol):
    """What a session tells of its trials: the sweep's one writer, near or far."""

    def start_trial(self, spec: TrainSpec) -> bool:
        """A trial is to begin, or to continue; whether it may: not where another sweep trains or has completed it."""
        ...

    def epoch(self, key: str, metrics: EpochMetrics) -> None:
        """A trial has trained an epoch, now or before it was interrupted."""
        ...

    def finish_trial(self, result: TrialResult, *, weights: Mapping[str, bytes]) -> TrialResult:
        """A trial has ended; what is filed of it is returned: a failure where the disk did not take the result."""
        ...
