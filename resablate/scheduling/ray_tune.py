"""Trials on Ray Tune: a step is an epoch, and an actor serves one trial after another."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from resablate.datasets import DATASETS, StoredImages
from resablate.errors import ResourceError
from resablate.result import failed_result
from resablate.scheduling.gpu import gpu_memory_gib, gpu_share
from resablate.scheduling.inline import threads
from resablate.scheduling.progress import SweepProgress
from resablate.scheduling.ray_trainable import FilingActor, RayTrialContext, TrialTrainable
from resablate.spec import TrialSpec
from resablate.sweep import Resources
from resablate.versions import CODE_VERSION_VARIABLE, code_version

log = logging.getLogger(__name__)

_MAX_PROCESS_DEATHS = 3
"""How often a trial whose process died is begun again, from its last checkpoint."""
_OBJECT_STORE_BYTES = 512 * 2**20
"""Of a local Ray: data sets on their way to the trials pass through it, and weights on theirs to the tracker."""


class _Watcher(tune.Callback):
    """Passes on to the progress display, on the driver, what Tune sees."""

    def __init__(self, progress: SweepProgress, specs: Mapping[str, TrialSpec], filing: Any) -> None:
        self._progress = progress
        self._specs = specs
        self._filing = filing

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a restore that is not used here, and a display cannot be."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial began, or began again."""
        self._progress.started(self._specs[trial.config["asked"]["key"]])

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A trial made a step."""
        key = trial.config["asked"]["key"]
        if result["done"]:
            self._progress.ended(key, status=result["status"], test_error=result["test_error"], reason=result["reason"])
        else:
            self._progress.epoch(key, result["epoch"], result["val_error"])

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial's process died more often than it is begun again."""
        spec = self._specs[trial.config["asked"]["key"]]
        result = failed_result(spec, f"its process died {_MAX_PROCESS_DEATHS + 1} times")
        ray.get(self._filing.finish_trial.remote(result.to_json(), None))
        self._progress.ended_with(result)


