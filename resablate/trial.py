"""One trial: build, train, dissect. Read this first."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

import torch

from resablate.analyses import ANALYSES
from resablate.check import check_trial
from resablate.datasets import DATASETS, Splits, load_dataset, split_dataset
from resablate.measurement import AnalysisResult, EpochMetrics
from resablate.model import NetworkCost, ResidualNetwork, build_network, count_parameters, network_cost
from resablate.registry import accepted
from resablate.result import Status, TrialResult
from resablate.spec import TrialSpec
from resablate.training import (
    Training,
    derived_generator,
    evaluate,
    resume,
    save_checkpoint,
    save_weights,
    write_bytes,
)
from resablate.versions import versions

log = logging.getLogger(__name__)

RESULT_FILE = "result.json"
WEIGHTS_FILE = "weights.safetensors"


def trial_cost(spec: TrialSpec) -> NetworkCost:
    """Parameters and multiply-adds (of one image) of the trial's network, without building it in memory."""
    dataset = DATASETS[spec.dataset]
    return network_cost(
        **_network_knobs(spec),
        shortcut_args=spec.shortcut_args,
        in_channels=dataset.channels,
        num_classes=dataset.num_classes,
        size=dataset.size,
    )


def _network_knobs(spec: TrialSpec) -> dict[str, Any]:
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
        spec: TrialSpec,
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
        for warning in resume(folder, self.training) if folder else []:
            log.warning(warning)

    def _load(self, data_root: Path | None) -> Splits:
        spec = self.spec
        return split_dataset(
            load_dataset(spec.dataset, data_root),
            val_fraction=spec.val_fraction,
            train_examples=spec.train_examples,
            generator=derived_generator(spec.seed, "split"),
            device=self.device,
            normalization=spec.normalization,
        )

    def _build(self) -> ResidualNetwork:
        spec = self.spec
        dataset = DATASETS[spec.dataset]
        return build_network(
            **_network_knobs(spec),
            shortcut_args=spec.shortcut_args,
            in_channels=dataset.channels,
            num_classes=dataset.num_classes,
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
        """Train one epoch and store a checkpoint."""
        metrics = self.training.run_epoch()
        if self.folder:
            save_checkpoint(self.folder, self.training)
        return metrics

    def finish(self) -> TrialResult:
        """Measure the test error, run the analyses, and store weights and result.

        An analysis that fails is named in the result; the others run all the same.
        """
        start = time.perf_counter()
        tested = evaluate(self.network, self.splits.test)
        analyses, errors = ({}, {}) if self.training.diverged else self._analyze()
        trained = sum(metrics.wall_seconds for metrics in self.training.history)
        result = TrialResult(
            spec=self.spec,
            status="diverged" if self.training.diverged else "finished",
            reason=_divergence(self.training.history[-1]) if self.training.diverged else "",
            history=tuple(self.training.history),
            test_error=tested.error,
            test_loss=tested.loss,
            analyses=analyses,
            analysis_errors=errors,
            parameter_count=count_parameters(self.network),
            wall_seconds=trained + time.perf_counter() - start,
            versions=versions(device_name(self.device)),
        )
        if self.folder:
            save_weights(self.folder / WEIGHTS_FILE, self.network)
            write_bytes(self.folder / RESULT_FILE, result.to_json().encode())
        return result

    def _analyze(self) -> tuple[dict[str, AnalysisResult], dict[str, str]]:
        spec = self.spec
        knobs = {
            "lesion_examples": spec.lesion_examples,
            "path_examples": spec.path_examples,
            "path_samples": spec.path_samples,
        }
        done: dict[str, AnalysisResult] = {}
        errors: dict[str, str] = {}
        for name in spec.analyses:
            row = ANALYSES[name]
            run = partial(row.run, **accepted(row.run, knobs))
            examples = self.splits.train if row.examples == "train" else self.splits.test
            try:
                done[name] = run(self.network, examples, generator=derived_generator(spec.seed, name))
            except Exception as error:
                log.exception("analysis %s of trial %s failed", name, spec.key)
                errors[name] = f"{type(error).__name__}: {error}"
        return done, errors


def run_trial(
    spec: TrialSpec,
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


def _divergence(last: EpochMetrics) -> str:
    name, loss = ("training", last.train_loss) if not isfinite(last.train_loss) else ("validation", last.val_loss)
    return f"{name} loss {loss} in epoch {last.epoch}"


def failed_result(spec: TrialSpec, error: BaseException | str, *, status: Status = "failed") -> TrialResult:
    """The record of a trial that could not end, with its reason in one line."""
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    reason = next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")
    return TrialResult(spec=spec, status=status, reason=reason, versions=versions("unknown"))


def device_name(device: torch.device) -> str:
    """`cpu`, or the GPU's product name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
