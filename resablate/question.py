"""`Question`: an analysis with its arguments, put to a network after an epoch of its training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from resablate.component import Component, content_hash, shown_value

TEST = "test"
"""The analysis that measures the test error; every trained network is put to it."""
_ID_DIGITS = 10
"""Hexadecimal digits of an id: 40 bits, so a hundred questions of one trial collide with a chance of 5e-9."""


@dataclass(frozen=True)
class Question:
    """One question to one network.

    Args:
        analysis: a row of ANALYSES with its arguments.
        epoch: after so many epochs of training; 0 before the first step, None at the end.
    """

    analysis: Component
    epoch: int | None = None

    @property
    def id(self) -> str:
        """A short content key: equal for equal questions, whoever asks."""
        return content_hash([self.analysis.brief(), self.epoch], _ID_DIGITS)

    @property
    def name(self) -> str:
        """The analysis, with the arguments that differ from its defaults: `lesion examples 2000`."""
        return analysis_name(self.analysis)

    def __str__(self) -> str:
        """For people: `lesion(examples=2000) after epoch 5`."""
        return str(self.analysis) + ("" if self.epoch is None else f" after epoch {self.epoch}")


def analysis_name(analysis: Component) -> str:
    """A name for charts and files: the analysis, and the arguments that differ from its defaults."""
    arguments = [f" {name} {shown_value(value)}" for name, value in analysis.arguments.items()]
    return analysis.name + "".join(arguments).replace(",", " ").replace("/", " ")


@dataclass(frozen=True)
class AskedAnalysis:
    """An analysis as a sweep asks for it.

    Args:
        analysis: a row of ANALYSES with its arguments.
        epochs: after which it is asked too, besides the end.
    """

    analysis: Component
    epochs: tuple[int, ...] = ()

    def questions(self) -> list[Question]:
        """One for each moment, the end last."""
        return [*(Question(self.analysis, epoch) for epoch in self.epochs), Question(self.analysis)]

    def plain(self) -> dict[str, Any]:
        """The arguments and epochs as a sweep file holds them."""
        given = {name: list(v) if isinstance(v, tuple) else v for name, v in self.analysis.arguments.items()}
        return {**given, **({"epochs": list(self.epochs)} if self.epochs else {})}


def all_questions(asked: Iterable[AskedAnalysis]) -> list[Question]:
    """Every question once, in the order of asking."""
    return list(dict.fromkeys(question for analysis in asked for question in analysis.questions()))


def missing_questions(
    questions: Iterable[Question], *, measured: Iterable[str], unmeasured: Iterable[str] = ()
) -> tuple[Question, ...]:
    """Those of `questions` that have neither been answered nor failed.

    Args:
        questions: what is asked.
        measured: ids of those that were answered.
        unmeasured: ids of those that failed and are not to be tried again.
    """
    known = {*measured, *unmeasured}
    return tuple(question for question in questions if question.id not in known)
