"""One trial: build, train, dissect. Read this first."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter

from resablate.analyses import ANALYSES
from resablate.check import check_trial
from resablate.datasets import DATASETS, Splits, load_dataset, split_dataset
from resablate.dissection import Dissection, dissect
from resablate.storage.files import write_bytes
from resablate.measurement import EpochMetrics
from resablate.model import NetworkCost, ResidualNetwork, build_network, count_parameters, network_cost
from resablate.result import RESULT_FILE, WEIGHTS_FILE, TrialResult
from resablate.spec import TrainSpec
from resablate.training import (
    Training,
    calibrated,
    derived_generator,
    evaluate,
    float32_products,
    resume,
    save_checkpoint,
    save_weights,
)
from resablate.versions import versions

log = logging.getLogger(__name__)


def trial_cost(spec: TrainSpec) -> NetworkCost:
    """Parameters and multiply-adds (of one image) of the trial's network, without building it in memory."""
    dataset = DATASETS[spec.dataset]
    return network_cost(
        **_network_knobs(spec),
        shortcut_args=spec.shortcut_args,
        in_channels=dataset.channels,
        num_classes=dataset.num_classes,
        size=(spec.train_crop, spec.train_crop) if dataset.streamed else dataset.size,
    )


def _network_knobs(spec: TrainSpec) -> dict[str, Any]:
    return dict(
        network=spec.network,
        shortcut=spec.shortcut,
        ordering=spec.ordering,
        block=spec.block,
        transition=spec.transition,
        stage_preactivation=spec.stage_preactivation,
        depth=spec.depth,
        width=spec.width,
        batch_norm=spec.batch_norm,
    )


_DISSECTION = TypeAdapter(Dissection)


class Trial:
    """One trial in progress: call `run_epoch` until `training.done`, then `finish`.

    With a folder it leaves a checkpoint there after every epoch and starts from the newest one, so that a trial killed
    at any moment continues with the same numbers.

    Args:
        spec: what is asked, as `check_trial` returned it.
        data_root: where data sets are looked for first.
        device: where to compute; the GPU if there is one where None.
        folder: for checkpoints, weights and the result; nothing is written where None.

    Raises:
        DatasetError: if the data set is missing or broken.
    """

    def __init__(
        self,
        spec: TrainSpec,
        *,
        data_root: Path | None = None,
        device: torch.device | None = None,
        folder: Path | None = None,
    ) -> None:
        self.spec = spec
        self.folder = folder
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.splits = self._load(data_root)
        self.network = self._build()
        self.training = self._prepare()
        self._early: dict[int, Dissection] = {}
        for warning in resume(folder, self.training) if folder else []:
            log.warning(warning)
        for epoch in range(self.training.epoch + 1):
            if folder and (file := folder / f"analyses-{epoch:06d}.json").is_file():
                self._early[epoch] = _DISSECTION.validate_json(file.read_bytes())

    def _load(self, data_root: Path | None) -> Splits:
        spec = self.spec
        return split_dataset(
            load_dataset(spec.dataset, data_root),
            val_fraction=spec.val_fraction,
            train_examples=spec.train_examples,
            generator=derived_generator(spec.seed, "split"),
            device=self.device,
            normalization=spec.normalization,
            train_crop=spec.train_crop,
            test_crop=spec.test_crop,
        )

    def _build(self) -> ResidualNetwork:
        spec = self.spec
        dataset = DATASETS[spec.dataset]
        return build_network(
            **_network_knobs(spec),
            shortcut_args=spec.shortcut_args,
            in_channels=dataset.channels,
            num_classes=self.splits.num_classes or dataset.num_classes,
            generator=derived_generator(spec.seed, "weights"),
        ).to(self.device)

    def _prepare(self) -> Training:
        spec = self.spec
        return Training(
            self.network,
            train=self.splits.train,
            val=self.splits.val,
            epochs=spec.epochs,
            iterations=spec.iterations,
            batch_size=spec.batch_size,
            learning_rate=spec.learning_rate,
            momentum=spec.momentum,
            nesterov=spec.nesterov,
            weight_decay=spec.weight_decay,
            weight_decay_on=spec.weight_decay_on,
            schedule=spec.schedule,
            milestones=spec.milestones,
            decay_factor=spec.decay_factor,
            warmup_iterations=spec.warmup_iterations,
            warmup_learning_rate=spec.warmup_learning_rate,
            augmentation=spec.augmentation,
            crop_padding=spec.crop_padding,
            crop_fill=spec.crop_fill,
            precision=spec.precision,
            memory_format=spec.memory_format,
            compile=spec.compile,
            block_sampling=spec.block_sampling,
            final_survival=spec.final_survival,
            sampled_blocks=spec.sampled_blocks,
            regularizer=spec.regularizer,
            sv_strength=spec.sv_strength,
            sv_layers=spec.sv_layers,
            sv_target=spec.sv_target,
            sv_frequency=spec.sv_frequency,
            sv_stem=spec.sv_stem,
            seed=spec.seed,
        )

    def run_epoch(self) -> EpochMetrics:
        """Train one epoch and store a checkpoint; before the first and after any, the analyses that are due."""
        if not self.training.epoch:
            self._follow()
        metrics = self.training.run_epoch()
        if not self.training.diverged:
            self._follow()
        if self.folder:
            save_checkpoint(self.folder, self.training)
        return metrics

    def _follow(self) -> None:
        """Run the analyses that follow training, where they are due after the epochs done."""
        spec, epoch = self.spec, self.training.epoch
        followed = [name for name in spec.analyses if ANALYSES[name].during_training]
        if epoch not in spec.analysis_epochs or not followed:
            return
        network = self.network if epoch else calibrated(self.network, self.splits.train)
        self._early[epoch] = self.analyze(followed, network=network, epoch=epoch)
        if self.folder:  # before the checkpoint: a trial that is continued after this epoch has what was due in it
            write_bytes(self.folder / f"analyses-{epoch:06d}.json", _DISSECTION.dump_json(self._early[epoch]))

    @float32_products()
    def finish(self) -> TrialResult:
        """Measure the test error, run the analyses, and store weights and result.

        An analysis that fails is named in the result; the others run all the same.
        """
        start = time.perf_counter()
        tested = evaluate(self.network, self.splits.test)
        dissection = self.analyze([] if self.training.diverged else self.spec.analyses)
        trained = sum(metrics.wall_seconds for metrics in self.training.history)
        result = TrialResult(
            spec=self.spec,
            status="diverged" if self.training.diverged else "finished",
            reason=self.training.divergence,
            history=tuple(self.training.history),
            test_error=tested.error,
            test_loss=tested.loss,
            analyses=dissection.done,
            analyses_by_epoch={epoch: early.done for epoch, early in sorted(self._early.items())},
            analysis_errors={
                **dissection.errors,
                **{f"{n} at epoch {e}": why for e, early in self._early.items() for n, why in early.errors.items()},
            },
            parameter_count=count_parameters(self.network),
            wall_seconds=trained + time.perf_counter() - start,
            versions=versions(device_name(self.device)),
        )
        if self.folder:
            save_weights(self.folder / WEIGHTS_FILE, self.network)
            write_bytes(self.folder / RESULT_FILE, result.to_json().encode())
        return result

    def analyze(
        self,
        names: Sequence[str],
        *,
        network: ResidualNetwork | None = None,
        epoch: int | None = None,
        **knobs: object,
    ) -> Dissection:
        """Run analyses with the spec's knobs; one that fails does not keep the others from running.

        Args:
            names: rows of ANALYSES.
            network: the trial's own where None.
            epoch: when; the end where None. Examples and paths are drawn anew for every epoch.
            **knobs: instead of the spec's.
        """
        return dissect(
            self.network if network is None else network,
            names,
            train=self.splits.train,
            test=self.splits.test,
            seed=self.spec.seed,
            epoch=epoch,
            knobs={**analysis_knobs(self.spec), **knobs},
        )


