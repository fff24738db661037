"""Sweeps with a search, results made by hand, and a look into the study."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import optuna

from resablate.plan import plan_sweep
from resablate.result import Status, TrialResult
from resablate.searches.dashboard import KEYS
from resablate.searches.patient_study import DISCARDED
from resablate.searches.searcher import Searcher
from resablate.searches.study import study_address, unchecked
from resablate.spec import TrainSpec
from resablate.sweep import SweepSpec, parse_sweep
from tests.factories import make_history

AXES: Mapping[str, Any] = {
    "shortcut": ["identity", "conv1x1"],
    "learning_rate": {"low": 1e-4, "high": 1, "log": True},
    "batch_size": {"low": 16, "high": 64},
}


def make_search(
    *,
    axes: Mapping[str, Any] = AXES,
    name: str = "found",
    base: Mapping[str, Any] | None = None,
    cases: Sequence[Mapping[str, Any]] = (),
    analyses: Mapping[str, Any] | None = None,
    **search: Any,
) -> SweepSpec:
    """A sweep; tpe over three axes, if nothing else is said."""
    given = {"method": "tpe", "trials": 12, **search}
    parts = {"base": dict(base or {}), "axes": dict(axes), "cases": list(cases), "analyses": dict(analyses or {})}
    return parse_sweep({"name": name, "search": given, **parts})


def open_search(
    sweep: SweepSpec,
    past: Iterable[TrialResult] = (),
    complete: Callable[[str], TrialResult | None] = lambda key: None,
    limit: int | None = None,
    check_lease: Callable[[], None] = unchecked,
) -> Searcher:
    points = plan_sweep(sweep).point_trials
    return Searcher(sweep, trials_of=points, past=past, complete=complete, limit=limit, check_lease=check_lease)


def end(
    spec: TrainSpec, error: float | None = None, *, status: Status = "finished", reason: str = "", epochs: int = 3
) -> TrialResult:
    """A result with this validation error; the learning rate's distance to 0.01 if not given."""
    value = abs(math.log10(spec.learning_rate) + 2) / 4 if error is None else error
    return TrialResult(
        spec=spec,
        status=status,
        reason=reason,
        history=() if status == "failed" else make_history([1.0] * epochs, val_error=value),
    )


def run(search: Searcher, error: Callable[[TrainSpec], float | None] = lambda spec: None) -> list[TrialResult]:
    """Every proposed trial, one after another, finished."""
    results: list[TrialResult] = []
    for spec in iter(search.next, None):
        results.append(end(spec, error(spec)))
        search.tell(results[-1])
    return results


def stored(name: str = "found") -> optuna.Study:
    """What another process, such as optuna-dashboard, finds in the database."""
    return optuna.load_study(study_name=name, storage=study_address())


def states(study: optuna.Study) -> list[str]:
    return [trial.state.name for trial in study.trials]


def discarded(study: optuna.Study) -> list[int]:
    found: list[int] = study.user_attrs[DISCARDED]
    return found


def keys(study: optuna.Study) -> list[Sequence[str]]:
    return [trial.user_attrs[KEYS] for trial in study.trials if trial.number not in discarded(study)]
