"""The completed trainings of one sweep or several, by cell and setting, and the numbers of each cell."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from resablate.claims.arms import Fields, Params, flat, given, label, matches, varied, without
from resablate.claims.measures import Answers, Measure
from resablate.component import Component, Scalar, shown_value
from resablate.datasets import DATASETS
from resablate.measurement import ANY, Bounds
from resablate.result import COMPLETE, TrialResult
from resablate.spec import TrainSpec
from resablate.statistics import Sample
from resablate.statistics.chance import chance_error
from resablate.statistics.outcome_samples import sample_of_outcomes
from resablate.statistics.replicates import cells

LEARNED = 0.5
"""A network whose error is above this part of that of guessing has not learned."""
_KEPT_SAMPLES = 64


@dataclass(frozen=True, eq=False)
class ClaimCell:
    """The completed trainings of one cell.

    Args:
        key: `spec.cell`.
        spec: of one of them.
        params: its flat fields without the seed.
        results: finished or diverged, one for each seed, in the order of their seeds.
        seeds: theirs.
    """

    key: str
    spec: TrainSpec
    params: Params
    results: tuple[TrialResult, ...]
    seeds: tuple[int, ...]

    @property
    def finished(self) -> list[tuple[int, TrialResult]]:
        """Seed and result of those that did not diverge."""
        return [(s, r) for s, r in zip(self.seeds, self.results, strict=True) if r.status == "finished"]

    @property
    def diverged(self) -> int:
        """How many diverged."""
        return len(self.results) - len(self.finished)

    @property
    def unlearned(self) -> int:
        """How many finished with an error above half of that of guessing."""
        return sum(not has_learned(result) for _, result in self.finished)


def has_learned(result: TrialResult) -> bool:
    """Whether the test error is at most half of that of guessing; true where the number of classes is unknown."""
    chance = chance_error(result, DATASETS)
    return math.isnan(chance) or result.test_error <= LEARNED * chance


@dataclass(frozen=True)
class Measured:
    """One measure of one cell.

    Args:
        cell: whose.
        sample: over the trainings that have the number; None where none has.
        lacking: how many finished without it.
        note: why outcomes were not used where there are some; empty otherwise.
        possible: the least and the greatest value that the mean can have.
    """

    cell: ClaimCell
    sample: Sample | None
    lacking: int
    note: str = ""
    possible: Bounds = ANY


class Trials:
    """Every completed training, grouped; each cell's outcomes are unpacked once for most claims.

    Args:
        results: of one sweep or several; a training that several have counts once, with most of its measurements.
    """

    def __init__(self, results: Iterable[TrialResult]) -> None:
        by_key: dict[str, TrialResult] = {}
        for result in results:
            if result.status in COMPLETE:
                known = by_key.setdefault(result.key, result)
                if len(result.measurements) > len(known.measurements):
                    by_key[result.key] = result
        self.cells: list[ClaimCell] = []
        for cell in cells(by_key.values()):
            spec = cell.results[0].spec
            self.cells.append(ClaimCell(cell.key, spec, flat(spec), cell.results, cell.seeds))
        self._samples: dict[tuple[str, str], tuple[Sample | None, str]] = {}

    @classmethod
    def planned(cls, specs: Iterable[TrainSpec]) -> Trials:
        """The cells of trainings before any has run."""
        found = cls(())
        by_cell = {spec.cell: spec for spec in specs}
        found.cells = [ClaimCell(key, spec, flat(spec), (), ()) for key, spec in by_cell.items()]
        return found

    def chosen(self, where: Fields) -> list[ClaimCell]:
        """The cells with these fields."""
        return [cell for cell in self.cells if matches(cell.params, where)]

    def settings(self, where: Fields, varies: tuple[str, ...]) -> dict[str, list[ClaimCell]]:
        """Setting in words -> its cells, which are equal in everything but what varies."""
        groups: dict[tuple[tuple[str, Scalar], ...], list[ClaimCell]] = {}
        for cell in self.chosen(where):
            groups.setdefault(without(given(cell.spec), varies), []).append(cell)
        names = _names([dict(key) for key in groups], varies)
        return dict(zip(names, groups.values(), strict=True))

    def measured(self, compared: Sequence[ClaimCell], measure: Measure) -> list[Measured]:
        """One measure of each of the cells that are compared, all by the same question.

        Outcomes of examples are used where all cells have them, and one number for each seed elsewhere.
        """
        chosen = _common_questions(compared, measure)
        drawn = [self._outcomes(cell, measure) if measure.outcomes else (None, "") for cell in compared]
        if measure.outcomes and all(sample is not None for sample, _ in drawn):
            samples = [(cell, sample) for cell, (sample, _) in zip(compared, drawn, strict=True)]
            return [Measured(cell, sample, 0, possible=measure.possible) for cell, sample in samples]
        notes = dict.fromkeys(note for _, note in drawn if note)
        note = f"{'; '.join(notes)}: one number for each seed, test examples fixed" if notes else ""
        return [_of_numbers(cell, measure, chosen, note) for cell in compared]

    def _outcomes(self, cell: ClaimCell, measure: Measure) -> tuple[Sample | None, str]:
        key = (cell.key, measure.name)
        if key not in self._samples:
            if len(self._samples) >= _KEPT_SAMPLES:
                self._samples.pop(next(iter(self._samples)))
            self._samples[key] = _outcome_sample(cell, measure)
        return self._samples[key]


def _outcome_sample(cell: ClaimCell, measure: Measure) -> tuple[Sample | None, str]:
    assert measure.outcomes is not None
    return sample_of_outcomes([(seed, measure.outcomes(result)) for seed, result in cell.finished], top5=measure.top5)


def _of_numbers(cell: ClaimCell, measure: Measure, chosen: Mapping[str, Component], note: str) -> Measured:
    answers = [(seed, Answers(result, chosen)) for seed, result in cell.finished]
    numbers = [(seed, _number(measure, one), one) for seed, one in answers]
    known = [row for row in numbers if math.isfinite(row[1])]
    lacking = len(numbers) - len(known)
    if not known:
        return Measured(cell, None, lacking, note)
    seeds, values, kept = zip(*known, strict=True)
    return Measured(cell, Sample.of_numbers(values, seeds=seeds), lacking, note, _possible(measure, kept))


def _possible(measure: Measure, answers: Sequence[Answers]) -> Bounds:
    """Of the mean over these trainings."""
    if measure.possible_here is None:
        return measure.possible
    lowest, highest = zip(*(measure.possible_here(one) for one in answers), strict=True)
    return fmean(lowest), fmean(highest)


def curves(
    cell: ClaimCell, read: Callable[[Answers], Sequence[float] | None], analysis: str
) -> tuple[list[int], list[Sequence[float]]]:
    """Seeds and curves of the trainings that have one, all by the same question."""
    chosen = _most_common([cell], analysis)
    found = [(seed, _curve(read, Answers(result, chosen))) for seed, result in cell.finished]
    known = [(seed, curve) for seed, curve in found if curve is not None]
    return [seed for seed, _ in known], [curve for _, curve in known]


def _number(measure: Measure, answers: Answers) -> float:
    """The number; NaN where an answer lacks it, as one with other arguments or of an earlier version does."""
    try:
        return measure.read(answers)
    except KeyError:
        return math.nan


def _curve(read: Callable[[Answers], Sequence[float] | None], answers: Answers) -> Sequence[float] | None:
    """The curve; None where an answer lacks it."""
    try:
        return read(answers)
    except KeyError:
        return None


def _common_questions(compared: Sequence[ClaimCell], measure: Measure) -> dict[str, Component]:
    return _most_common(compared, measure.analysis) if measure.analysis else {}


def _most_common(compared: Sequence[ClaimCell], analysis: str) -> dict[str, Component]:
    """The analysis with the arguments that most of the trainings answered."""
    asked = Counter(
        component
        for cell in compared
        for result in cell.results
        for component in dict.fromkeys(m.question.analysis for m in result.measurements)
        if component.name == analysis
    )
    return {analysis: asked.most_common(1)[0][0]} if asked else {}


def _names(groups: Sequence[Params], varies: tuple[str, ...]) -> list[str]:
    """A name for each setting: its data set and depth, and whatever tells it from the other settings.

    Of fields that go together, as those of two sweeps do, the first one tells as much as all of them.
    """
    fields = dict.fromkeys(name for group in groups for name in group)
    shown = [name for name in ("dataset", "depth") if not varied(name, varies)]
    telling: list[str] = []
    known = {_split(groups, name) for name in shown}
    for name in fields:
        if len(set(split := _split(groups, name))) > 1 and split not in known:
            known.add(split)
            telling.append(name)
    names: list[str] = []
    for group in groups:
        parts = [f"depth {group['depth']}" if name == "depth" else str(group.get(name)) for name in shown]
        parts += [
            f"{name.replace('_', ' ')} {shown_value(group[name])}"
            for name in telling
            if name not in shown and group.get(name) is not None
        ]
        names.append(", ".join(parts))
    taken = Counter(names)
    counted: Counter[str] = Counter()
    unique: list[str] = []
    for name in names:
        counted[name] += 1
        unique.append(f"{name} ({counted[name]})" if taken[name] > 1 else name)
    return unique


def _split(groups: Sequence[Params], name: str) -> tuple[int, ...]:
    """For each group the first that is equal in a field: equal for fields that split them alike."""
    values = [group.get(name) for group in groups]
    return tuple(values.index(value) for value in values)


def cell_label(cell: ClaimCell, varies: tuple[str, ...]) -> str:
    """What the cell is in what varies."""
    return label(cell.spec, varies)
