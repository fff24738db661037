"""Trials on Ray Tune, in packs: a step is an epoch, and an actor serves one pack after another."""

from __future__ import annotations

import logging
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from resablate.check import planned_epochs
from resablate.component import Component
from resablate.datasets import DATASETS, StoredImages
from resablate.devices import threads
from resablate.plan import SweepPlan
from resablate.scheduling.packing import PackSizes
from resablate.scheduling.progress import SweepProgress
from resablate.scheduling.ray_address import cannot_start, check_ray_address
from resablate.scheduling.ray_capacity import RayCapacity
from resablate.scheduling.ray_driver import MAX_PROCESS_DEATHS, Stopper, TuneSearchAdapter, Watcher
from resablate.scheduling.ray_private import forget_token, loopback_alone
from resablate.scheduling.ray_pruning import start_pruning
from resablate.scheduling.ray_result_writer import CONCURRENCY, ResultWriterActor
from resablate.scheduling.ray_sessions import TUNE_PREFIX, clear_abandoned, mark_sessions
from resablate.scheduling.ray_trainable import PackTrainable, RayTrialContext, pack_config
from resablate.searches import PRUNINGS
from resablate.searches.pruning import PAUSING
from resablate.searches.searcher import Searcher
from resablate.spec import TrainSpec
from resablate.storage.checkpoint_store import CheckpointStore
from resablate.storage.locations import work_folder
from resablate.storage.owned_folders import owned_folder
from resablate.versions import CODE_VERSION_VARIABLE, code_version

log = logging.getLogger(__name__)

_OBJECT_STORE_BYTES = 512 * 2**20
"""Of a local Ray: data sets on their way to the trials pass through it, and weights on theirs to the tracker."""


def connect_ray() -> None:
    """Join the cluster that RAY_ADDRESS names (a submitted job's own), else start a Ray on this machine alone.

    Raises:
        ResourceError: if there is no such cluster, or no Ray can be started.
    """
    check_ray_address()
    try:
        _connect()
    except Exception as error:  # whatever Ray raises where it cannot start
        raise cannot_start(error) from None


def _connect() -> None:
    # Tune reads these when it is used first. Results are ours to keep, and the current folder is the user's.
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # a sweep has its own
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # the other output prints although verbose is 0
    if ray.is_initialized():
        return
    clear_abandoned(work_folder())
    said = CODE_VERSION_VARIABLE in os.environ
    if os.environ.get("RAY_ADDRESS"):
        # A job whose submitter has said it already may not say it again.
        runtime_env = {} if said else {"env_vars": {CODE_VERSION_VARIABLE: code_version()}}
        ray.init(log_to_driver=False, logging_level=logging.ERROR, runtime_env=runtime_env)
        return
    mark_sessions()
    _take_a_token()
    # Its processes inherit this; with a runtime environment each would take another second to start.
    os.environ[CODE_VERSION_VARIABLE] = code_version()
    try:
        with loopback_alone():
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
        forget_token()  # of an earlier Ray of this process


def start_result_writer(*, uri: str, spool: Path, claim: str) -> Any:
    """A ResultWriterActor on this node, which writes under the lease that was claimed."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    remote: Any = ray.remote  # its types know no concurrency groups
    actor = remote(num_cpus=0, scheduling_strategy=here, concurrency_groups=CONCURRENCY)(ResultWriterActor)
    return actor.remote(uri, str(spool), claim)


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
    plan: SweepPlan,
    sizes: PackSizes,
    capacity: RayCapacity,
    data_root: Path | None,
    datasets: Mapping[Component, StoredImages],
    folder: Path,
    writer: Any,
    progress: SweepProgress,
    search: Searcher | None,
    put_off: Callable[[TrainSpec], None],
    store: CheckpointStore,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Run `trials` on the connected Ray, in packs, as many at a time as fit. What Tune calls a trial is a pack.

    Args:
        trials: canonical specs, or what proposes them one by one.
        plan: that the trials are of.
        sizes: put trials into packs.
        capacity: of the connected Ray, by `ray_capacity`.
        data_root: where data sets are looked for first, on every node.
        datasets: data set -> what this process has read; a node gets it once, whether or not it has the files.
        folder: for checkpoints, one folder for each key; shared by the nodes if trials are to move between them.
        writer: a ResultWriterActor.
        progress: told of everything.
        search: told of every result, if there is one.
        put_off: told of the trials that another sweep trains or has completed.
        stop: asked all the time whether to stop the trials that run and begin no other.
        store: gets every checkpoint too.
    """
    resources, pruning = plan.sweep.resources, plan.sweep.search.pruning
    epochs = max(planned_epochs(spec) for spec in (*plan.trials, *plan.samples))
    pauses = pruning in PAUSING
    # Tune sees packs alone: where there may be any, a rule is asked for each member, by its process.
    by_member = pruning != "none" and not pauses and resources.pack != 1
    context = RayTrialContext(
        writer=writer,
        datasets=_carried(datasets),
        folder=str(folder),
        data_root=str(data_root) if data_root else None,
        threads=threads(resources.cpus),
        gpu_share=capacity.gpus_per_trial,
        prunable=pruning != "none" and not by_member,
        pruner=start_pruning(pruning, epochs=epochs) if by_member else None,
        store=store.uri,
    )
    share = {"cpu": resources.cpus, "gpu": capacity.gpus_per_trial}
    trainable = tune.with_resources(tune.with_parameters(PackTrainable, context=context), share)
    asked = trials if isinstance(trials, Searcher) else None
    if asked:
        sizes.foresee(asked, plan)
    packs = [] if isinstance(trials, Searcher) else sizes.packs(trials)
    listed = [pack_config(list(map(plan.request, pack)))["pack"] for pack in packs]
    param_space: dict[str, Any] = {"param_space": {"pack": tune.grid_search(listed)}} if listed else {}
    watcher = Watcher(
        progress, writer, folder=folder, pruning=pruning, search=search, put_off=put_off, stop=stop, store=store
    )
    folder.mkdir(parents=True, exist_ok=True)
    # What is paused on one node may go on on another, so Tune's note of it lies where the checkpoints do.
    with owned_folder(TUNE_PREFIX, folder if pauses else Path(tempfile.gettempdir())) as storage:
        tune.Tuner(
            trainable,
            **param_space,
            tune_config=tune.TuneConfig(
                reuse_actors=True,
                # A paused trial counts as concurrent: a limit would keep its bracket from ever being filled.
                max_concurrent_trials=None if pauses else capacity.concurrent,
                search_alg=TuneSearchAdapter(partial(sizes.next_pack, asked), request=plan.request) if asked else None,
                num_samples=asked.scheduled if asked else 1,
                scheduler=PRUNINGS["none" if by_member else pruning](epochs),
            ),
            run_config=_run_config(str(storage), watcher=watcher, stop=stop),
        ).fit()


def _run_config(storage: str, *, watcher: Watcher, stop: Callable[[], bool]) -> tune.RunConfig:
    """Nothing of Tune's own but its note of the sweep in `storage`."""
    return tune.RunConfig(
        name="sweep",
        storage_path=storage,
        verbose=0,
        stop=Stopper(stop),
        failure_config=tune.FailureConfig(max_failures=MAX_PROCESS_DEATHS),
        checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
        callbacks=[watcher],
    )


def _carried(datasets: Mapping[Component, StoredImages]) -> dict[Component, Any]:
    """Those that go to the trials: what is read image by image lies where each node has it."""
    return {dataset: ray.put(found) for dataset, found in datasets.items() if not DATASETS[dataset.name].streamed}
