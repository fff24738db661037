"""Where the trials of a sweep stand, by the records and by what waits in this folder to be filed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from resablate.result import COMPLETE
from resablate.scheduling.result_writer import spooled
from resablate.storage.locks import is_running
from resablate.searches import is_adaptive
from resablate.spec import TrainSpec
from resablate.sweep import SweepSpec
from resablate.tracking import Tracker, TrialState, work_folder

STATES = ("pending", "running", "finished", "diverged", "pruned", "failed")
SPOOL = "spool"
"""Where results wait to be filed, in a sweep's folder."""


class TrialStatus(NamedTuple):
    """One trial of a sweep."""

    spec: TrainSpec
    state: str
    """One of STATES."""
    epoch: int
    """Epochs that are filed."""
    reason: str
    """Why it is not `finished`, in one line."""

    @property
    def ended(self) -> bool:
        """Whether it runs no more by itself."""
        return self.state not in ("pending", "running")

    @property
    def complete(self) -> bool:
        """Whether it is never run again."""
        return self.state in COMPLETE


class SweepProgressReport(NamedTuple):
    """The latest submission of a sweep."""

    sweep: SweepSpec
    trials: list[TrialStatus]
    at_most: int
    """How many there may be once a search has proposed all of them."""
    is_run_here: bool
    """Whether a process runs it now, from this folder."""


def trial_statuses(trials: Iterable[TrainSpec], *, sweep: str, tracker: Tracker) -> list[TrialStatus]:
    """Where each of `trials` stands in the sweep of this name."""
    states = tracker.states(sweep)
    for key, result in spooled(work_folder() / sweep / SPOOL).items():
        known = states.get(key)
        if known is None or known.status not in COMPLETE:
            states[key] = TrialState(result.status, "", len(result.history), result.reason)
    return [_standing(spec, states.get(spec.key)) for spec in trials]


def _standing(spec: TrainSpec, state: TrialState | None) -> TrialStatus:
    if state is None:
        return TrialStatus(spec, "pending", 0, "")
    return TrialStatus(spec, "pending" if state.status == "interrupted" else state.status, state.epoch, state.reason)


def to_run(found: Sequence[TrialStatus], *, retry: Collection[str] = ()) -> list[TrainSpec]:
    """What a submission runs: all that has not ended, and what ended with a status in `retry`."""
    return [trial.spec for trial in found if not trial.ended or trial.state in retry]


def run_again(sweep: SweepSpec, retry: Collection[str]) -> set[str]:
    """The endings after which the sweep runs a trial again: those in `retry`, and `pruned` if it prunes no more."""
    return {*retry, *(["pruned"] if sweep.search.pruning == "none" else [])}


def with_spooled(trials: Sequence[TrainSpec], sweep: str) -> list[TrainSpec]:
    """With those that a search proposed while the tracker was away, whose results wait to be filed."""
    known = {spec.key: spec for spec in trials}
    waiting = spooled(work_folder() / sweep / SPOOL)
    return list(known.values()) + [result.spec for key, result in waiting.items() if key not in known]


def sweep_status_of(name: str, *, tracker: Tracker) -> SweepProgressReport:
    """Where the latest submission of the sweep called `name` stands.

    Raises:
        TrackingError: if there is no such sweep.
    """
    sweep, trials = tracker.submitted(name)
    adaptive = is_adaptive(sweep.search.method)
    found = trial_statuses(with_spooled(trials, name) if adaptive else trials, sweep=name, tracker=tracker)
    proposed = (sweep.search.trials or 0) * len(sweep.search.seeds or [0])
    at_most = proposed if adaptive else len(found)
    return SweepProgressReport(sweep, found, at_most, is_running(work_folder() / name))
