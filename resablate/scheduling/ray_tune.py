"""Trials on Ray Tune: a step is an epoch, and an actor serves one trial after another."""

from __future__ import annotations

import logging
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray._raylet import AuthenticationTokenLoader  # pyright: ignore
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from resablate.datasets import DATASETS, StoredImages
from resablate.errors import ResourceError
from resablate.scheduling.gpu import gpu_memory_gib, gpu_share
from resablate.scheduling.inline import threads
from resablate.scheduling.progress import SweepProgress
from resablate.scheduling.ray_driver import MAX_PROCESS_DEATHS, TuneSearchAdapter, Stopper, Watcher, trial_config
from resablate.scheduling.ray_result_writer import ResultWriterActor
from resablate.scheduling.ray_trainable import RayTrialContext, TrialTrainable
from resablate.searches import PRUNINGS
from resablate.searches.searcher import Searcher
from resablate.spec import TrainSpec
from resablate.sweep import Resources
from resablate.versions import CODE_VERSION_VARIABLE, code_version

log = logging.getLogger(__name__)

MAX_NODES_VARIABLE = "RESABLATE_MAX_NODES"
"""Set where a cluster starts that grows with its work: how many nodes like its largest it may have. Ray keeps quiet."""
_OBJECT_STORE_BYTES = 512 * 2**20
"""Of a local Ray: data sets on their way to the trials pass through it, and weights on theirs to the tracker."""


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
    said = CODE_VERSION_VARIABLE in os.environ
    if os.environ.get("RAY_ADDRESS"):
        # A job whose submitter has said it already may not say it again.
        runtime_env = {} if said else {"env_vars": {CODE_VERSION_VARIABLE: code_version()}}
        ray.init(log_to_driver=False, logging_level=logging.ERROR, runtime_env=runtime_env)
        return
    _take_a_token()
    # Its processes inherit this; with a runtime environment each would take another second to start.
    os.environ[CODE_VERSION_VARIABLE] = code_version()
    try:
        ray.init(
            address="local",  # else Ray joins whatever cluster was started last on this machine
            _node_ip_address="127.0.0.1",
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=_OBJECT_STORE_BYTES,
        )
    finally:
        if not said:
            del os.environ[CODE_VERSION_VARIABLE]


def _take_a_token() -> None:
    """Have the Ray that is to be started here ask for a token that only its own processes know.

    Ray would ask for one too, but keep it in a file of the home folder that others may be able to read.
    """
    if not os.environ.get("RAY_AUTH_TOKEN") and not os.environ.get("RAY_AUTH_TOKEN_PATH"):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        AuthenticationTokenLoader.instance().reset_cache()  # of an earlier Ray of this process


def ray_capacity(resources: Resources) -> RayCapacity:
    """How many trials fit on the connected Ray at a time, once it has grown to the size that MAX_NODES_VARIABLE says.

    Raises:
        ResourceError: if no node can ever give what one trial asks for; says what there is.
    """
    alive = [node for node in ray.nodes() if node["Alive"]]
    nodes = [node["Resources"] for node in alive]
    largest_gpu = max((node.get("GPU", 0.0) for node in nodes), default=0.0)
    gpus = float(min(1.0, largest_gpu)) if resources.gpus == "auto" else resources.gpus
    if resources.gpu_memory_gib is not None and 0 < gpus <= largest_gpu:
        gpus = gpu_share(gpus, memory_gib=resources.gpu_memory_gib, total_gib=_smallest_gpu_gib(alive))
    fits: list[int] = []
    for node in nodes:
        by_cpu = int(node.get("CPU", 0.0) / resources.cpus)
        fits.append(min(by_cpu, int(node.get("GPU", 0.0) / gpus)) if gpus else by_cpu)
    there = ", ".join(f"{node.get('CPU', 0.0):g} CPUs and {node.get('GPU', 0.0):g} GPUs" for node in nodes)
    if not any(fits):
        raise ResourceError(
            f"resources: a trial asks for {resources.cpus:g} CPUs and {gpus:g} GPUs, which no node can give"
            f" (nodes: {there}); ask for less, or use resources: auto"
        )
    description = f"{len(nodes)} node{'s' if len(nodes) > 1 else ''} ({there})"
    grown = max(fits) * _max_nodes()
    if grown > sum(fits):
        return RayCapacity(grown, gpus, f"{description}, growing to {_max_nodes()} like the largest")
    return RayCapacity(sum(fits), gpus, description)


