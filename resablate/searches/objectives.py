"""What a search minimizes: read off results, and checked before there are any."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import torch

from resablate.analyses import ANALYSES
from resablate.answerable import questions_for
from resablate.component import Component
from resablate.component_tables import resolve_in
from resablate.datasets import Examples
from resablate.errors import ResablateError, UnknownName, nearest
from resablate.model import build_network
from resablate.question import TEST, AskedAnalysis, Question, analysis_name
from resablate.result import TrialResult

TRAINED = ("val_error", "val_loss")
"""Objectives that every trial gives, of its last epoch."""
_TESTED = ("test_error", "test_loss")
_WORST = {"val_error": 1.0}
"""Of a trial that diverged. A loss and an analysis have no worst number, so it is infinite."""


def objective(result: TrialResult, name: str, asked: tuple[AskedAnalysis, ...]) -> float:
    """What a finished or diverged trial gives for `name`.

    One that diverged is a result, the worst there is: left out, the search would try points like it again.

    Args:
        result: of the trial.
        name: `val_error`, `val_loss`, or `<analysis>/<number of its summary>`.
        asked: the analyses of the sweep; where one is asked with several sets of arguments, its plain name means the
            first of them.

    Raises:
        ResablateError: if the trial did not measure it, with the reason.
    """
    if result.status == "diverged":
        return _WORST.get(name, math.inf)
    if name in TRAINED:
        value: float | None = getattr(result.history[-1], name)
        if value is None:
            raise ResablateError(f"{name}: no images are held out (dataset.val_fraction is 0)")
    else:
        analysis, _, number = name.partition("/")
        summary = _summary(result, name, asked)
        if number not in summary:
            raise ResablateError(f"{name}: {analysis} gives no {number!r}, but {', '.join(summary)}")
        value = summary[number]
    if math.isnan(value):
        raise ResablateError(f"{name}: is not a number")
    return float(value)


def is_measured(result: TrialResult, names: Sequence[str], asked: tuple[AskedAnalysis, ...]) -> bool:
    """Whether the trial has tried to measure all of these objectives; another sweep may not have asked for them.

    Args:
        result: of a trial that ended.
        names: what is minimized.
        asked: the analyses of the sweep.
    """
    if result.status != "finished":
        return True
    tried = {part.question for part in (*result.measurements, *result.failed_measurements)}
    return all(tried.issuperset(_questions(result, name, asked)) for name in names if name not in TRAINED)


def _questions(result: TrialResult, name: str, asked: tuple[AskedAnalysis, ...]) -> tuple[Question, ...]:
    """The question whose answer holds the objective, in the form in which the trial can answer it."""
    analysis = objective_names(asked).get(name.partition("/")[0])
    return questions_for(result.spec, (AskedAnalysis(analysis),)) if analysis else ()


def _summary(result: TrialResult, name: str, asked: tuple[AskedAnalysis, ...]) -> Mapping[str, float]:
    questions = _questions(result, name, asked)
    for measurement in result.measurements:
        if measurement.question in questions:
            return measurement.result.summary
    for failed in result.failed_measurements:
        if failed.question in questions:
            raise ResablateError(f"{name}: {failed.reason}")
    raise ResablateError(f"{name}: {', '.join(map(str, questions)) or name.partition('/')[0]} was not measured")


def objective_problem(name: str, asked: tuple[AskedAnalysis, ...]) -> str | None:
    """What is wrong with `name` as an objective, in one line.

    Args:
        name: what is to be minimized.
        asked: the analyses of every trial.
    """
    if name in TRAINED:
        return None
    analysis, slash, number = name.partition("/")
    row = analysis.partition(" ")[0]  # before the arguments, where a name has them
    if name in _TESTED or (row in ANALYSES and ANALYSES[row].examples == "test"):
        return f"{name} would choose by the test set, which is for the report alone; minimize val_error or val_loss"
    if not slash:
        return f"{name!r} is none of {', '.join(TRAINED)}, <analysis>/<number>{nearest(name, TRAINED)}"
    if row not in ANALYSES:
        return str(UnknownName("analysis", row, ANALYSES))
    names = objective_names(asked)
    if analysis not in names:
        choices = ", ".join(f"{known} = {names[known]}" if names[known].arguments else known for known in names)
        return f"{name}: the sweep does not ask {analysis!r} (it asks {choices or 'no analysis but the test'})"
    numbers = _numbers(row)
    known = not numbers or number in numbers
    missing = f"{name}: {row} gives no {number!r}{nearest(number, numbers)} (its numbers: {', '.join(numbers)})"
    return None if known else missing


def objective_note(name: str, asked: tuple[AskedAnalysis, ...]) -> str | None:
    """Which arguments are meant where an objective names an analysis that is asked with several sets of them.

    Args:
        name: what is minimized, without a problem.
        asked: the analyses of every trial.
    """
    analysis, _, number = name.partition("/")
    names = objective_names(asked)
    others = [f"{other}/{number}" for other in names if other.startswith(f"{analysis} ")]
    if not others:
        return None
    meant = f"{name} is that of {names[analysis]}, which is asked first"
    return f"search.minimize: {meant} (there is also {', '.join(others)})"


@lru_cache
def objective_names(asked: tuple[AskedAnalysis, ...]) -> dict[str, Component]:
    """Name -> analysis with every argument, of those that an objective may name.

    The first set of arguments of an analysis goes by the plain name; the others by their arguments too, such as
    `lesion examples 2000`.
    """
    names: dict[str, Component] = {}
    for other in asked:
        analysis = resolve_in(other.analysis, ANALYSES).component
        if analysis.name != TEST and analysis not in names.values():
            names.setdefault(analysis_name(analysis) if analysis.name in names else analysis.name, analysis)
    return names


@lru_cache
def _numbers(analysis: str) -> tuple[str, ...]:
    """The numbers that an analysis sums up, learned from a small network that has everything; empty where it fails."""
    generator = torch.Generator().manual_seed(0)
    network = build_network(depth=14, width=1, in_channels=1, num_classes=2, generator=generator)
    examples = Examples(torch.rand(4, 1, 8, 8, generator=generator), torch.tensor([0, 1, 0, 1]))
    try:
        return tuple(ANALYSES[analysis].run(network, examples, generator=generator).summary)
    except Exception:  # then the first trial tells
        return ()
