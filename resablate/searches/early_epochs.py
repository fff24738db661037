"""`EarlyEpochs`: a scheduler of Ray Tune that decides during the first epochs of a trial alone."""

from __future__ import annotations

from typing import Any, final

from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler


@final
class EarlyEpochs(TrialScheduler):
    """Passes everything on to another scheduler, but the results of late epochs, after which every trial goes on.

    Args:
        scheduler: what decides.
        time_attr: the number in a result that tells how far its trial is.
        last: the largest such number that is passed on.
    """

    def __init__(self, scheduler: TrialScheduler, *, time_attr: str, last: float) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._time_attr = time_attr
        self._last = last

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Passed on."""
        return self._scheduler.set_search_properties(metric, mode, **spec)

    @property
    def metric(self) -> str | None:
        """The other's."""
        return self._scheduler.metric

    @property
    def supports_buffered_results(self) -> bool:
        """The other's."""
        return self._scheduler.supports_buffered_results

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """The other's decision, or to go on."""
        if result.get(self._time_attr, 0) > self._last:
            return TrialScheduler.CONTINUE
        return self._scheduler.on_trial_result(tune_controller, trial, result)

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Passed on."""
        self._scheduler.on_trial_add(tune_controller, trial)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Passed on."""
        self._scheduler.on_trial_error(tune_controller, trial)

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Passed on."""
        self._scheduler.on_trial_complete(tune_controller, trial, result)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        """Passed on."""
        self._scheduler.on_trial_remove(tune_controller, trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """The other's choice."""
        return self._scheduler.choose_trial_to_run(tune_controller)

    def debug_string(self) -> str:
        """The other's."""
        return self._scheduler.debug_string()

    def save(self, checkpoint_path: str) -> None:
        """Passed on."""
        self._scheduler.save(checkpoint_path)

    def restore(self, checkpoint_path: str) -> None:
        """Passed on."""
        self._scheduler.restore(checkpoint_path)
