"""One trial: build, train, ask. Read this first, and then `lifecycle.py`, which runs trials wherever they are."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from resablate.analyses import TrainedWith
from resablate.check import check_trial
from resablate.datasets import DATASETS, Splits, split_dataset
from resablate.devices import choose_device, device_name
from resablate.dissection import Dissection, dissect
from resablate.epoch_answers import EpochAnswers
from resablate.errors import CheckpointError
from resablate.measurement import EpochMetrics, FailedMeasurement
from resablate.model import ResidualNetwork, build_network, count_parameters
from resablate.process_use import UseMeter
from resablate.question import Question
from resablate.result import RESULT_FILE, TrialResult, pruned_result
from resablate.spec import TrainSpec
from resablate.storage.files import write_bytes
from resablate.training import (
    Training,
    calibrated,
    derived_generator,
    drop_newest_checkpoint,
    float32_products,
    keep_freed_memory,
    resume,
    save_checkpoint,
)
from resablate.trial_data import load_trial_data
from resablate.versions import versions

log = logging.getLogger(__name__)


def network_fields(spec: TrainSpec) -> dict[str, Any]:
    """What `build_network` takes of a trial."""
    return dict(
        network=spec.network,
        shortcut=spec.shortcut,
        ordering=spec.ordering,
        norm=spec.norm,
        initialization=spec.initialization,
        depth=spec.depth,
        width=spec.width,
    )


def training_fields(spec: TrainSpec) -> dict[str, Any]:
    """What `Training` takes of a trial, besides network and examples."""
    return dict(
        epochs=spec.epochs,
        iterations=spec.iterations,
        batch_size=spec.batch_size,
        learning_rate=spec.learning_rate,
        optimizer=spec.optimizer,
        schedule=spec.schedule,
        loss=spec.loss,
        clipping=spec.clipping,
        averaging=spec.averaging,
        augmentation=spec.augmentation,
        erasing=spec.erasing,
        mixing=spec.mixing,
        precision=spec.precision,
        memory_format=spec.memory_format,
        compile=spec.compile,
        block_sampling=spec.block_sampling,
        regularizer=spec.regularizer,
        seed=spec.seed,
    )


class Trial:
    """One training in progress: call `run_epoch` until `training.done`, then `finish`.

    With a folder it leaves a checkpoint there after every epoch and starts from the newest one, so that a trial killed
    at any moment continues with the same numbers.

    Args:
        spec: what is trained, as `check_trial` returned it.
        questions: what is asked of the network, during training or at its end.
        data_root: where data sets are looked for first.
        device: where to compute; the GPU if there is one where None.
        folder: for checkpoints, weights and the result; nothing is written where None.

    Raises:
        DatasetError: if the data set is missing, broken, or not the one that the spec names by its fingerprint.
    """

    def __init__(
        self,
        spec: TrainSpec,
        questions: Sequence[Question] = (),
        *,
        data_root: Path | None = None,
        device: torch.device | None = None,
        folder: Path | None = None,
    ) -> None:
        self.spec = spec
        self.questions = tuple(questions)
        self.folder = folder
        self.device = device or choose_device()
        self._meter = UseMeter(self.device)
        if self.device.type == "cpu":
            keep_freed_memory()
        self.splits = self._load(data_root)
        self.network = self._build()
        self.training = self._prepare()
        self.answers = EpochAnswers(folder)
        while folder and not self._continue(folder):
            self.network = self._build()
            self.training = self._prepare()

    def _load(self, data_root: Path | None) -> Splits:
        dataset, seed = self.spec.dataset, self.spec.seed
        loaded = load_trial_data(self.spec, data_root)
        return split_dataset(dataset, loaded, generator=derived_generator(seed, "split"), device=self.device)

    def _build(self) -> ResidualNetwork:
        spec = self.spec
        dataset = DATASETS[spec.dataset.name]
        return build_network(
            **network_fields(spec),
            in_channels=dataset.channels,
            num_classes=self.splits.num_classes or dataset.num_classes,
            generator=derived_generator(spec.seed, "weights"),
        ).to(self.device)

    def _prepare(self) -> Training:
        train, val = self.splits.train, self.splits.val
        return Training(self.network, train=train, val=val, **training_fields(self.spec))

    def _continue(self, folder: Path) -> bool:
        """Go on from the newest whole checkpoint; False where it does not fit, and so was removed."""
        try:
            self.answers.restore(resume(folder, self.training, key=self.spec.key))
        except CheckpointError as error:
            log.warning("%s; passed over", error)
            drop_newest_checkpoint(folder)
            return False
        return True

    def run_epoch(self) -> EpochMetrics:
        """Train one epoch and store a checkpoint; before the first and after any, answer the questions that are due."""
        self.before_epoch()
        metrics = self.training.run_epoch()
        self.after_epoch()
        return metrics

    def before_epoch(self) -> None:
        """Answer the questions that are due before the first epoch, if it comes next."""
        if not self.training.epoch:
            self._run_due_analyses()

    def after_epoch(self) -> None:
        """Answer the questions that are due after the epoch that was trained, and store a checkpoint."""
        self._meter.look()
        if not self.training.diverged:
            self._run_due_analyses()
        if self.folder:
            save_checkpoint(self.folder, self.training, key=self.spec.key, files=self.answers.files)

    def _run_due_analyses(self) -> None:
        """Answer the questions about the epochs done, and keep the weights that they are about."""
        epoch = self.training.epoch
        if not (due := [question for question in self.questions if question.epoch == epoch]):
            return
        network = self.network if epoch else calibrated(self.network, self.splits.train)
        # Before the checkpoint: a trial that continues after this epoch has what was due in it.
        self.answers.add(epoch, self.ask(due, network=network), self.network)

    @float32_products()
    def finish(self) -> TrialResult:
        """Answer the questions about the trained network, and store weights and result.

        A question that gets no answer is named in the result; the others are answered all the same.
        """
        start, training = time.perf_counter(), self.training
        last = self.ask([] if training.diverged else [q for q in self.questions if q.epoch is None])
        during = self.answers.before(training.epoch + 1)
        trained = sum(metrics.wall_seconds for metrics in training.history)
        answered = TrialResult(
            spec=self.spec,
            status="diverged" if training.diverged else "finished",
            reason=training.divergence,
            history=tuple(training.history),
            kept_epochs=self.answers.kept_epochs,
            parameter_count=count_parameters(self.network),
            wall_seconds=trained + sum(d.wall_seconds for d in during) + time.perf_counter() - start,
            pack_size=training.pack_size,
            use=self._meter.use(),
            versions=versions(device_name(self.device)),
        )
        for dissection in (*during, last):
            answered = answered.with_measurements(dissection.done, dissection.failed)
        result = answered.with_measurements((), self._not_reached(answered)).in_order_of(self.questions)
        if self.folder:
            self.answers.add_weights(None, self.network)
            write_bytes(self.folder / RESULT_FILE, result.to_json().encode())
        return result

    def pruned(self, reason: str) -> TrialResult:
        """The record of a trial that ends here for this reason."""
        return pruned_result(
            self.spec,
            reason,
            self.training.history,
            parameter_count=count_parameters(self.network),
            versions=versions(device_name(self.device)),
            pack_size=self.training.pack_size,
        )

    def _not_reached(self, result: TrialResult) -> list[FailedMeasurement]:
        """Questions that no epoch of this training can answer; one that came after its epoch was over is not asked."""
        known = result.measured | result.unmeasured
        training, end = self.training, self.training.epoch
        why = f"the training {'diverged in' if training.diverged else 'ended after'} epoch {end}"
        return [
            FailedMeasurement(question=question, reason=why)
            for question in self.questions
            if question.id not in known and (training.diverged or (question.epoch or 0) > end)
        ]

    def ask(self, questions: Sequence[Question], *, network: ResidualNetwork | None = None) -> Dissection:
        """Put questions to the trial's network, or to one of the same shape; one that fails keeps no other back."""
        spec = self.spec
        return dissect(
            self.network if network is None else network,
            questions,
            train=self.splits.train,
            test=self.splits.test,
            seed=spec.seed,
            trained_with=TrainedWith(block_sampling=spec.block_sampling, regularizer=spec.regularizer),
        )


def run_trial(
    spec: TrainSpec,
    questions: Sequence[Question] = (),
    *,
    data_root: Path | None = None,
    device: torch.device | None = None,
    folder: Path | None = None,
) -> TrialResult:
    """Build and train one network and put questions to it; arguments as `Trial`'s.

    Raises:
        SpecError: if a name or an argument is unknown.
        DatasetError: if the data set is missing or broken.
    """
    trial = Trial(check_trial(spec), questions, data_root=data_root, device=device, folder=folder)
    while not trial.training.done:
        trial.run_epoch()
    return trial.finish()
