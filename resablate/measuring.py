"""Questions to networks that are trained already, from their stored weights."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch

from resablate.dissection import Dissection
from resablate.errors import ResablateError
from resablate.measurement import EpochMetrics, FailedMeasurement
from resablate.question import Question
from resablate.result import TrialResult
from resablate.training import calibrated, load_weights
from resablate.trial import Trial

_SAME = 1e-6
"""Relative difference of losses up to which two trainings count as one: sums in another order give 1e-7."""


def needed_weights(result: TrialResult, questions: Iterable[Question]) -> list[int | None]:
    """Epochs whose stored weights answer `questions`; None for the end. Epoch 0 needs none: it is built anew."""
    epochs = dict.fromkeys(_as_end(question.epoch, result) for question in questions)
    return [epoch for epoch in epochs if epoch is None or epoch in result.kept_epochs]


def _as_end(epoch: int | None, result: TrialResult) -> int | None:
    """The end, where the epoch is the last one: its weights are the trained network's."""
    return None if epoch == len(result.history) and epoch not in result.kept_epochs else epoch


def trains_again(result: TrialResult, questions: Iterable[Question]) -> int:
    """The epoch up to which a trial is trained again, because weights that are asked about were not kept; or 0."""
    epochs = [_as_end(question.epoch, result) or 0 for question in questions]
    last = len(result.history)
    return max((epoch for epoch in epochs if 0 < epoch <= last and epoch not in result.kept_epochs), default=0)


def measure_stored(
    result: TrialResult,
    questions: Sequence[Question],
    *,
    weights: Mapping[int | None, Path],
    folder: Path | None = None,
    data_root: Path | None = None,
    device: torch.device | None = None,
) -> TrialResult:
    """The answers of a trained network to `questions`: the same numbers as if the trial had been asked them.

    A network whose weights after an epoch were not kept is trained again up to that epoch, and its answer counts only
    where the training is repeated: where the losses are equal to those on record.

    Args:
        result: of a finished trial.
        questions: what is asked.
        weights: epoch -> safetensors file, by `needed_weights`.
        folder: a new one, which gets the weights of the asked epochs that are trained again; not kept where None.
        data_root: where data sets are looked for first.
        device: where to compute; the GPU if there is one where None.

    Returns:
        A result of the trial with the new answers alone, and with reasons for those that there are not; its
        `kept_epochs` are those of `folder`.

    Raises:
        ResablateError: if the trial did not finish.
        CheckpointError: if weights cannot be read or do not fit.
        DatasetError: if the data set is missing, broken, or not that of the trial.
    """
    if result.status != "finished":
        raise ResablateError(f"trial {result.key} is {result.status}: only the network of a finished trial is analyzed")
    start = time.perf_counter()
    trial = Trial(result.spec, data_root=data_root, device=device)
    found: list[Dissection] = []
    again: list[Question] = []
    by_epoch: dict[int | None, list[Question]] = {}
    for question in questions:
        by_epoch.setdefault(question.epoch, []).append(question)
    # Epoch 0 first: the network is as it was built.
    for epoch in sorted(by_epoch, key=lambda epoch: math.inf if epoch is None else epoch):
        due, stored = by_epoch[epoch], _as_end(epoch, result)
        if epoch == 0:
            found.append(trial.ask(due, network=calibrated(trial.network, trial.splits.train)))
        elif stored in weights:
            load_weights(weights[stored], trial.network)
            found.append(trial.ask(due))
        else:
            again += due
    kept: list[int] = []
    if again:
        repeated, kept = _train_again(result, again, folder=folder, data_root=data_root, device=device)
        found += repeated
    empty = result.model_copy(
        update={
            "measurements": (),
            "failed_measurements": (),
            "kept_epochs": tuple(kept),
            "wall_seconds": time.perf_counter() - start,
        }
    )
    for dissection in found:
        empty = empty.with_measurements(dissection.done, dissection.failed)
    return empty


def _train_again(
    result: TrialResult,
    questions: Sequence[Question],
    *,
    folder: Path | None,
    data_root: Path | None,
    device: torch.device | None,
) -> tuple[list[Dissection], list[int]]:
    """Answers after epochs whose weights are not stored, from a training that is repeated up to the last of them.

    Returns:
        The answers, and the epochs whose weights are in `folder` now.
    """
    late = [question for question in questions if (question.epoch or 0) > len(result.history)]
    due = [question for question in questions if question not in late]
    found = [_failed(late, f"the training ended after epoch {len(result.history)}")] if late else []
    trial = Trial(result.spec, due, data_root=data_root, device=device, folder=folder)
    last = max((question.epoch or 0 for question in due), default=0)
    repeated = last + 1
    while trial.training.epoch < last:
        trial.run_epoch()
        epoch = trial.training.epoch
        if not _same(trial.training.history[-1], result.history[epoch - 1]):
            rest = [question for question in due if (question.epoch or 0) >= epoch]
            why = (
                f"the weights after this epoch were not kept, and trained again the losses of epoch {epoch} are others"
                f" than on record: {_another_order(result)} (--rerun {result.key} trains it anew, and asks on the way)"
            )
            found.append(_failed(rest, why))
            repeated = epoch
            break
    kept = (
        {question.epoch for question in due if question.epoch and question.epoch < repeated} if folder else set[int]()
    )
    return [*found, *trial.answers.before(repeated)], sorted(kept)


def _another_order(result: TrialResult) -> str:
    """Why the same training may have other sums now."""
    if result.pack_size > 1:
        return f"it was trained in a pack of {result.pack_size}, which adds up in another order than a training alone"
    return "another processor or another version adds up in another order"


def _same(one: EpochMetrics, other: EpochMetrics) -> bool:
    pairs = ((one.train_loss, other.train_loss), (one.val_loss, other.val_loss))
    return all(math.isclose(a, b, rel_tol=_SAME) for a, b in pairs if a is not None and b is not None)


def _failed(questions: Iterable[Question], why: str) -> Dissection:
    return Dissection(failed=[FailedMeasurement(question=question, reason=why) for question in questions])


def failed_measurements(result: TrialResult, questions: Iterable[Question], why: str) -> TrialResult:
    """A result of the trial that says of `questions` alone why they got no answer."""
    failed = _failed(questions, why).failed
    return result.model_copy(
        update={"measurements": (), "failed_measurements": tuple(failed), "kept_epochs": (), "wall_seconds": 0.0}
    )
