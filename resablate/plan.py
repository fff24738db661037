"""From a sweep to the trainings and questions it really needs, with everything checked before anything is scheduled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, cast

from resablate.answerable import check_asked, questions_for, unanswerable
from resablate.argument_takers import ArgumentTakers
from resablate.check import check_trial, unknown_names
from resablate.claims.family import Family, rounds_family, unknown_claims
from resablate.component import Component
from resablate.datasets import load_dataset
from resablate.errors import SpecError
from resablate.pack_notes import pack_problems
from resablate.plan_notes import plan_notes
from resablate.question import TEST, AskedAnalysis, Question
from resablate.searches import SEARCHES, Adaptive, is_adaptive
from resablate.searches.points import corners
from resablate.searches.random import draw
from resablate.searches.settings import held_out_problems, search_problems
from resablate.session import TrialRequest
from resablate.spec import TrainSpec
from resablate.sweep import LARGEST_GRID, Point, SweepSpec, ValidPart, load_sweep

_SHOWN_PROBLEMS = 20
_PROBED_POINTS = 16
"""Points inside the ranges of a search that are checked besides their ends."""


@dataclass(frozen=True)
class SweepPlan:
    """A checked sweep: its different trainings, in the order of its points, and what is asked of them."""

    sweep: SweepSpec
    trials: tuple[TrainSpec, ...]
    """Canonical, each key once; none where a search proposes them one by one."""
    point_count: int
    """Points asked for; more than trials where some are the same training."""
    asked: tuple[AskedAnalysis, ...]
    """What is asked of every network that can answer, with every argument filled in."""
    notes: tuple[str, ...] = ()
    """What a reader of the sweep should know, one line each."""
    samples: tuple[TrainSpec, ...] = ()
    """Trials like those that the search will propose: the ends of the axes and some between."""
    fingerprints: Mapping[Component, str] = field(default_factory=dict[Component, str])
    """Data set as it is written -> the fingerprint of its content, once it was loaded."""

    @property
    def adaptive(self) -> bool:
        """Whether a search proposes the trials one by one."""
        return is_adaptive(self.sweep.search.method)

    @property
    def trial_count(self) -> int:
        """Trials that the sweep consists of, if no proposed point repeats another."""
        return self.point_count * len(self.sweep.search.seeds or [0]) if self.adaptive else len(self.trials)

    @property
    def most_trials(self) -> int:
        """Trials that there may be, with those that are added as others end."""
        family = self.family()
        if family is None:
            return self.trial_count + 2 * len(self.sweep.new_seeds)
        return len(self.replicates(dict.fromkeys(family.cells, family.rounds.seeds[-1])))

    @property
    def asked_of_all(self) -> tuple[AskedAnalysis, ...]:
        """What is asked of every trial; where only the best are analyzed, the test alone."""
        if self.sweep.search.analyze_best is None:
            return self.asked
        return tuple(analysis for analysis in self.asked if analysis.analysis.name == TEST)

    @property
    def asked_names(self) -> list[str]:
        """What is asked, in words: `lesion(examples=2000)`, `spectrum, also after epochs 0, 5`."""
        return [
            f"{asked.analysis}" + (f", also after epochs {', '.join(map(str, asked.epochs))}" if asked.epochs else "")
            for asked in self.asked
        ]

    def questions(self, spec: TrainSpec) -> tuple[Question, ...]:
        """What is asked of a trial."""
        return questions_for(spec, self.asked if spec.seed in self.sweep.new_seeds else self.asked_of_all)

    def request(self, spec: TrainSpec) -> TrialRequest:
        """A trial with what is asked of it."""
        return TrialRequest(spec, self.questions(spec))

    def family(self) -> Family | None:
        """What the rounds of seeds decide; None where seeds do not come in rounds."""
        return rounds_family([self.sweep], self.trials, self.asked)

    def replicates(self, counts: Mapping[str, int]) -> tuple[TrainSpec, ...]:
        """The trainings of each cell with the seeds from 0 on, as many as `counts` says, else those of the first round.

        The cells are those of `trials`, in their order.
        """
        cells = {spec.cell: spec for spec in self.trials}
        least = len(self.sweep.point_seeds)
        return tuple(
            spec.model_copy(update={"seed": seed})
            for cell, spec in cells.items()
            for seed in range(counts.get(cell, least))
        )

    def new_replicates(self, winner: TrainSpec) -> tuple[TrainSpec, ...]:
        """The winner of the search and its baseline, if they are two, with the seeds that the search never used."""
        fields = ArgumentTakers(self.sweep).effective(baseline_fields(self.sweep))
        baseline = _with_fingerprint(check_trial(TrainSpec.parse(fields)), self.fingerprints)
        cells = {spec.cell: spec for spec in (winner, baseline)}
        return tuple(spec.model_copy(update={"seed": seed}) for spec in cells.values() for seed in self.sweep.new_seeds)

    def identified(self, data_root: Path | None) -> SweepPlan:
        """The plan with the fingerprint of its data in every trial, which makes the keys final.

        Raises:
            DatasetError: if a data set is missing or broken.
        """
        datasets = dict.fromkeys(spec.written_dataset for spec in (*self.trials, *self.samples))
        return self.with_fingerprints({one: load_dataset(one, data_root).fingerprint() for one in datasets})

    def identified_by(self, specs: Iterable[TrainSpec]) -> SweepPlan:
        """The plan with the fingerprints that trainings of the same data sets have, wherever the data lie."""
        return self.with_fingerprints({s.written_dataset: s.fingerprint for s in specs if s.fingerprint})

    def with_fingerprints(self, found: Mapping[Component, str]) -> SweepPlan:
        """The plan with these fingerprints, by the data set as it is written, in every trial."""
        trials = {spec.key: spec for spec in (_with_fingerprint(spec, found) for spec in self.trials)}
        samples = tuple(_with_fingerprint(spec, found) for spec in self.samples)
        return replace(self, trials=tuple(trials.values()), samples=samples, fingerprints=found)

    def point_trials(self, point: Point) -> tuple[TrainSpec, ...]:
        """The trials of a point, canonical: one, or one for each of the search's seeds.

        Raises:
            SpecError: if the point is no valid trial.
        """
        found = _point_trials(self.sweep, point, ArgumentTakers(self.sweep))
        return tuple(_with_fingerprint(spec, self.fingerprints) for spec in found)


def baseline_fields(sweep: SweepSpec) -> dict[str, object]:
    """The base without what is swept, changed as `baseline` says."""
    return {**sweep.base, **sweep.baseline}


def _with_fingerprint(spec: TrainSpec, fingerprints: Mapping[Component, str]) -> TrainSpec:
    known = fingerprints.get(spec.written_dataset)
    return spec if known is None else spec.with_fingerprint(known)


def load_plan(file: Path, changes: Mapping[str, object] = {}) -> SweepPlan:
    """The checked sweep in a YAML file; arguments as those of `load_sweep`.

    Raises:
        SpecError: every mistake in the file, those in its fields and those in its names together.
    """
    return checked_plan(lambda: load_sweep(file, changes), place=str(file))


def checked_plan(read: Callable[[], SweepSpec], *, place: str) -> SweepPlan:
    """The checked sweep that `read` returns; its mistakes and those in the names of its valid part, together.

    Raises:
        SpecError: if there are any.
    """
    try:
        sweep = read()
    except SpecError as error:
        if not isinstance(error.valid_part, ValidPart):
            raise
        part = error.valid_part
        found = dict.fromkeys([*error.problems, *_further_problems(part), *unknown_claims(part.claims)])
        raise SpecError(found, place=place) from None
    return plan_sweep(sweep, place=place)


def _further_problems(part: ValidPart) -> list[str]:
    """What is wrong with the names, the questions and the search of a sweep without its other mistakes."""
    valid = part.sweep
    if part.whole:
        return list(_survey(valid).problems)
    listed = valid.model_copy(update={"axes": {a: v for a, v in valid.axes.items() if isinstance(v, tuple)}})
    points = listed.points() if listed.grid_size <= LARGEST_GRID else ()
    takers = ArgumentTakers(valid)
    found: dict[str, None] = {}
    for point in points:
        try:
            found.update(dict.fromkeys(unknown_names(TrainSpec.parse(takers.effective(listed.fields(point))))))
        except SpecError as error:
            found.update(dict.fromkeys(error.problems))
    found.update(dict.fromkeys(search_problems(valid)))
    for look in (lambda: check_asked(valid.analyses), lambda: _known_points(valid)):
        try:
            look()
        except SpecError as error:
            found.update(dict.fromkeys(error.problems))
    return list(found)


class _Survey(NamedTuple):
    """What a sweep consists of, and everything that is wrong with it."""

    points: list[Point]
    trials: tuple[TrainSpec, ...]
    asked: tuple[AskedAnalysis, ...]
    takers: ArgumentTakers
    problems: dict[str, None]


def _survey(sweep: SweepSpec) -> _Survey:
    problems = dict.fromkeys(search_problems(sweep))
    points: list[Point] = []
    try:
        asked = check_asked(sweep.analyses)
    except SpecError as error:
        problems.update(dict.fromkeys(error.problems))
        asked = cast(tuple[AskedAnalysis, ...], error.valid_part)
    try:
        points = _known_points(sweep)
        if not points:
            problems["axes: there is no point in this sweep"] = None
    except SpecError as error:
        problems.update(dict.fromkeys(error.problems))
    takers = ArgumentTakers(sweep)
    trials: dict[str, TrainSpec] = {}
    others: dict[str, TrainSpec | None] = {}
    for point in points:
        try:
            for spec in _point_trials(sweep, point, takers):
                trials.setdefault(spec.key, spec)
        except SpecError as error:
            problems.update(dict.fromkeys(error.problems))
            others[str(error)] = error.valid_part if isinstance(error.valid_part, TrainSpec) else None
    listed = tuple(trials.values())
    problems.update(dict.fromkeys(held_out_problems(sweep, listed)))
    problems.update(dict.fromkeys(takers.problems() if points else []))
    # A trial that is wrong in something else tells by its data what it could have answered.
    problems.update(dict.fromkeys(pack_problems(listed, sweep.resources)))
    known = [spec for spec in others.values() if spec is not None]
    if len(known) == len(others):
        problems.update(dict.fromkeys(unanswerable([*listed, *known], asked)))
    if sweep.search.replicate and points:
        try:
            check_trial(TrainSpec.parse(takers.effective(baseline_fields(sweep))))
        except SpecError as error:
            problems.update(dict.fromkeys(f"baseline: {problem}" for problem in error.problems))
    problems.update(dict.fromkeys(unknown_claims((sweep.seeds and sweep.seeds.claims) or ())))
    if not problems:
        try:
            rounds_family([sweep], listed, asked)
        except SpecError as error:
            problems.update(dict.fromkeys(error.problems))
    return _Survey(points, listed, asked, takers, problems)


def plan_sweep(sweep: SweepSpec, *, place: str = "") -> SweepPlan:
    """The trainings and questions of `sweep`.

    A point whose changed values have no effect under its others (an argument that its component does not take, the
    strength of no regularizer) is the same training as another point and is run once.

    Args:
        sweep: as `load_sweep` read it.
        place: where it was written, for error messages.

    Raises:
        SpecError: with every unknown name, every argument that no component of the sweep takes, every question that no
            trial can answer, and every point that is no valid trial.
    """
    points, listed, asked, takers, problems = _survey(sweep)
    if problems:
        hidden = len(problems) - _SHOWN_PROBLEMS
        shown = list(problems)[:_SHOWN_PROBLEMS] + ([f"... and {hidden} more"] if hidden > 0 else [])
        raise SpecError(shown, place=place)
    adaptive = is_adaptive(sweep.search.method)
    count = len(points) * len(sweep.point_seeds or [0])
    return SweepPlan(
        sweep=sweep,
        trials=() if adaptive else listed,
        point_count=(sweep.search.trials or 0) if adaptive else count,
        asked=asked,
        notes=tuple(plan_notes(sweep, takers, listed, points=points, asked_for=len(listed) if adaptive else count)),
        samples=listed if adaptive else (),
    )


def _point_trials(sweep: SweepSpec, point: Point, takers: ArgumentTakers) -> Iterator[TrainSpec]:
    for seed in sweep.point_seeds or [None]:
        fields = sweep.fields(point) if seed is None else {**sweep.fields(point), "seed": seed}
        yield check_trial(TrainSpec.parse(takers.effective(fields)))


def _known_points(sweep: SweepSpec) -> list[Point]:
    """The points of the sweep; of a search that proposes them, those that show whether it can."""
    method = SEARCHES[sweep.search.method]
    return [*corners(sweep), *draw(sweep, _PROBED_POINTS)] if isinstance(method, Adaptive) else method(sweep)
