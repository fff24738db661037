"""What Tune calls on the driver: to tell how the trials go, to ask for the next one, and whether to stop."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.search import Searcher as TuneSearcher

from resablate.measurement import EpochMetrics
from resablate.result import TrialResult, failed_result
from resablate.storage.checkpoint_store import CheckpointStore
from resablate.scheduling.progress import SweepProgress
from resablate.searches.searcher import Searcher
from resablate.spec import TrainSpec
from resablate.trial import trial_cost

MAX_PROCESS_DEATHS = 3
"""How often a trial whose process died is begun again, from its last checkpoint."""


class Watcher(tune.Callback):
    """Sees on the driver what Tune sees: shows it, files what no trial files itself, and tells the search."""

    def __init__(
        self,
        progress: SweepProgress,
        filing: Any,
        *,
        folder: Path,
        pruning: str,
        search: Searcher | None,
        stop: Callable[[], bool],
        store: str,
    ) -> None:
        self._progress = progress
        self._filing = filing
        self._folder = folder
        self._mirror = CheckpointStore(store)
        self._pruning = pruning
        self._search = search
        self._stop = stop
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
        """A trial is over: one that has not said how was stopped by the scheduler, or with the whole sweep."""
        spec = _spec(trial)
        if spec.key not in self._histories or self._stop():
            return
        history = self._histories[spec.key]
        result = TrialResult(
            spec=spec,
            status="pruned",
            reason=f"pruned by {self._pruning} after epoch {len(history)}; not tested, not analyzed",
            history=tuple(history),
            parameter_count=trial_cost(spec).parameters,
            wall_seconds=sum(metrics.wall_seconds for metrics in history),
            versions=self._versions,
        )
        if self._file(result).status == "pruned":
            shutil.rmtree(self._folder / spec.key, ignore_errors=True)
            self._store.delete(self._folder / spec.key)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial's process died more often than it is begun again."""
        self._file(failed_result(_spec(trial), _cause_of_death(str(trial.get_error() or ""))))

    def _file(self, result: TrialResult) -> TrialResult:
        status, reason = ray.get(self._filing.finish_trial.remote(result.to_json(), None))
        filed = result.model_copy(update={"status": status, "reason": reason})
        self._ended(filed)
        return filed

    def _ended(self, result: TrialResult) -> None:
        self._histories.pop(result.key, None)
        self._progress.ended_with(result)
        if self._search:
            self._search.tell(result)


class TuneSearchAdapter(TuneSearcher):
    """The sweep's searcher as Tune asks it; `Watcher` tells it how trials end."""

    def __init__(self, search: Searcher) -> None:
        super().__init__(metric="val_error", mode="min")
        self._search = search

    def __getstate__(self) -> dict[str, Any]:
        """Nothing, as `Watcher`'s: the study lies in a database."""
        return {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The next trial."""
        spec = self._search.next()
        return TuneSearcher.FINISHED if spec is None else {"asked": trial_config(spec)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing: Tune does not know whether a trial was pruned, diverged or failed."""

    def save(self, checkpoint_path: str) -> None:
        """A file without content, which Tune moves to its place."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: Tune's restore is not used."""


class Stopper(tune.Stopper):
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


def trial_config(spec: TrainSpec) -> dict[str, Any]:
    """The trial in a Tune config."""
    return {"key": spec.key, "trial": spec.changes()}


def _cause_of_death(error: str) -> str:
    """The reason of a trial whose processes died, by what Ray says of one of them."""
    died = f"its process died {MAX_PROCESS_DEATHS + 1} times"
    if "OutOfMemoryError" in error or "low on memory" in error:  # Ray's memory monitor
        return f"out of memory: {died}, ended by Ray as the node ran low; ask for more, or for fewer at a time"
    return died


def _spec(trial: Any) -> TrainSpec:
    return TrainSpec.parse(trial.config["asked"]["trial"])
