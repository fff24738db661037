"""The records of each sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from resablate.checkups.interface import Fault, Scope
from resablate.tracking import MlflowExaminer, WrongRecord

_AGAIN = "the next sweep trains it again"
_BY_HAND = "delete the run in MLflow"


def open_runs(scope: Scope) -> Iterator[Fault]:
    """Submissions and trials that are said to run, and nobody is at work on them."""
    return _of_each(scope, MlflowExaminer.abandoned, mended="closes it", by_hand="the next sweep closes it")


def lists(scope: Scope) -> Iterator[Fault]:
    """Submissions whose sweep or list of trials cannot be read."""
    return _of_each(scope, MlflowExaminer.listed, by_hand="the next sweep writes it anew")


def results(scope: Scope) -> Iterator[Fault]:
    """Results that are missing, damaged or another trial's."""
    mended = f"deletes the run, which MLflow can bring back, and {_AGAIN}"
    return _of_each(scope, MlflowExaminer.results, mended=mended, by_hand=_AGAIN)


def answers(scope: Scope) -> Iterator[Fault]:
    """Later measurements that are missing or damaged, though they count as made."""
    mended = "lets them count no more, and the next sweep asks again"
    return _of_each(scope, MlflowExaminer.answers, mended=mended, by_hand=_BY_HAND)


def weights(scope: Scope) -> Iterator[Fault]:
    """Stored weights that are missing or damaged."""
    remedy = "the result counts, and new questions cannot be asked; to train it again, delete the run in MLflow"
    return _of_each(scope, MlflowExaminer.weights, by_hand=remedy)


def claimed(scope: Scope) -> Iterator[Fault]:
    """Runs that pass for complete trials, and were not filed as such."""
    return _of_each(scope, MlflowExaminer.claimed, by_hand=_BY_HAND)


def twice(scope: Scope) -> Iterator[Fault]:
    """Several runs of one trial."""
    mended = "deletes it, and MLflow can bring it back"
    return _of_each(scope, MlflowExaminer.twice, mended=mended, by_hand="delete one of them in MLflow")


def curves(scope: Scope) -> Iterator[Fault]:
    """Curves in which an epoch stands twice."""
    remedy = "results and reports do not read curves; to draw it anew, delete the run in MLflow and train it again"
    return _of_each(scope, MlflowExaminer.curves, by_hand=remedy)


def clocks(scope: Scope) -> Iterator[Fault]:
    """Runs that were made while a clock was ahead."""
    return _of_each(scope, MlflowExaminer.ahead, by_hand="set the clock of that machine; it comes right with time")


def _of_each(
    scope: Scope,
    look: Callable[[MlflowExaminer, str], Iterator[WrongRecord]],
    *,
    mended: str = "",
    by_hand: str,
) -> Iterator[Fault]:
    """What is found for each sweep.

    Args:
        scope: what is looked at.
        look: at the records of one sweep.
        mended: what `--mend` does.
        by_hand: what mends it where that does not.
    """
    if scope.records is None:
        return
    for name in scope.names:
        for place, problem, mend, remedy in look(scope.records, name):
            yield Fault(f"{name}, {place}", problem, remedy or (f"--mend {mended}" if mend else by_hand), mend)
