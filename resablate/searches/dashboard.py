"""What optuna-dashboard shows of a sweep's study besides its trials: what is minimized, and the winner by name."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from resablate.result import TrialResult
from resablate.searches.outcomes import best_outcomes
from resablate.sweep import SweepSpec

if TYPE_CHECKING:
    from optuna import Study

WINNER = "resablate.winner"
"""User attribute of the study: the point that the report calls the winner, with its number and its trials."""
KEYS = "resablate.keys"
"""User attribute of a point: its trials."""


def name_objectives(study: Study, sweep: SweepSpec) -> None:
    """Have the study call its values by the names of what the sweep minimizes."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of an interface that Optuna has had since 3.2
        study.set_metric_names(list(sweep.search.minimize))


def note_winner(study: Study, results: Sequence[TrialResult], sweep: SweepSpec) -> None:
    """Keep the best point so far with the study; nothing where no point has a value."""
    best = next(iter(best_outcomes(results, sweep, 1)), None)
    if best is None or best.values is None:
        return
    first = best.results[0]
    keys = {result.key for result in best.results}
    numbers = [trial.number for trial in study.get_trials(deepcopy=False) if keys & set(trial.user_attrs.get(KEYS, ()))]
    told = {
        "trial": sweep.cell_label(first.spec) if sweep.search.seeds else sweep.label(first.spec),
        "number": numbers[-1] if numbers else None,
        "keys": sorted(keys),
        **dict(zip(sweep.search.minimize, best.values, strict=True)),
    }
    if study.user_attrs.get(WINNER) != told:
        study.set_user_attr(WINNER, told)