class _Stopper(tune.Stopper):
    """Ends the sweep when it is asked to; a trial knows its own end."""

    def __init__(self, stop: Callable[[], bool]) -> None:
        self._stop = stop

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: as the watcher's."""
        return {}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Never."""
        return False

    def stop_all(self) -> bool:
        """Whether to end it now."""
        return self._stop()


@dataclass(frozen=True)
class RayCapacity:
    """What the connected Ray can give to the trials of one sweep."""

    concurrent: int
    """Trials at a time."""
    gpus_per_trial: float
    description: str


def connect_ray() -> None:
    """Join the cluster that RAY_ADDRESS names (a submitted job's own), else start a Ray on this machine alone."""
    # Tune reads these when it is used first. Results are ours to keep, and the current folder is the user's.
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # a sweep has its own
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # the other output prints although verbose is 0
    if ray.is_initialized():
        return
    runtime_env = {"env_vars": {CODE_VERSION_VARIABLE: code_version()}}
    if os.environ.get("RAY_ADDRESS"):
        ray.init(log_to_driver=False, logging_level=logging.ERROR, runtime_env=runtime_env)
        return
    ray.init(
        address="local",  # else Ray joins whatever cluster was started last on this machine
        _node_ip_address="127.0.0.1",
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=_OBJECT_STORE_BYTES,
        runtime_env=runtime_env,
    )


def ray_capacity(resources: Resources) -> RayCapacity:
    """How many trials fit on the connected Ray at a time.

    Raises:
        ResourceError: if no node can ever give what one trial asks for; says what there is.
    """
    alive = [node for node in ray.nodes() if node["Alive"]]
    nodes = [node["Resources"] for node in alive]
    largest_gpu = max((node.get("GPU", 0.0) for node in nodes), default=0.0)
    gpus = float(min(1.0, largest_gpu)) if resources.gpus == "auto" else resources.gpus
    if resources.gpu_memory_gib is not None and 0 < gpus <= largest_gpu:
        gpus = gpu_share(gpus, memory_gib=resources.gpu_memory_gib, total_gib=_smallest_gpu_gib(alive))
    fits = 0
    for node in nodes:
        by_cpu = int(node.get("CPU", 0.0) / resources.cpus)
        fits += min(by_cpu, int(node.get("GPU", 0.0) / gpus)) if gpus else by_cpu
    there = ", ".join(f"{node.get('CPU', 0.0):g} CPUs and {node.get('GPU', 0.0):g} GPUs" for node in nodes)
    if not fits:
        raise ResourceError(
            f"resources: a trial asks for {resources.cpus:g} CPUs and {gpus:g} GPUs, which no node can give"
            f" (nodes: {there}); ask for less, or use resources: auto"
        )
    return RayCapacity(fits, gpus, f"{len(nodes)} node{'s' if len(nodes) > 1 else ''} ({there})")


def _smallest_gpu_gib(nodes: Sequence[Mapping[str, Any]]) -> float:
    """Memory of the smallest GPU, as each node that has one finds it, in GiB."""
    looks = [
        ray.remote(gpu_memory_gib)
        .options(num_gpus=0.01, scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
        .remote()
        for node in nodes
        if node["Resources"].get("GPU")
    ]
    return min(ray.get(looks))


def start_filing(*, uri: str, spool: Path) -> Any:
    """A FilingActor on this node."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return FilingActor.options(scheduling_strategy=here).remote(uri, str(spool))


def has_failed(reference: Any) -> bool:
    """Whether what a reference stands for has ended with an error."""
    ended, _ = ray.wait([reference], timeout=0)
    try:
        ray.get(ended)
    except Exception:  # whatever it is, it is raised again when the result is asked for
        return True
    return False


def run_ray(
    trials: Sequence[TrialSpec],
    *,
    resources: Resources,
    capacity: RayCapacity,
    data_root: Path | None,
    datasets: Mapping[str, StoredImages],
    folder: Path,
    filing: Any,
    progress: SweepProgress,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Run `trials` on the connected Ray, as many at a time as fit.

    Args:
        trials: canonical specs.
        resources: of one trial.
        capacity: of the connected Ray, by `ray_capacity`.
        data_root: where data sets are looked for first, on every node.
        datasets: name -> what this process has read; a node gets it once, whether or not it has the files.
        folder: for checkpoints, one folder for each key; shared by the nodes if trials are to move between them.
        filing: a FilingActor.
        progress: told of everything.
        stop: asked all the time whether to stop the trials that run and begin no other.
    """
    context = RayTrialContext(
        filing=filing,
        datasets=_carried(datasets),
        folder=str(folder),
        data_root=str(data_root) if data_root else None,
        threads=threads(resources),
        gpu_share=capacity.gpus_per_trial,
    )
    trainable = tune.with_resources(
        tune.with_parameters(TrialTrainable, context=context),
        {"cpu": resources.cpus, "gpu": capacity.gpus_per_trial},
    )
    asked = [{"key": spec.key, "trial": spec.changes()} for spec in trials]
    with tempfile.TemporaryDirectory(prefix="resablate-tune-") as storage:
        tune.Tuner(
            trainable,
            param_space={"asked": tune.grid_search(asked)},
            tune_config=tune.TuneConfig(
                reuse_actors=True,
                max_concurrent_trials=capacity.concurrent,
            ),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=storage,
                verbose=0,
                stop=_Stopper(stop),
                failure_config=tune.FailureConfig(max_failures=_MAX_PROCESS_DEATHS),
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                callbacks=[_Watcher(progress, {spec.key: spec for spec in trials}, filing)],
            ),
        ).fit()


def _carried(datasets: Mapping[str, StoredImages]) -> dict[str, Any]:
    """Those that go to the trials: what is read image by image lies where each node has it."""
    return {name: ray.put(found) for name, found in datasets.items() if not DATASETS[name].streamed}
