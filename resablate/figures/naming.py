"""One name for one question in a whole report, whichever trial answers it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from resablate.answerable import check_asked, questions_for
from resablate.component import Component, Value
from resablate.errors import SpecError
from resablate.question import TEST, AskedAnalysis, Question, analysis_name
from resablate.result import COMPLETE, TrialResult
from resablate.spec import TrainSpec
from resablate.strict_yaml import parse_yaml


class Additional(NamedTuple):
    """An analysis with arguments, or after epochs, that the sweep does not ask for, and that some trials answered."""

    analysis: Component
    epochs: tuple[int, ...]
    """Besides the end."""
    keys: tuple[str, ...]
    """Of the trials that answered; empty if all that ended did."""

    def commands(self, sweep: str) -> list[str]:
        """What a person types to measure it again: one line, or one for each trial if not all have it."""
        name, epochs = self.analysis.name, {"epochs": self.epochs} if self.epochs else {}
        given = {**self.analysis.arguments, **epochs}
        words = [name, *(_assignment(f"{name}.{argument}", value) for argument, value in given.items())]
        return [f"resablate analyze {target} {' '.join(words)}" for target in self.keys or [sweep]]

    def __str__(self) -> str:
        """For people: `lesion(examples=50), also after epochs 0 and 5`."""
        if not self.epochs:
            return str(self.analysis)
        listed = " and ".join(map(str, self.epochs))
        return f"{self.analysis}, also after epoch{'s' if len(self.epochs) > 1 else ''} {listed}"


@dataclass(frozen=True)
class NamedResults:
    """Results whose analyses go by one name for one question, and what was measured besides the sweep's questions."""

    results: tuple[TrialResult, ...]
    """In `analyses` of each, the sweep's questions come first."""
    additional: tuple[Additional, ...]


def name_analyses(results: Sequence[TrialResult], asked: Sequence[AskedAnalysis]) -> NamedResults:
    """Have the sweep's own questions go by the plain names of their analyses, and others by names with their arguments.

    `TrialResult.analyses` names the answers of one trial. Trials that answered different questions of one analysis must
    not share a name in a report, or its medians would be over numbers that mean different things.

    Args:
        results: of the sweep's trials, with all their measurements.
        asked: what the sweep asks.
    """
    names: dict[Component, str] = {}
    known = [_checked(analysis) for analysis in asked]
    own = [_own_questions(result.spec, known, names) for result in results]
    for result in results:
        for measurement in result.measurements:
            analysis = measurement.question.analysis
            if analysis not in names:
                names[analysis] = _free_name(analysis, set(names.values()))
    named = [
        _renamed(result.in_order_of(list(questions)), names) for result, questions in zip(results, own, strict=True)
    ]
    return NamedResults(tuple(named), _additional(results, own))


def _own_questions(
    spec: TrainSpec, asked: Sequence[AskedAnalysis], names: dict[Component, str]
) -> dict[Question, None]:
    """The sweep's questions to one trial in canonical form; the names of their analyses are added to `names`."""
    found: dict[Question, None] = {}
    taken: dict[str, Component] = {}
    for analysis in asked:
        plain = taken.setdefault(analysis.analysis.name, analysis.analysis) == analysis.analysis
        for question in _canonical_questions(spec, analysis):
            found[question] = None
            names.setdefault(question.analysis, analysis.analysis.name if plain else _long_name(analysis.analysis))
    tests = [Question(Component(TEST))] if TEST not in taken else []
    names.update({question.analysis: TEST for question in tests})
    return dict.fromkeys([*tests, *found])


def _checked(analysis: AskedAnalysis) -> AskedAnalysis:
    try:
        return check_asked([analysis])[0]
    except SpecError:  # an analysis of a package that is not installed here
        return analysis


def _canonical_questions(spec: TrainSpec, analysis: AskedAnalysis) -> Iterable[Question]:
    try:
        return questions_for(spec, [analysis])
    except SpecError:  # an analysis or data set of a package that is not installed here
        return analysis.questions()


def _free_name(analysis: Component, taken: set[str]) -> str:
    """The plain name if it is free; else one with the arguments."""
    return _long_name(analysis) if analysis.name in taken else analysis.name


def _long_name(analysis: Component) -> str:
    return analysis_name(analysis) if analysis.arguments else f"{analysis.name} defaults"


def _renamed(result: TrialResult, names: dict[Component, str]) -> TrialResult:
    measurements = tuple(
        replace(measurement, question=replace(measurement.question, analysis=Component(names[analysis])))
        for measurement in result.measurements
        if (analysis := measurement.question.analysis)
    )
    return result.model_copy(update={"measurements": measurements})


def _additional(results: Sequence[TrialResult], own: Sequence[dict[Question, None]]) -> tuple[Additional, ...]:
    """What was measured besides the sweep's questions, trials with the same of an analysis together."""
    found: dict[tuple[Component, tuple[int, ...]], list[str]] = {}
    for result, questions in zip(results, own, strict=True):
        epochs: dict[Component, list[int]] = {}
        for question in (measurement.question for measurement in result.measurements):
            if question not in questions:
                after = epochs.setdefault(question.analysis, [])
                after += [] if question.epoch is None else [question.epoch]
        for analysis, after in epochs.items():
            found.setdefault((analysis, tuple(sorted(after))), []).append(result.key)
    ended = {result.key for result in results if result.status in COMPLETE}
    return tuple(
        Additional(analysis, epochs, () if ended <= set(keys) else tuple(keys))
        for (analysis, epochs), keys in found.items()
    )


def _assignment(name: str, value: Value) -> str:
    """`name=value` as a shell and the command line read it."""
    plain = list(value) if isinstance(value, tuple) else value
    text = str(plain) if isinstance(plain, str) and _is_read_as_itself(plain) else json.dumps(plain)
    return shlex.quote(f"{name}={text}")


def _is_read_as_itself(text: str) -> bool:
    try:
        return parse_yaml(text, place="") == text
    except SpecError:
        return False
