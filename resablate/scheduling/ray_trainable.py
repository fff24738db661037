"""What runs in the processes of the trials."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune

from resablate.datasets import cache_dataset
from resablate.measurement import EpochMetrics
from resablate.result import WEIGHTS_FILE, TrialResult, failed_result
from resablate.scheduling.failures import Failure, retry_once_on_oom
from resablate.scheduling.gpu import limit_gpu_memory
from resablate.storage.locks import hold_worker_lock
from resablate.storage.checkpoint_store import CheckpointStore
from resablate.spec import TrainSpec
from resablate.trial import device_name
from resablate.versions import versions


@dataclass(frozen=True)
class RayTrialContext:
    """What every trial of a sweep needs besides its spec."""

    filing: Any
    """Handle of the ResultWriterActor."""
    datasets: Mapping[str, Any]
    """Name -> reference to what the driver has read."""
    folder: str
    data_root: str | None
    threads: int
    gpu_share: float
    """GPUs of one trial, or the part of one that it may fill; 0 for none."""
    store: str
    """By `checkpoint_store`."""
    prunable: bool
    """Whether a trial may be stopped between its epochs."""


class TrialTrainable(tune.Trainable):
    """One trial as Tune sees it: an epoch per step, and a last step for test and analyses.

    Tune's own checkpoints are not used: the trial keeps its own under its key, so it continues whoever starts it.
    Every step's result holds the epochs that are new to the driver, as `epochs`; the last one's also the `outcome`,
    a TrialResult as JSON without history and tables.
    """

    def setup(self, config: dict[str, Any], context: RayTrialContext | None = None) -> None:
        """Prepare the trial that `config` holds."""
        import torch

        assert context is not None
        self._context = context
        self._mirror = CheckpointStore(context.store)
        hold_worker_lock(Path(context.folder).parent)
        torch.set_num_threads(context.threads)
        limit_gpu_memory(context.gpu_share)
        # Once for a process, before its first trial begins.
        for name, found in context.datasets.items():
            cache_dataset(name, Path(context.data_root) if context.data_root else None, ray.get(found))
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Prepare the next trial in this process."""
        self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        self._spec = TrainSpec.parse(config["asked"]["trial"])
        self._trial: Any = None
        self._reported_epochs = 0
        # Building belongs to the first step, where its failure is this trial's result and not the actor's death.

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Nothing: a trial that Tune pauses goes on from its own checkpoint."""
        return {}

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing, as in `save_checkpoint`."""

    def step(self) -> dict[str, Any]:
        """One epoch; after the last one the test, the analyses and the filing."""
        outcome = retry_once_on_oom(self._attempt, name=f"trial {self._spec.key}")
        if isinstance(outcome, Failure):
            return self._end(failed_result(self._spec, outcome.reason), weights=None)
        return outcome

    def _attempt(self) -> dict[str, Any]:
        try:
            return self._step()
        except Exception:
            self._trial = None  # the next attempt continues from the checkpoint
            raise

    def _step(self) -> dict[str, Any]:
        folder = Path(self._context.folder) / self._spec.key
        if self._trial is None:
            self._trial = self._build(folder)
        prunable = self._context.prunable
        if not self._trial.training.done:
            metrics = self._trial.run_epoch()
            self._store.upload(folder)
            filed = self._context.filing.epoch.remote(self._spec.key, metrics)
            if prunable:  # the driver may file the end of this trial next, and that must come after its epochs
                ray.get(filed)
            if not (prunable and self._trial.training.done):  # nobody stops a trial that only has to be tested
                return {**self._epochs(), "done": False}
        ended = self._end(self._trial.finish(), weights=(folder / WEIGHTS_FILE).read_bytes())
        if ended["status"] != "failed":
            shutil.rmtree(folder, ignore_errors=True)
            self._store.delete(folder)
        return ended

    def _epochs(self) -> dict[str, Any]:
        """Where the trial stands, and its epochs that the driver has not seen."""
        history: list[EpochMetrics] = self._trial.training.history if self._trial else []
        new, self._reported_epochs = history[self._reported_epochs :], len(history)
        return {
            "epoch": len(history),
            "val_error": history[-1].val_error if history else float("nan"),
            "epochs": new,
            "versions": versions(device_name(self._trial.device)) if self._trial else {},
        }

    def _build(self, folder: Path) -> Any:
        import torch

        from resablate.trial import Trial

        self._context.filing.start_trial.remote(self._spec)
        root = self._context.data_root
        self._store.download(folder)
        trial = Trial(
            self._spec,
            data_root=Path(root) if root else None,
            device=torch.device("cuda" if self._context.gpu_share else "cpu"),
            folder=folder,
        )
        for metrics in trial.training.history:
            self._context.filing.epoch.remote(self._spec.key, metrics)
        return trial

    def _end(self, result: TrialResult, *, weights: bytes | None) -> dict[str, Any]:
        # Waits until the result lies in the spool, which takes milliseconds, not until it is filed.
        status, reason = ray.get(self._context.filing.finish_trial.remote(result.to_json(), weights))
        told = {"status": status, "reason": reason, "history": ()}
        outcome = result.without_tables().model_copy(update=told)
        return {**self._epochs(), "outcome": outcome.to_json(), "status": status, "done": True}
