"""What a claim compares: one number of each training, or the outcomes of its test examples."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any, Literal

from resablate.component import Component
from resablate.measurement import ANY, PART, POSITIVE, AnalysisResult, Bounds, Outcomes, differences_of
from resablate.question import TEST
from resablate.result import TrialResult

Unit = Literal["fraction", "share", "nats", "1"]
"""Errors and their differences are fractions, shown as points; parts of a whole are shares, shown as per cent."""


class Answers:
    """A training's answers to the questions that were chosen for a comparison.

    Args:
        result: of the training.
        chosen: analysis -> the analysis with the arguments that count here.
    """

    def __init__(self, result: TrialResult, chosen: Mapping[str, Component]) -> None:
        self.result = result
        self._chosen = chosen

    def by_epoch(self, analysis: str) -> dict[int | None, AnalysisResult]:
        """Epoch, None for the end -> the answer."""
        component = self._chosen.get(analysis)
        return {
            m.question.epoch: m.result for m in self.result.measurements if m.question.analysis == component is not None
        }

    def at_end(self, analysis: str) -> AnalysisResult | None:
        """The answer at the end."""
        return self.by_epoch(analysis).get(None)


def _no_arguments() -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class Measure:
    """One number of a training.

    Args:
        name: in words.
        unit: of the number.
        read: a training's answers -> the number; NaN where it is not there.
        analysis: which is asked for it; empty where the training itself tells.
        asked: how a sweep asks for it: arguments, and `epochs`.
        outcomes: where it is the mean of outcomes of test examples: a training -> those, or None.
        top5: whether the outcomes are those of the five largest logits.
        possible: the least and the greatest value that the number can have.
        possible_here: the same of one training, where it hangs on what else was measured of that.
        above_one: what a value above 1 is, as a sentence; empty where that needs no word.
    """

    name: str
    unit: Unit
    read: Callable[[Answers], float]
    analysis: str = ""
    asked: Mapping[str, Any] = field(default_factory=_no_arguments)
    outcomes: Callable[[TrialResult], Outcomes | None] | None = None
    top5: bool = False
    possible: Bounds = ANY
    possible_here: Callable[[Answers], Bounds] | None = None
    above_one: str = ""

    @property
    def differences(self) -> Bounds:
        """The least and the greatest difference of two such numbers."""
        return differences_of(self.possible)


def _test(result: TrialResult, crop: int | None = None) -> AnalysisResult | None:
    """The test at the end: the first, or that at a crop."""
    tests = [m for m in result.measurements if m.question.analysis.name == TEST and m.question.epoch is None]
    return next((m.result for m in tests if crop is None or m.question.analysis.values.get("crop") == crop), None)


def _outcomes(result: TrialResult) -> Outcomes | None:
    tested = _test(result)
    return tested.outcomes if tested else None


ERROR = Measure("test error", "fraction", lambda answers: answers.result.test_error, outcomes=_outcomes, possible=PART)


def error_at(crop: int, *, top5: bool) -> Measure:
    """Top-1 or top-5 error at a test crop, for images of any size."""

    def outcomes(result: TrialResult) -> Outcomes | None:
        tested = _test(result, crop)
        found = tested.outcomes if tested else None
        return None if top5 and found and found.wrong_top5 is None else found

    def read(answers: Answers) -> float:
        tested = _test(answers.result, crop)
        return tested.summary.get("top5_error" if top5 else "error", math.nan) if tested else math.nan

    name = f"top-{5 if top5 else 1} error at a crop of {crop}"
    return Measure(name, "fraction", read, TEST, {"crop": crop}, outcomes, top5, PART)


def loss_at(part: float) -> Callable[[Answers], float]:
    """The training loss after a part of the epochs, 1 for the last."""

    def read(answers: Answers) -> float:
        history = answers.result.history
        return history[max(math.ceil(part * len(history)) - 1, 0)].train_loss if history else math.nan

    return read


TRAIN_LOSS = Measure("final training loss", "nats", loss_at(1.0), possible=POSITIVE)
EARLY = 0.1
"""Of the epochs: what "at the start" means."""


def _early_loss(answers: Answers) -> float:
    history = answers.result.history
    return fmean(epoch.train_loss for epoch in history[: max(round(EARLY * len(history)), 1)]) if history else math.nan


EARLY_LOSS = Measure("training loss over the first tenth of the epochs", "nats", _early_loss, possible=POSITIVE)
CURVE = tuple(
    Measure(f"training loss after {words} of the epochs", "nats", loss_at(part), possible=POSITIVE)
    for part, words in ((0.25, "a quarter"), (0.5, "half"), (0.75, "three quarters"), (1.0, "all"))
)


def _epoch_seconds(answers: Answers) -> float:
    """Of a training by itself: in a pack it waits for the others."""
    result = answers.result
    alone = bool(result.history) and result.pack_size == 1
    return median(epoch.wall_seconds for epoch in result.history) if alone else math.nan


EPOCH_SECONDS = Measure("seconds per epoch of trainings by themselves", "1", _epoch_seconds, possible=POSITIVE)


def table_measure(
    name: str,
    unit: Unit,
    analysis: str,
    number: Callable[[AnalysisResult], float],
    *,
    possible: Bounds = ANY,
    **asked: Any,
) -> Measure:
    """A number taken from one analysis at the end."""

    def read(answers: Answers) -> float:
        found = answers.at_end(analysis)
        return number(found) if found else math.nan

    return Measure(name, unit, read, analysis, asked, possible=possible)
