"""Trials on Ray Tune: a step is an epoch, and an actor serves one trial after another."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.search import Searcher as TuneSearcher
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from resablate.errors import ResourceError
from resablate.measurement import EpochMetrics
from resablate.result import TrialResult, failed_result
from resablate.scheduling.inline import threads
from resablate.scheduling.progress import SweepProgress
from resablate.scheduling.ray_trainable import FilingActor, RayTrialContext, TrialTrainable
from resablate.searches import PRUNINGS
from resablate.searches.searcher import Searcher
from resablate.spec import TrialSpec
from resablate.sweep import Resources
from resablate.trial import trial_cost
from resablate.versions import CODE_VERSION_VARIABLE, code_version

log = logging.getLogger(__name__)

_MAX_PROCESS_DEATHS = 3
"""How often a trial whose process died is begun again, from its last checkpoint."""
_OBJECT_STORE_BYTES = 256 * 2**20
"""Of a local Ray: only weights on their way to the tracker pass through it."""


class _Watcher(tune.Callback):
    """Sees on the driver what Tune sees: shows it, files what no trial files itself, and tells the search."""

    def __init__(self, progress: SweepProgress, filing: Any, *, folder: Path, pruning: str, search: Searcher | None):
        self._progress = progress
        self._filing = filing
        self._folder = folder
        self._pruning = pruning
        self._search = search
        self._histories: dict[str, list[EpochMetrics]] = {}
        """Of the trials that have not ended."""
        self._versions: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a restore that is not used here, and a display cannot be."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial began, or began again."""
        self._progress.started(_spec(trial))
        self._histories.setdefault(trial.config["asked"]["key"], [])

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A trial made a step."""
        key = trial.config["asked"]["key"]
        # Taken out: Tune keeps the last result of every trial.
        new: list[EpochMetrics] = result.pop("epochs")
        seen = [row for row in self._histories[key] if not new or row.epoch < new[0].epoch]
        self._histories[key] = [*seen, *new]
        self._versions = result.pop("versions") or self._versions
        if outcome := result.pop("outcome", None):
            ended = TrialResult.from_json(outcome)
            self._ended(ended.model_copy(update={"history": tuple(self._histories[key])}))
        else:
            self._progress.epoch(key, result["epoch"], result["val_error"])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial is over: one that has not said how was stopped by the scheduler."""
        spec = _spec(trial)
        if spec.key not in self._histories:
            return
        history = self._histories[spec.key]
        result = TrialResult(
            spec=spec,
            status="pruned",
            reason=f"pruned by {self._pruning} after epoch {len(history)}",
            history=tuple(history),
            parameter_count=trial_cost(spec).parameters,
            wall_seconds=sum(metrics.wall_seconds for metrics in history),
            versions=self._versions,
        )
        self._file(result)
        shutil.rmtree(self._folder / spec.key, ignore_errors=True)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial's process died more often than it is begun again."""
        self._file(failed_result(_spec(trial), f"its process died {_MAX_PROCESS_DEATHS + 1} times"))

    def _file(self, result: TrialResult) -> None:
        ray.get(self._filing.finish_trial.remote(result.to_json(), None))
        self._ended(result)

    def _ended(self, result: TrialResult) -> None:
        self._histories.pop(result.key, None)
        self._progress.ended_with(result)
        if self._search:
            self._search.tell(result)


class _Proposals(TuneSearcher):
    """The sweep's searcher as Tune asks it; `_Watcher` tells it how trials end."""

    def __init__(self, search: Searcher) -> None:
        super().__init__(metric="val_error", mode="min")
        self._search = search

    def __getstate__(self) -> dict[str, Any]:
        """Nothing, as `_Watcher`'s: the study lies in a database."""
        return {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The next trial."""
        spec = self._search.next()
        return TuneSearcher.FINISHED if spec is None else {"asked": _asked(spec)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing: Tune does not know whether a trial was pruned, diverged or failed."""

    def save(self, checkpoint_path: str) -> None:
        """A file without content, which Tune moves to its place."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: Tune's restore is not used."""


def _asked(spec: TrialSpec) -> dict[str, Any]:
    return {"key": spec.key, "trial": spec.changes()}


def _spec(trial: Any) -> TrialSpec:
    return TrialSpec.parse(trial.config["asked"]["trial"])


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
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    largest_gpu = max((node.get("GPU", 0.0) for node in nodes), default=0.0)
    gpus = float(min(1.0, largest_gpu)) if resources.gpus == "auto" else resources.gpus
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


def start_filing(*, uri: str, spool: Path) -> Any:
    """A FilingActor on this node."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return FilingActor.options(scheduling_strategy=here).remote(uri, str(spool))


def run_ray(
    trials: Sequence[TrialSpec] | Searcher,
    *,
    pruning: str,
    epochs: int,
    resources: Resources,
    capacity: RayCapacity,
    data_root: Path | None,
    folder: Path,
    filing: Any,
    progress: SweepProgress,
) -> None:
    """Run `trials` on the connected Ray, as many at a time as fit.

    Args:
        trials: canonical specs, or what proposes them one by one.
        pruning: a row of PRUNINGS.
        epochs: the most that a trial has.
        resources: of one trial.
        capacity: of the connected Ray, by `ray_capacity`.
        data_root: where data sets are looked for first, on every node.
        folder: for checkpoints, one folder for each key; shared by the nodes if trials are to move between them.
        filing: a FilingActor.
        progress: told of everything.
    """
    context = RayTrialContext(
        filing=filing,
        folder=str(folder),
        data_root=str(data_root) if data_root else None,
        threads=threads(resources),
        gpu=capacity.gpus_per_trial > 0,
        prunable=pruning != "none",
    )
    trainable = tune.with_resources(
        tune.with_parameters(TrialTrainable, context=context),
        {"cpu": resources.cpus, "gpu": capacity.gpus_per_trial},
    )
    search = trials if isinstance(trials, Searcher) else None
    many: dict[str, Any] = (
        {"param_space": {"asked": tune.grid_search([_asked(spec) for spec in trials])}}
        if not isinstance(trials, Searcher)
        else {}
    )
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
                search_alg=_Proposals(search) if search else None,
                num_samples=search.total if search else 1,
                scheduler=PRUNINGS[pruning](epochs),
            ),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=storage,
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=_MAX_PROCESS_DEATHS),
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                callbacks=[_Watcher(progress, filing, folder=folder, pruning=pruning, search=search)],
            ),
        ).fit()
