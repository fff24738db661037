"""The winner of a search against its baseline, both with seeds that the search never used; the best of a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from resablate.claims.claim import Claim
from resablate.claims.measures import ERROR
from resablate.claims.named_cells import Against
from resablate.claims.sweep_comparisons import ERROR_MARGIN, OWN_SOURCE, Effect
from resablate.claims.trials import ClaimCell, Measured, Trials
from resablate.result import TrialResult
from resablate.searches.outcomes import Outcome, best_outcomes
from resablate.statistics import error_interval, mean
from resablate.sweep import SweepSpec

WINNER = "winner"
"""Its id among the claims of a report."""
MANY_CELLS = 12
"""From so many cells on a reader looks for the best one."""
_INTERVAL = "a mean, with its interval of 95 % over seeds and test examples"
_BOTH = ("winner", "baseline")


@dataclass(frozen=True)
class Winner:
    """What a search came to.

    Args:
        claim: that the winner is better than the baseline; None where it is the baseline, or has not been replicated.
        sentences: for a reader, in order.
    """

    claim: Claim | None
    sentences: tuple[str, ...]


def winner_of(results: Sequence[TrialResult], sweep: SweepSpec) -> Winner | None:
    """The winner of a search; None of a grid, or where nothing has ended.

    The winner is the point with the lowest mean of what the search minimizes, which never reads the test set.
    """
    best = best_outcomes(results, sweep, 1) if sweep.search.method != "grid" else []
    if not best:
        return None
    spec, fresh, chosen = best[0].results[0].spec, sweep.new_seeds, sweep.search.minimize[0]
    label = ", ".join(f"{name} {_shown(value)}" for name, value in sweep.values(best[0].point).items())
    head = f"The winner by {chosen} is {label}"
    if not fresh:
        return Winner(None, (_unreplicated(head, best[0], len(results)),))
    replicates = {r.spec.cell: r.spec for r in results if r.spec.seed in fresh}
    others = [cell for cell in replicates if cell != spec.cell]
    if spec.cell not in replicates or len(others) > 1:
        return Winner(None, (f"{head}; it has not been trained with new seeds yet.",))
    if not others:
        return Winner(None, (f"{head}, which is the baseline itself: the search found nothing better.",))
    rule = Against((spec.cell,), (others[0],), _BOTH, margin=ERROR_MARGIN, only_seeds=fresh)
    claim = Claim(
        WINNER,
        f"The winner of the search ({label}) has a lower test error than its baseline.",
        OWN_SOURCE,
        rule,
        own=True,
    )
    errors = _errors(rule, Trials(results))
    if len(errors) < len(_BOTH):
        return Winner(claim, (f"{head}; its replicates have not ended.",))
    return Winner(
        claim,
        (
            f"{head}.",
            f"Trained anew with seeds {fresh[0]} to {fresh[-1]}, which the search never used, its test error is"
            f" {errors[0]}, and that of the baseline ({_baseline(sweep)}) {errors[1]}: means, with"
            " intervals of 95 % over seeds and test examples.",
        ),
    )


def chosen_cell(results: Sequence[TrialResult], sweep: SweepSpec) -> tuple[str, ...]:
    """Of a grid: the error of its only cell, or of many that which validation would choose, which is no result yet."""
    trials = Trials(results)
    cells = [cell for cell in trials.cells if cell.finished]
    if sweep.search.method != "grid" or not cells or 1 < len(cells) < MANY_CELLS:
        return ()
    if len(cells) == 1:
        return (f"The test error is {error_words(*trials.measured(cells, ERROR))}: {_INTERVAL}.",)
    validated = [(found, cell) for cell in cells if math.isfinite(found := _validation_error(cell))]
    if not validated:
        return ()
    best = min(validated, key=lambda pair: pair[0])[1]
    return (
        f"Of {len(cells)} cells {sweep.cell_label(best.spec)} has the lowest validation error; its test error is"
        f" {error_words(*trials.measured([best], ERROR))}. It was chosen by these very trainings, so this is no result"
        " before new seeds have shown it.",
    )


def _validation_error(cell: ClaimCell) -> float:
    errors = [result.history[-1].val_error for _, result in cell.finished if result.history]
    known = [error for error in errors if error is not None]
    return fmean(known) if known else math.nan


def _unreplicated(head: str, best: Outcome, count: int) -> str:
    """Of a search without `search.replicate`: its winner is no result yet."""
    cell = Trials(best.results)
    [measured] = cell.measured(cell.cells, ERROR)
    return (
        f"{head}: its test error is {error_words(measured)}, by the very trainings for which it was chosen among"
        f" {count}, so nothing is decided. `search: {{replicate: 5}}` trains it and its baseline with new seeds."
    )


def _errors(rule: Against, trials: Trials) -> list[str]:
    """`4.10 % (3.52 to 4.71, n = 5)`: the errors of winner and baseline, over new seeds and the test's examples."""
    counted = rule.counted(trials)
    return [error_words(one) for one in counted.measured(rule.found(counted), ERROR)]


def error_words(measured: Measured) -> str:
    """`4.10 % (3.52 to 4.71, n = 5)`, as in the table of errors."""
    sample = measured.sample
    if sample is None:
        return "unknown, as every training diverged"
    error = f"{100 * float(sample.mean):.2f} %"
    if not math.isfinite(float(mean(sample).half_width())):  # one training, or no spread at all
        return f"{error} (n = {sample.count})"
    ends = error_interval(sample)
    return f"{error} ({100 * float(ends.low):.2f} to {100 * float(ends.high):.2f}, n = {sample.count})"


def winner_effect(claim: Claim) -> Effect:
    """The winner against its baseline, as what a search does."""
    changed, against = ({WINNER: f"the {side}"} for side in _BOTH)
    return Effect("what the search chose", ERROR, {WINNER: claim}, changed, against, {WINNER: ""})


def _baseline(sweep: SweepSpec) -> str:
    changed = ", ".join(f"{name} {_shown(value)}" for name, value in sweep.baseline.items())
    return "the sweep's base" + (f" with {changed}" if changed else ", without what is searched")


def _shown(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
