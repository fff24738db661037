"""Trials one after another in this process: Ray's in-process twin, to step through and to compare with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch

from resablate.errors import ResourceError
from resablate.result import WEIGHTS_FILE, TrialResult, failed_result
from resablate.scheduling.failures import Failure, retry_once_on_oom
from resablate.scheduling.result_writer import ResultWriter
from resablate.scheduling.gpu import limit_gpu_memory
from resablate.storage.checkpoint_store import CheckpointStore
from resablate.scheduling.progress import SweepProgress
from resablate.searches.searcher import Searcher
from resablate.spec import TrainSpec
from resablate.sweep import Resources
from resablate.training import thread_count
from resablate.trial import Trial

Scheduler = Literal["ray_tune", "inline"]
"""Where trials run: on Ray, or one after another in this process."""


def threads(resources: Resources) -> int:
    """CPU threads of one trial: its CPUs, at least one."""
    return max(1, int(resources.cpus))


def wants_gpu(resources: Resources, *, there_is_one: bool) -> bool:
    """Whether a trial computes on a GPU."""
    return there_is_one if resources.gpus == "auto" else resources.gpus > 0


def check_machine(resources: Resources) -> None:
    """Raise ResourceError if this machine cannot give what one trial asks for."""
    cpus, gpus = os.cpu_count() or 1, torch.cuda.device_count()
    asked = 0 if resources.gpus == "auto" else resources.gpus
    if resources.cpus > cpus or asked > gpus:
        raise ResourceError(
            f"resources: a trial asks for {resources.cpus:g} CPUs and {asked:g} GPUs,"
            f" but this machine has {cpus} CPUs and {gpus} GPUs"
        )


def run_inline(
    trials: Sequence[TrainSpec] | Searcher,
    *,
    resources: Resources,
    data_root: Path | None,
    folder: Path,
    filing: ResultWriter,
    progress: SweepProgress,
    store: str = "",
) -> None:
    """Run `trials` in order; one that fails is filed as failed and the next one runs.

    Args:
        trials: canonical specs, or what proposes them one by one.
        resources: CPUs become threads.
        data_root: where data sets are looked for first.
        folder: for checkpoints, one folder for each key.
        filing: told of everything.
        progress: told of everything.
        store: by `checkpoint_store`.
    """
    mirror = CheckpointStore(store)
    device = torch.device("cuda" if wants_gpu(resources, there_is_one=torch.cuda.is_available()) else "cpu")
    limit_gpu_memory(0 if resources.gpus == "auto" else resources.gpus)
    with thread_count(threads(resources)):
        for spec in iter(trials.next, None) if isinstance(trials, Searcher) else trials:
            result = _run_one(
                spec,
                device=device,
                data_root=data_root,
                folder=folder / spec.key,
                filing=filing,
                progress=progress,
                mirror=mirror,
            )
            if isinstance(trials, Searcher):
                trials.tell(result)


def _run_one(
    spec: TrainSpec,
    *,
    device: torch.device,
    data_root: Path | None,
    folder: Path,
    filing: ResultWriter,
    progress: SweepProgress,
    mirror: CheckpointStore,
) -> TrialResult:
    progress.started(spec)
    filing.start_trial(spec)

    def train() -> TrialResult:
        store.download(folder)
        trial = Trial(spec, data_root=data_root, device=device, folder=folder)
        for metrics in trial.training.history:
            filing.epoch(spec.key, metrics)
        while not trial.training.done:
            metrics = trial.run_epoch()
            store.upload(folder)
            filing.epoch(spec.key, metrics)
            progress.epoch(spec.key, metrics.epoch, metrics.val_error)
        return trial.finish()

    outcome = retry_once_on_oom(train, name=f"trial {spec.key}")
    if isinstance(outcome, Failure):
        filed = filing.finish_trial(failed_result(spec, outcome.reason), weights=None)
    else:
        filed = filing.finish_trial(outcome, weights=(folder / WEIGHTS_FILE).read_bytes())
        if filed is outcome:
            shutil.rmtree(folder, ignore_errors=True)
            store.delete(folder)
    progress.ended_with(filed)
    return filed