def _max_nodes() -> int:
    """Of a cluster that grows; 0 where nothing is said."""
    given = os.environ.get(MAX_NODES_VARIABLE) or "0"
    if not given.isdecimal():
        raise ResourceError(f"${MAX_NODES_VARIABLE} is a whole number of nodes, got {given!r}")
    return int(given)


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


def start_result_writer(*, uri: str, spool: Path) -> Any:
    """A ResultWriterActor on this node."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ResultWriterActor.options(scheduling_strategy=here).remote(uri, str(spool))


def has_failed(reference: Any) -> bool:
    """Whether what a reference stands for has ended with an error."""
    ended, _ = ray.wait([reference], timeout=0)
    try:
        ray.get(ended)
    except Exception:  # whatever it is, it is raised again when the result is asked for
        return True
    return False


def run_ray(
    trials: Sequence[TrainSpec] | Searcher,
    *,
    pruning: str,
    epochs: int,
    resources: Resources,
    capacity: RayCapacity,
    data_root: Path | None,
    datasets: Mapping[str, StoredImages],
    folder: Path,
    filing: Any,
    progress: SweepProgress,
    stop: Callable[[], bool] = lambda: False,
    store: str = "",
) -> None:
    """Run `trials` on the connected Ray, as many at a time as fit.

    Args:
        trials: canonical specs, or what proposes them one by one.
        pruning: a row of PRUNINGS.
        epochs: the most that a trial has.
        resources: of one trial.
        capacity: of the connected Ray, by `ray_capacity`.
        data_root: where data sets are looked for first, on every node.
        datasets: name -> what this process has read; a node gets it once, whether or not it has the files.
        folder: for checkpoints, one folder for each key; shared by the nodes if trials are to move between them.
        filing: a ResultWriterActor.
        progress: told of everything.
        stop: asked all the time whether to stop the trials that run and begin no other.
        store: by `checkpoint_store`.
    """
    context = RayTrialContext(
        filing=filing,
        datasets=_carried(datasets),
        folder=str(folder),
        data_root=str(data_root) if data_root else None,
        threads=threads(resources),
        gpu_share=capacity.gpus_per_trial,
        prunable=pruning != "none",
        store=store,
    )
    share = {"cpu": resources.cpus, "gpu": capacity.gpus_per_trial}
    trainable = tune.with_resources(tune.with_parameters(TrialTrainable, context=context), share)
    search = trials if isinstance(trials, Searcher) else None
    many: dict[str, Any] = (
        {"param_space": {"asked": tune.grid_search([trial_config(spec) for spec in trials])}}
        if not isinstance(trials, Searcher)
        else {}
    )
    watcher = Watcher(progress, filing, folder=folder, pruning=pruning, search=search, stop=stop, store=store)
    pauses = pruning == "hyperband"
    folder.mkdir(parents=True, exist_ok=True)
    # What is paused on one node may go on on another, so Tune's note of it lies where the checkpoints do.
    with tempfile.TemporaryDirectory(prefix="resablate-tune-", dir=folder if pauses else None) as storage:
        tune.Tuner(
            trainable,
            **many,
            tune_config=tune.TuneConfig(
                reuse_actors=True,
                # A paused trial counts as concurrent: a limit would keep its bracket from ever being filled.
                max_concurrent_trials=None if pauses else capacity.concurrent,
                search_alg=TuneSearchAdapter(search) if search else None,
                num_samples=search.scheduled if search else 1,
                scheduler=PRUNINGS[pruning](epochs),
            ),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=storage,
                verbose=0,
                stop=Stopper(stop),
                failure_config=tune.FailureConfig(max_failures=MAX_PROCESS_DEATHS),
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                callbacks=[watcher],
            ),
        ).fit()


def _carried(datasets: Mapping[str, StoredImages]) -> dict[str, Any]:
    """Those that go to the trials: what is read image by image lies where each node has it."""
    return {name: ray.put(found) for name, found in datasets.items() if not DATASETS[name].streamed}
