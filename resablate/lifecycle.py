"""The one lifecycle of trials, wherever they run: train, ask, file."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar, final

from resablate.failures import Failure, attempt, retry_once
from resablate.pack_size import unpackable
from resablate.result import TrialResult, failed_result
from resablate.session import EpochDone, Prune, PutOff, ResultSink, SessionPlace, TrialRequest, keep_all
from resablate.storage.stop_requests import stop_reason
from resablate.training import Packs
from resablate.trial import Trial

Outcome = TypeVar("Outcome")
log = logging.getLogger(__name__)


def run_session(
    requests: Sequence[TrialRequest], *, place: SessionPlace, sink: ResultSink, prune: Prune = keep_all
) -> Iterator[EpochDone | TrialResult | PutOff]:
    """Train a list of networks of one shape as a pack, put the questions to them, and tell `sink` of everything.

    Each trial continues from its newest checkpoint, here or in the store, whoever trained it before and beside whom:
    members of a pack may be at different epochs. One that diverges, is pruned or ends leaves the pack, and the others
    go on. Where memory runs out, the pack is halved; where anything else fails, its trials go on one by one, so that
    the failure is that of one alone. A trial that fails by itself is filed as failed; where memory ran out, or
    what it had stored was removed, it is tried once more. What cannot be packed runs one by one from the beginning.

    Args:
        requests: the trials; one is a pack of one, which trains as any network does.
        place: where to compute.
        sink: told of everything; also of epochs from before an interruption.
        prune: asked after each epoch; a trial that is stopped is filed as pruned.

    Yields:
        After each epoch an EpochDone for each trial, at the end of each trial what is filed of it; a PutOff for each
        that `sink` does not let begin, of which nothing is touched.

    Raises:
        DeviceLost: if the GPU is of no more use to this process.
    """
    lifecycle = _Lifecycle(place, sink, prune)
    if len(requests) > 1 and (why := unpackable(requests[0].spec)):
        log.warning("%d trials run one by one, for they cannot be packed: %s", len(requests), why)
        parts = [[request] for request in requests]
    else:
        parts = [list(requests)]
    for part in parts:
        begun = [request for request in part if sink.start_trial(request.spec)]
        yield from (PutOff(request.spec) for request in part if request not in begun)
        if begun:
            yield from lifecycle.run(begun)


class _Ended(NamedTuple):
    """A trial that has a result, and is to be filed."""

    request: TrialRequest
    result: TrialResult
    weights: Mapping[str, bytes]
    """Name -> content of each file of weights."""


Steps = Generator[EpochDone | _Ended, None, Outcome]


@final
class _Lifecycle:
    def __init__(self, place: SessionPlace, sink: ResultSink, prune: Prune) -> None:
        self._place = place
        self._sink = sink
        self._prune = prune

    def run(self, requests: list[TrialRequest]) -> Iterator[EpochDone | TrialResult]:
        """Trials of one shape to their ends; those that have theirs are taken off the list."""
        keys = ", ".join(request.spec.key for request in requests)
        if len(requests) > 1:
            name = f"a pack of {len(requests)}, trials {keys}"
            outcome = yield from self._filing(attempt(partial(self._train, requests), name=name), requests)
            if isinstance(outcome, Failure):
                yield from self._go_on(requests, outcome)
            return
        steps = retry_once(partial(self._train, requests), name=f"trial {keys}")
        outcome = yield from self._filing(steps, requests)
        if isinstance(outcome, Failure):
            yield self._sink.finish_trial(failed_result(requests[0].spec, outcome.reason), weights={})

    def _go_on(self, requests: list[TrialRequest], failure: Failure) -> Iterator[EpochDone | TrialResult]:
        """The rest of a pack that failed, from the newest checkpoints."""
        size = -(-len(requests) // 2) if failure.out_of_memory else 1
        into = f"in packs of {size}" if size > 1 else "one by one"
        log.warning("a pack failed: %s; its %d trials go on %s", failure.reason, len(requests), into)
        for part in [requests[start : start + size] for start in range(0, len(requests), size)]:
            yield from self.run(part)

    def _filing(
        self, steps: Steps[Outcome], requests: list[TrialRequest]
    ) -> Generator[EpochDone | TrialResult, None, Outcome]:
        """The steps with every result filed, which is no part of what may fail and be tried again."""
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value
            if isinstance(step, _Ended):
                requests.remove(step.request)
                yield self._file(step)
            else:
                yield step

    def _file(self, ended: _Ended) -> TrialResult:
        filed = self._sink.finish_trial(ended.result, weights=ended.weights)
        if filed.status != "failed":
            folder = self._place.folder / ended.request.spec.key
            shutil.rmtree(folder, ignore_errors=True)
            self._place.store.delete(folder)
        return filed

    def _train(self, requests: list[TrialRequest]) -> Steps[None]:
        """Trials of one shape, each from its newest checkpoint to its end."""
        members = [(request, self._open(request)) for request in requests]
        packs = Packs()
        while members:
            for member in [member for member in members if member[1].training.done]:
                members.remove(member)
                request, trial = member
                yield _Ended(request, trial.finish(), trial.answers.weights())
            if members:
                yield from self._train_epoch(members, packs)

    def _open(self, request: TrialRequest) -> Trial:
        place, folder = self._place, self._place.folder / request.spec.key
        place.store.download(folder)
        trial = Trial(request.spec, request.questions, data_root=place.data_root, device=place.device, folder=folder)
        for metrics in trial.training.history:
            self._sink.epoch(request.spec.key, metrics)
        return trial

    def _train_epoch(self, members: list[tuple[TrialRequest, Trial]], packs: Packs) -> Steps[None]:
        """An epoch of each member; those that are pruned after it are taken off the list."""
        run_epoch([trial for _, trial in members], packs)
        for request, trial in members:
            self._place.store.upload(self._place.folder / request.spec.key)
            self._sink.epoch(request.spec.key, trial.training.history[-1])
        for request, trial in list(members):
            key, metrics, done = request.spec.key, trial.training.history[-1], trial.training.done
            yield EpochDone(key, metrics, done)
            folder = self._place.folder / key
            if not done and (reason := stop_reason(folder, metrics.epoch) or self._prune(key, metrics)):
                members.remove((request, trial))
                yield _Ended(request, trial.pruned(reason), {})


def run_epoch(trials: Sequence[Trial], packs: Packs) -> None:
    """An epoch of trials of one shape, with what is due before and after it; one alone trains as any network does."""
    if len(trials) == 1:
        trials[0].run_epoch()
        return
    for trial in trials:
        trial.before_epoch()
    packs.run_epoch([trial.training for trial in trials])
    for trial in trials:
        trial.after_epoch()
