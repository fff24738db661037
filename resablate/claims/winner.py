"""The winner of a search against its baseline, both trained with seeds that the search never used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from resablate.claims.arms import Arm, Fields
from resablate.claims.claim import Claim, Compared, Judgement
from resablate.claims.measures import ERROR, Measure
from resablate.claims.pairs import Pair, compare_pair, notes_on
from resablate.claims.trials import ClaimCell, Trials
from resablate.result import TrialResult
from resablate.searches.outcomes import best_outcomes
from resablate.statistics import compare, error_interval
from resablate.sweep import SweepSpec

MARGIN = 0.001
"""A stated margin: a tenth of a point."""
WINNER = "winner"
"""Its id among the claims of a report."""
_BOTH = ("winner", "baseline")


@dataclass(frozen=True)
class Beats:
    """The cell `winner` has a lower test error than the cell `baseline`, by trainings with new seeds alone.

    Args:
        winner: its key.
        baseline: its key.
        fresh: seeds that the search never used.
    """

    winner: str
    baseline: str
    fresh: range

    @property
    def text(self) -> str:
        """The rule in a sentence."""
        return (
            "supported where the test error of the winner, chosen by validation, is lower than the baseline's, over"
            f" {len(self.fresh)} seeds that the search never used"
        )

    @property
    def arms(self) -> Sequence[Arm]:
        """None: which cell wins is known when the search has ended."""
        return ()

    @property
    def measures(self) -> Sequence[Measure]:
        """The test error."""
        return (ERROR,)

    def compared(self, trials: Trials, where: Fields) -> Sequence[Compared]:
        """The two, where both are there."""
        cells = self._cells(trials)
        return [Compared(cells)] if len(cells) == len(_BOTH) else []

    def judge(self, trials: Trials, where: Fields) -> Judgement:
        """The difference of the two."""
        replicated = self._replicated(trials)
        cells = self._cells(replicated)
        if len(cells) < len(_BOTH):
            return Judgement({}, "trainings of the winner and of the baseline with new seeds")
        measured = replicated.measured(cells, ERROR)
        pair = Pair(*measured, name="winner against baseline")
        parts = compare_pair(pair, ERROR, lambda a, b: compare(a, b, margin=MARGIN), margin=MARGIN)
        return Judgement(parts, "", tuple(notes_on(measured, _BOTH)))

    def seeds(self, level: float, examples: int) -> int | None:
        """None: no effect was published."""
        return None

    def errors(self, trials: Trials) -> list[str]:
        """`4.10 % (3.52 to 4.71)`: the errors of winner and baseline, over new seeds and the test's examples."""
        replicated = self._replicated(trials)
        found: list[str] = []
        for one in replicated.measured(self._cells(replicated), ERROR):
            if one.sample is None:
                found.append("every training diverged")
                continue
            ends = error_interval(one.sample)  # as in the table of errors
            low, high = 100 * float(ends.low), 100 * float(ends.high)
            found.append(f"{100 * float(one.sample.mean):.2f} % ({low:.2f} to {high:.2f}, n = {one.sample.count})")
        return found

    def _replicated(self, trials: Trials) -> Trials:
        return Trials(r for cell in trials.cells for r in cell.results if r.spec.seed in self.fresh)

    def _cells(self, trials: Trials) -> tuple[ClaimCell, ...]:
        by_key = {cell.key: cell for cell in trials.cells}
        return tuple(by_key[key] for key in (self.winner, self.baseline) if key in by_key)


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
    """The winner of a search with `search.replicate`; None of another sweep, or where nothing has ended.

    The winner is the point with the lowest mean of what the search minimizes, which never reads the test set.
    """
    best = best_outcomes(results, sweep, 1) if sweep.new_seeds else []
    if not best:
        return None
    spec, fresh, chosen = best[0].results[0].spec, sweep.new_seeds, sweep.search.minimize[0]
    label = ", ".join(f"{name} {_shown(value)}" for name, value in sweep.values(best[0].point).items())
    head = f"The winner by {chosen} is {label}"
    replicates = {r.spec.cell: r.spec for r in results if r.spec.seed in fresh}
    others = [cell for cell in replicates if cell != spec.cell]
    if spec.cell not in replicates or len(others) > 1:
        return Winner(None, (f"{head}; it has not been trained with new seeds yet.",))
    if not others:
        return Winner(None, (f"{head}, which is the baseline itself: the search found nothing better.",))
    rule = Beats(spec.cell, others[0], fresh)
    claim = Claim(
        WINNER,
        f"The winner of the search ({label}) has a lower test error than its baseline.",
        "this sweep; it is decided with the published claims, at one level",
        rule,
    )
    errors = rule.errors(Trials(results))
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


def _baseline(sweep: SweepSpec) -> str:
    changed = ", ".join(f"{name} {_shown(value)}" for name, value in sweep.baseline.items())
    return "the sweep's base" + (f" with {changed}" if changed else ", without what is searched")


def _shown(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
