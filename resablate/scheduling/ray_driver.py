"""What Tune calls on the driver: to tell how the trials go, to ask for the next one, and whether to stop."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.search import Searcher as TuneSearcher

from resablate.estimates import trial_cost
from resablate.failures import DeviceLost
from resablate.measurement import EpochMetrics
from resablate.packs import Pack
from resablate.result import TrialResult, failed_result, pruned_result
from resablate.scheduling.progress import SweepProgress
from resablate.scheduling.ray_trainable import pack_config, requests_of
from resablate.searches.pruning import pruned_reason
from resablate.searches.searcher import Searcher
from resablate.session import TrialRequest
from resablate.spec import TrainSpec
from resablate.storage.checkpoint_store import CheckpointStore

MAX_PROCESS_DEATHS = 3
"""How often a pack whose process died is begun again, each trial from its last checkpoint."""


class Watcher(tune.Callback):
    """Sees on the driver what Tune sees: shows it, files what no trial files itself, and tells the search.

    What Tune calls a trial is a pack.
    """

    def __init__(
        self,
        progress: SweepProgress,
        writer: Any,
        *,
        folder: Path,
        pruning: str,
        search: Searcher | None,
        put_off: Callable[[TrainSpec], None],
        stop: Callable[[], bool],
        store: CheckpointStore,
    ) -> None:
        self._progress = progress
        self._writer = writer
        self._folder = folder
        self._store = store
        self._pruning = pruning
        self._search = search
        self._put_off = put_off
        self._stop = stop
        self._histories: dict[str, list[EpochMetrics]] = {}
        """Of the trials that have not ended."""
        self._over: set[str] = set()
        """Keys of those that have."""
        self._versions: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a restore that is not used here, and a display cannot be."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A pack began, or began again."""
        pack = self._left(trial)
        self._progress.started(*pack)
        for spec in pack:
            self._histories.setdefault(spec.key, [])

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A pack made a step."""
        # Taken out: Tune keeps the last result of every trial.
        epochs: dict[str, list[EpochMetrics]] = result.pop("epochs")
        for key, new in epochs.items():
            self._histories[key] = [row for row in self._histories[key] if row.epoch < new[0].epoch] + new
            self._progress.epoch(key, new[-1].epoch, new[-1].val_error)
        self._versions = result.pop("versions") or self._versions
        others: list[str] = result.pop("put_off")
        for spec in [spec for spec in self._left(trial) if spec.key in others]:
            self._histories.pop(spec.key, None)
            self._over.add(spec.key)
            self._progress.put_off(spec.key)
            self._put_off(spec)
        for outcome in result.pop("outcomes"):
            ended = TrialResult.from_json(outcome)
            if ended.key not in self._over:
                history = ended.history or tuple(self._histories[ended.key])
                self._ended(ended.model_copy(update={"history": history}))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A pack is over: a trial that has not said how was stopped by the scheduler, or with the whole sweep."""
        if self._stop():
            return
        for spec in self._left(trial):
            history = self._histories[spec.key]
            result = pruned_result(
                spec,
                pruned_reason(self._pruning, len(history)),
                history,
                parameter_count=trial_cost(spec).parameters,
                versions=self._versions,
            )
            if self._file(result).status == "pruned":
                shutil.rmtree(self._folder / spec.key, ignore_errors=True)
                self._store.delete(self._folder / spec.key)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The process of a pack died more often than it is begun again."""
        if self._stop():
            return
        for spec in self._left(trial):
            self._file(failed_result(spec, _cause_of_death(str(trial.get_error() or ""))))

    def _left(self, trial: Any) -> list[TrainSpec]:
        """The trials of a pack that have not ended."""
        return [request.spec for request in requests_of(trial.config) if request.spec.key not in self._over]

    def _file(self, result: TrialResult) -> TrialResult:
        status, reason = ray.get(self._writer.finish_trial.remote(result.to_json(), {}))
        filed = result.model_copy(update={"status": status, "reason": reason})
        self._ended(filed)
        return filed

    def _ended(self, result: TrialResult) -> None:
        self._over.add(result.key)
        self._histories.pop(result.key, None)
        self._writer.driver_knows.remote(result.key)
        self._progress.ended_with(result)
        if self._search:
            self._search.tell(result)


class TuneSearchAdapter(TuneSearcher):
    """The sweep's searcher as Tune asks it; `Watcher` tells it how trials end."""

    def __init__(self, next_pack: Callable[[], Pack], *, request: Callable[[TrainSpec], TrialRequest]) -> None:
        super().__init__(metric="val_error", mode="min")
        self._next_pack = next_pack
        self._request = request

    def __getstate__(self) -> dict[str, Any]:
        """Nothing, as `Watcher`'s: the study lies in a database."""
        return {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The next pack."""
        pack = self._next_pack()
        return pack_config(list(map(self._request, pack))) if pack else TuneSearcher.FINISHED

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


def _cause_of_death(error: str) -> str:
    """The reason of a trial whose processes died, by what Ray says of one of them."""
    died = f"its process died {MAX_PROCESS_DEATHS + 1} times"
    if "OutOfMemoryError" in error or "low on memory" in error:  # Ray's memory monitor
        return f"out of memory: {died}, ended by Ray as the node ran low; ask for more, or for fewer at a time"
    if lost := re.search(rf"{DeviceLost.__name__}: (.+)", error):
        return f"{died}, the last time because {lost[1].strip()}"
    return died
