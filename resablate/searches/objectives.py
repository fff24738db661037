"""What a search minimizes: read off results, and checked before there are any."""

from __future__ import annotations

import math
from functools import lru_cache

import torch

from resablate.analyses import ANALYSES
from resablate.datasets import Examples
from resablate.errors import ResablateError, UnknownName, nearest
from resablate.model import build_network
from resablate.result import TrialResult

TRAINED = ("val_error", "val_loss")
"""Objectives that every trial gives, of its last epoch."""
_TESTED = ("test_error", "test_loss")
_WORST = {"val_error": 1.0}
"""Of a trial that diverged. A loss and an analysis have no worst number, so it is infinite."""


def objective(result: TrialResult, name: str) -> float:
    """What a finished or diverged trial gives for `name`.

    One that diverged is a result, the worst there is: left out, the search would try points like it again.

    Raises:
        ResablateError: if it did not measure it, with the reason.
    """
    if result.status == "diverged":
        return _WORST.get(name, math.inf)
    if name in TRAINED:
        value = getattr(result.history[-1], name)
    else:
        analysis, _, number = name.partition("/")
        if analysis not in result.analyses:
            raise ResablateError(f"{name}: {result.analysis_errors.get(analysis, f'{analysis} was not run')}")
        summary = result.analyses[analysis].summary
        if number not in summary:
            raise ResablateError(f"{name}: {analysis} gives no {number!r}, but {', '.join(summary)}")
        value = summary[number]
    if math.isnan(value):
        raise ResablateError(f"{name}: is not a number")
    return float(value)


def objective_problem(name: str, analyses: tuple[str, ...]) -> str | None:
    """What is wrong with `name` as an objective, in one line.

    Args:
        name: what is to be minimized.
        analyses: those that every trial runs.
    """
    analysis, slash, number = name.partition("/")
    if name in TRAINED:
        return None
    if name in _TESTED:
        return f"{name} would choose by the test set, which is for the report alone; minimize val_error or val_loss"
    if not slash:
        return f"{name!r} is none of {', '.join(TRAINED)}, <analysis>/<number>{nearest(name, TRAINED)}"
    if analysis not in ANALYSES:
        return str(UnknownName("analysis", analysis, ANALYSES))
    if analysis not in analyses:
        return f"{name}: the trials do not run {analysis} (they run {', '.join(analyses) or 'no analysis'})"
    numbers = _numbers(analysis)
    known = not numbers or number in numbers
    missing = f"{name}: {analysis} gives no {number!r}{nearest(number, numbers)} (its numbers: {', '.join(numbers)})"
    return None if known else missing


@lru_cache
def _numbers(analysis: str) -> tuple[str, ...]:
    """The numbers that an analysis sums up, learned from a network of three blocks; empty where that is too small."""
    generator = torch.Generator().manual_seed(0)
    network = build_network(depth=8, width=1, in_channels=1, num_classes=2, generator=generator)
    examples = Examples(torch.rand(4, 1, 8, 8, generator=generator), torch.tensor([0, 1, 0, 1]))
    try:
        return tuple(ANALYSES[analysis].run(network, examples, generator=generator).summary)
    except Exception:  # then the first trial tells
        return ()