def analysis_knobs(spec: TrainSpec) -> dict[str, Any]:
    """The fields that analyses take, by name."""
    return dict(
        block_sampling=spec.block_sampling,
        sv_target=spec.sv_target,
        lesion_examples=spec.lesion_examples,
        lesion_arithmetic=spec.lesion_arithmetic,
        multi_lesion_largest=spec.multi_lesion_largest,
        multi_lesion_subsets=spec.multi_lesion_subsets,
        multi_lesion_design=spec.multi_lesion_design,
        multi_lesion_examples=spec.multi_lesion_examples,
        reorder_swaps=spec.reorder_swaps,
        reorder_samples=spec.reorder_samples,
        reorder_examples=spec.reorder_examples,
        path_examples=spec.path_examples,
        path_samples=spec.path_samples,
        path_signs=spec.path_signs,
        norm_examples=spec.norm_examples,
        subset_samples=spec.subset_samples,
    )


def run_trial(
    spec: TrainSpec,
    *,
    data_root: Path | None = None,
    device: torch.device | None = None,
    folder: Path | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> TrialResult:
    """Build, train and dissect one network.

    Args:
        spec: what is asked.
        data_root: where data sets are looked for first.
        device: where to compute; the GPU if there is one where None.
        folder: for checkpoints, weights and the result; nothing is written where None.
        on_epoch: called with each epoch's metrics.

    Raises:
        SpecError: if a name or an argument is unknown.
        DatasetError: if the data set is missing or broken.
    """
    trial = Trial(check_trial(spec), data_root=data_root, device=device, folder=folder)
    while not trial.training.done:
        metrics = trial.run_epoch()
        if on_epoch:
            on_epoch(metrics)
    return trial.finish()


def device_name(device: torch.device) -> str:
    """`cpu`, or the GPU's product name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
