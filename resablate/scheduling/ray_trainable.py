"""What runs in the processes of the trials."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import ray
import torch
from ray import tune

from resablate.component import Component, parse_component
from resablate.datasets import cache_dataset
from resablate.devices import choose_device, device_name, limit_gpu_memory
from resablate.failures import Failure, failure_of
from resablate.lifecycle import run_session
from resablate.measurement import EpochMetrics
from resablate.question import Question
from resablate.result import TrialResult, failed_result
from resablate.session import EpochDone, SessionPlace, TrialRequest
from resablate.spec import TrainSpec
from resablate.storage.checkpoint_store import CheckpointStore
from resablate.storage.locks import hold_worker_lock
from resablate.versions import versions


@dataclass(frozen=True)
class RayTrialContext:
    """What every trial of a sweep needs besides its spec and questions."""

    writer: Any
    """Handle of the ResultWriterActor."""
    datasets: Mapping[Component, Any]
    """Data set -> reference to what the driver has read."""
    folder: str
    data_root: str | None
    threads: int
    gpu_share: float
    """GPUs of one trial, or the part of one that it may fill; 0 for none."""
    store: str
    """By `checkpoint_store`."""
    prunable: bool
    """Whether a trial may be stopped between its epochs."""


def trial_config(request: TrialRequest) -> dict[str, Any]:
    """The trial in a Tune config."""
    questions = [[question.analysis.record(), question.epoch] for question in request.questions]
    return {"key": request.spec.key, "spec": request.spec.model_dump(mode="json"), "questions": questions}


def request_of(config: Mapping[str, Any]) -> TrialRequest:
    """The trial that `trial_config` put into a Tune config."""
    asked: Mapping[str, Any] = config["trial"]
    questions = [Question(parse_component(analysis), epoch) for analysis, epoch in asked["questions"]]
    return TrialRequest(TrainSpec.parse(asked["spec"]), tuple(questions))


@final
class RemoteSink:
    """Passes what a session tells to the sweep's one writer, and keeps the epochs for the driver.

    Args:
        writer: handle of the ResultWriterActor.
        waits: whether an epoch counts only once the writer has it: needed where the driver may file the end of the
            trial, which must come after its epochs.
    """

    def __init__(self, writer: Any, *, waits: bool) -> None:
        self._writer = writer
        self._waits = waits
        self.history: list[EpochMetrics] = []

    def start_trial(self, spec: TrainSpec) -> None:
        """As `ResultSink.start_trial`."""
        self._writer.start_trial.remote(spec)

    def epoch(self, key: str, metrics: EpochMetrics) -> None:
        """As `ResultSink.epoch`."""
        self.history = [*(row for row in self.history if row.epoch < metrics.epoch), metrics]
        filed = self._writer.epoch.remote(key, metrics)
        if self._waits:
            ray.get(filed)

    def finish_trial(self, result: TrialResult, *, weights: Mapping[str, bytes]) -> TrialResult:
        """As `ResultSink.finish_trial`: waits until the result lies in the spool, not until it is filed."""
        status, reason = ray.get(self._writer.finish_trial.remote(result.to_json(), dict(weights)))
        return result.model_copy(update={"status": status, "reason": reason})


class TrialTrainable(tune.Trainable):
    """A session of one trial as Tune sees it: an epoch per step, and a last step for the questions at the end.

    Tune's own checkpoints are not used: the trial keeps its own under its key, so it continues whoever starts it.
    Every step's result holds the epochs that are new to the driver, as `epochs`; the last one's also the `outcome`,
    a TrialResult as JSON without history and tables.
    """

    def setup(self, config: dict[str, Any], context: RayTrialContext | None = None) -> None:
        """Prepare the trial that `config` holds."""
        assert context is not None
        self._context = context
        self._failure: Failure | None = Failure("not prepared yet")
        self._begin(config)

    def _prepare(self) -> None:
        context = self._context
        data_root = Path(context.data_root) if context.data_root else None
        hold_worker_lock(Path(context.folder).parent)
        torch.set_num_threads(context.threads)
        limit_gpu_memory(context.gpu_share)
        # Once for a process, before its first trial begins.
        for dataset, found in context.datasets.items():
            cache_dataset(dataset, data_root, ray.get(found))
        self._place = SessionPlace(
            device=choose_device(context.gpu_share),
            folder=Path(context.folder),
            data_root=data_root,
            store=CheckpointStore(context.store),
        )

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Prepare the next trial in this process."""
        self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        if self._failure:
            # An error that leaves `setup` looks like the death of the process: it is the trial's failure instead.
            self._failure = failure_of(self._prepare, doing="preparing the trial's process")
        self._config = config
        self._session: Iterator[EpochDone | TrialResult] | None = None
        self._sink = RemoteSink(self._context.writer, waits=self._context.prunable)
        self._reported_epochs = 0
        # Building belongs to the first step, where its failure is this trial's result and not the actor's death.

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Nothing: a trial that Tune pauses goes on from its own checkpoint."""
        return {}

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing, as in `save_checkpoint`."""

    def step(self) -> dict[str, Any]:
        """One epoch; after the last one the questions and the filing."""
        if self._failure:
            spec = request_of(self._config).spec
            self._sink.start_trial(spec)
            return self._end(self._sink.finish_trial(failed_result(spec, self._failure.reason), weights={}))
        if self._session is None:
            self._session = run_session([request_of(self._config)], place=self._place, sink=self._sink)
        event = next(self._session)
        if not isinstance(event, TrialResult) and event.last and self._context.prunable:
            event = next(self._session)  # nobody stops a trial that only has to be tested
        return self._end(event) if isinstance(event, TrialResult) else {**self._epochs(), "done": False}

    def _epochs(self) -> dict[str, Any]:
        """Where the trial stands, and its epochs that the driver has not seen."""
        history = self._sink.history
        new, self._reported_epochs = history[self._reported_epochs :], len(history)
        val_error = history[-1].val_error if history else None
        return {
            "epoch": len(history),
            "val_error": math.nan if val_error is None else val_error,
            "epochs": new,
            "versions": versions(device_name(self._place.device)) if self._session else {},
        }

    def _end(self, filed: TrialResult) -> dict[str, Any]:
        outcome = filed.without_tables().model_copy(update={"history": ()})
        return {**self._epochs(), "outcome": outcome.to_json(), "status": filed.status, "done": True}
