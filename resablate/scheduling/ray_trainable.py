"""What runs in the processes of the trials."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune

from resablate.component import Component, parse_component
from resablate.datasets import cache_dataset
from resablate.devices import choose_device, device_name, limit_gpu_memory
from resablate.failures import Failure, failure_of
from resablate.lifecycle import run_session
from resablate.question import Question
from resablate.result import TrialResult, failed_result
from resablate.scheduling.ray_pruning import asking
from resablate.scheduling.ray_sink import RemoteSink, WriterEnded, answer_of_writer, may_write
from resablate.scheduling.ray_warnings import send_warnings
from resablate.session import EpochDone, PutOff, SessionPlace, TrialRequest, keep_all
from resablate.spec import TrainSpec
from resablate.storage.checkpoint_store import CheckpointStore
from resablate.storage.locks import hold_worker_lock
from resablate.versions import versions


@dataclass(frozen=True)
class RayTrialContext:
    """What every pack of a sweep needs besides the specs and questions of its trials."""

    writer: Any
    """Handle of the ResultWriterActor."""
    datasets: Mapping[Component, Any]
    """Data set -> reference to what the driver has read."""
    folder: str
    data_root: str | None
    threads: int
    gpu_share: float
    """GPUs of one pack, or the part of one that it may fill; 0 for none."""
    store: str
    """By `checkpoint_store`."""
    prunable: bool
    """Whether Tune may stop a pack, of one trial then, between its epochs."""
    pruner: Any
    """Handle of the PruningActor that decides for the members of packs; None where nobody does."""


def pack_config(requests: Sequence[TrialRequest]) -> dict[str, Any]:
    """The trials of a pack as a Tune config."""
    return {"pack": [_trial_config(request) for request in requests]}


def _trial_config(request: TrialRequest) -> dict[str, Any]:
    questions = [[question.analysis.record(), question.epoch] for question in request.questions]
    return {"key": request.spec.key, "spec": request.spec.model_dump(mode="json"), "questions": questions}


def requests_of(config: Mapping[str, Any]) -> list[TrialRequest]:
    """The trials that `pack_config` put into a Tune config."""
    return [
        TrialRequest(
            TrainSpec.parse(asked["spec"]),
            tuple(Question(parse_component(analysis), epoch) for analysis, epoch in asked["questions"]),
        )
        for asked in config["pack"]
    ]


def keys_of(config: Mapping[str, Any]) -> list[str]:
    """The keys of these trials."""
    return [asked["key"] for asked in config["pack"]]


class PackTrainable(tune.Trainable):
    """A session of a pack as Tune sees it: a step is an epoch of every member, or the end of one.

    Tune's own checkpoints are not used: a trial keeps its own under its key, so it continues whoever starts it, and in
    whatever pack. Every step's result holds the epochs that are new to the driver, as `epochs`, and the trials that
    ended, as `outcomes`: each a TrialResult as JSON without tables. `put_off` has the keys of those that another sweep
    trains.
    """

    def setup(self, config: dict[str, Any], context: RayTrialContext | None = None) -> None:
        """Prepare the pack that `config` holds."""
        assert context is not None
        self._context = context
        send_warnings(context.writer.warn.remote)
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
            store=CheckpointStore(context.store, may_write=partial(may_write, context.writer)),
        )

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Prepare the next pack in this process."""
        self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        if self._failure:
            # An error that leaves `setup` looks like the death of the process: it is the trials' failure instead.
            self._failure = failure_of(self._prepare, doing="preparing the trial's process")
        self._config = config
        self._session: Iterator[EpochDone | TrialResult | PutOff] | None = None
        self._sink = RemoteSink(self._context.writer, waits=self._context.prunable)
        self._left: set[str] = set(keys_of(config))
        """Trials whose end the driver has not been told."""
        self._others: list[str] = []
        """Trials that another sweep trains, of which the driver has not been told."""
        self._filed = True
        """Whether anybody files results; where nobody does, the process waits for its end."""
        self._trained: set[str] = set()
        """Trials that have trained an epoch since all had trained one."""
        # Building belongs to the first step, where its failure is this trial's result and not the actor's death.

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Nothing: a pack that Tune pauses goes on from the checkpoints of its trials."""
        return {}

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing, as in `save_checkpoint`."""

    def step(self) -> dict[str, Any]:
        """One epoch; after the last one of a trial its questions and the filing."""
        if not self._filed:
            time.sleep(1.0)
            return self._step([])
        try:
            return self._go_on()
        except WriterEnded:
            self._filed = False  # an error would be the trial's, which goes on from here
            return self._step([])

    def _go_on(self) -> dict[str, Any]:
        if self._session is None:
            # A process that died may have ended some of the trials.
            ended: dict[str, str] = answer_of_writer(self._context.writer.ended.remote(sorted(self._left)))
            self._left -= ended.keys()
            if untold := [TrialResult.from_json(outcome) for outcome in ended.values() if outcome]:
                return self._step(untold)
            if self._failure:
                return self._step(self._fail(self._failure))
            prune = asking(self._context.pruner) if self._context.pruner else keep_all
            self._session = run_session(self._requests(), place=self._place, sink=self._sink, prune=prune)
        for event in self._session:
            if isinstance(event, TrialResult):
                return self._step([event.model_copy(update={"history": ()})])
            if isinstance(event, PutOff):
                self._left.discard(event.spec.key)
                self._others.append(event.spec.key)
                continue
            if event.last and self._context.prunable:
                continue  # nobody stops a trial that only has to be tested
            alone = event.key in self._trained  # the others of a pack that failed wait for it
            self._trained.add(event.key)
            if alone or self._sink.running <= self._trained:
                self._trained.clear()
                break
        return self._step([])

    def _requests(self) -> list[TrialRequest]:
        return [request for request in requests_of(self._config) if request.spec.key in self._left]

    def _fail(self, failure: Failure) -> Iterator[TrialResult]:
        for spec, _ in self._requests():
            if self._sink.start_trial(spec):
                yield self._sink.finish_trial(failed_result(spec, failure.reason), weights={})
            else:
                self._left.discard(spec.key)
                self._others.append(spec.key)

    def _step(self, ended: Iterable[TrialResult]) -> dict[str, Any]:
        """What Tune is told: how far the pack is, what is new, and which trials ended."""
        outcomes = {result.key: result.without_tables().to_json() for result in ended}
        self._left -= outcomes.keys()
        latest, others, self._others = self._sink.latest(), self._others, list[str]()
        return {
            "epoch": latest.epoch if latest else 0,
            "val_error": math.nan if latest is None or latest.val_error is None else latest.val_error,
            "epochs": self._sink.new_epochs(),
            "outcomes": list(outcomes.values()),
            "put_off": others,
            "versions": versions(device_name(self._place.device)) if self._session else {},
            "done": not self._left,
        }
