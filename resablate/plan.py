"""From a sweep to the trials it really needs, with everything checked before anything is scheduled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from resablate.check import check_trial, unknown_names
from resablate.errors import SpecError
from resablate.model import NETWORKS
from resablate.registry import keyword_defaults
from resablate.searches import SEARCHES, Adaptive, is_adaptive
from resablate.searches.points import corners
from resablate.searches.random import draw
from resablate.searches.settings import search_problems
from resablate.shortcuts import SHORTCUTS
from resablate.spec import TrainSpec
from resablate.sweep import LARGEST_GRID, Point, SweepSpec, load_sweep, merge

_SHOWN_PROBLEMS = 20
_PROBED_POINTS = 16
"""Points inside the ranges of a search that are checked besides their ends."""


@dataclass(frozen=True)
class SweepPlan:
    """A checked sweep: its different trials, in the order of its points."""

    sweep: SweepSpec
    trials: tuple[TrainSpec, ...]
    """Canonical, each key once; none where a search proposes them one by one."""
    point_count: int
    """Points asked for; more than trials where some ask the same question."""
    notes: tuple[str, ...]
    """What a reader of the sweep should know, one line each."""
    samples: tuple[TrainSpec, ...] = ()
    """Trials like those that the search will propose: the ends of the axes and some between."""

    @property
    def adaptive(self) -> bool:
        """Whether a search proposes the trials one by one."""
        return is_adaptive(self.sweep.search.method)

    @property
    def trial_count(self) -> int:
        """Trials that the sweep consists of, if no proposed point repeats another."""
        return self.point_count * len(self.sweep.search.seeds or [0]) if self.adaptive else len(self.trials)


def load_plan(file: Path) -> SweepPlan:
    """The checked sweep in a YAML file.

    Raises:
        SpecError: every mistake in the file, those in its fields and those in its names together.
    """
    return checked_plan(lambda: load_sweep(file), place=str(file))


def checked_plan(read: Callable[[], SweepSpec], *, place: str) -> SweepPlan:
    """The checked sweep that `read` gives; its mistakes and those in the names of what is sound, together.

    Raises:
        SpecError: if there are any.
    """
    try:
        sweep = read()
    except SpecError as error:
        if not isinstance(error.valid_part, SweepSpec):
            raise
        raise SpecError([*error.problems, *_further_problems(error.valid_part)], place=place) from None
    return plan_sweep(sweep, place=place)


def _further_problems(sound: SweepSpec) -> list[str]:
    """What is wrong with the names and the search of a sweep whose other mistakes were taken out."""
    lists = {axis: values for axis, values in sound.axes.items() if isinstance(values, tuple)}
    listed = sound.model_copy(update={"axes": lists})
    points = listed.points() if listed.grid_size <= LARGEST_GRID else ()
    found = dict.fromkeys(problem for point in points for problem in unknown_names(listed.trial(point)))
    found.update(dict.fromkeys(search_problems(sound)))
    try:
        _known_points(sound)
    except SpecError as error:
        found.update(dict.fromkeys(error.problems))
    return list(found)


def plan_sweep(sweep: SweepSpec, *, place: str = "") -> SweepPlan:
    """The trials of `sweep`.

    A point whose changed knobs have no effect under its others (an argument that its shortcut does not take, the
    strength of no regularizer) is the same trial as another point and is run once.

    Args:
        sweep: as `load_sweep` read it.
        place: where it was written, for error messages.

    Raises:
        SpecError: with every unknown name, every argument that no shortcut of the sweep takes, and every point that
            is no valid trial.
    """
    problems = search_problems(sweep)
    points: list[Point] = []
    try:
        points = _known_points(sweep)
        if not points:
            problems.append("axes: there is no point in this sweep")
    except SpecError as error:
        problems = list(dict.fromkeys([*problems, *error.problems]))
    if problems:
        raise SpecError(problems, place=place)
    adaptive = is_adaptive(sweep.search.method)
    found: dict[str, None] = {}
    named = _argument_names(sweep)
    taken: dict[str, set[str]] = {name: set() for name in named}
    trials: dict[str, TrainSpec] = {}
    for point in points:
        try:
            for spec in _point_trials(sweep, point, taken):
                trials.setdefault(spec.key, spec)
        except SpecError as error:
            found.update(dict.fromkeys(error.problems))
    shortcuts = list(dict.fromkeys(str(merge(sweep.base, point).get("shortcut", "identity")) for point in points))
    for name, takers in taken.items():
        if not takers and all(shortcut in SHORTCUTS for shortcut in shortcuts):
            found[_nobody_takes(name, shortcuts)] = None
    if found:
        problems = list(found)
        hidden = len(problems) - _SHOWN_PROBLEMS
        shown = problems[:_SHOWN_PROBLEMS] + ([f"... and {hidden} more"] if hidden > 0 else [])
        raise SpecError(shown, place=place)
    listed = tuple(trials.values())
    asked = len(points) * len(sweep.search.seeds or [0])
    return SweepPlan(
        sweep=sweep,
        trials=() if adaptive else listed,
        point_count=(sweep.search.trials or 0) if adaptive else asked,
        notes=tuple(_notes(sweep, taken, listed, points=len(listed) if adaptive else asked)),
        samples=listed if adaptive else (),
    )


def point_trials(sweep: SweepSpec, point: Point) -> tuple[TrainSpec, ...]:
    """The trials of a point, canonical: one, or one for each of the search's seeds.

    Raises:
        SpecError: if the point is no valid trial.
    """
    taken: dict[str, set[str]] = {name: set() for name in _argument_names(sweep)}
    return tuple(_point_trials(sweep, point, taken))


def _point_trials(sweep: SweepSpec, point: Point, taken: dict[str, set[str]]) -> Iterator[TrainSpec]:
    for seed in sweep.search.seeds or [None]:
        replicate = point if seed is None else {**point, "seed": seed}
        spec = check_trial(sweep.trial(_effective(sweep, replicate, taken)))
        # Analyses that only the best trials get are no part of what a trial is asked: its key would promise them.
        yield spec if sweep.search.analyze_best is None else check_trial(spec.replace(analyses=()))


def _known_points(sweep: SweepSpec) -> list[Point]:
    """The points of the sweep; of a search that proposes them, those that show whether it can."""
    method = SEARCHES[sweep.search.method]
    return [*corners(sweep), *draw(sweep, _PROBED_POINTS)] if isinstance(method, Adaptive) else method(sweep)


def _argument_names(sweep: SweepSpec) -> list[str]:
    in_base = sweep.base.get("shortcut_args") or {}
    on_axes = [axis.partition(".")[2] for axis in sweep.axes if axis.startswith("shortcut_args.")]
    whole = [value for value in _listed(sweep, "shortcut_args") if isinstance(value, dict)]
    return list(dict.fromkeys([*in_base, *on_axes, *(name for value in whole for name in value)]))


def _listed(sweep: SweepSpec, axis: str) -> list[object]:
    values = sweep.axes.get(axis, ())
    return list(values) if isinstance(values, tuple) else []


def _effective(sweep: SweepSpec, point: Point, taken: dict[str, set[str]]) -> Point:
    """`point` without the arguments that its shortcut does not take; who takes what is noted in `taken`."""
    fields = merge(sweep.base, point)
    shortcut = str(fields.get("shortcut", "identity"))
    given: dict[str, object] = fields.get("shortcut_args") or {}
    if shortcut not in SHORTCUTS or not given:
        return point
    takes = keyword_defaults(SHORTCUTS[shortcut])
    for name in given:
        if name in takes:
            taken[name].add(shortcut)
    kept = {name: value for name, value in given.items() if name in takes}
    plain = {axis: value for axis, value in point.items() if not axis.startswith("shortcut_args")}
    return {**plain, "shortcut_args": kept}


def _nobody_takes(name: str, shortcuts: list[str]) -> str:
    choices = "; ".join(
        f"{shortcut} takes {', '.join(keyword_defaults(SHORTCUTS[shortcut])) or 'none'}" for shortcut in shortcuts
    )
    return f"shortcut_args.{name}: no shortcut of this sweep takes it ({choices})"


def _notes(sweep: SweepSpec, taken: dict[str, set[str]], trials: Sequence[TrainSpec], *, points: int) -> list[str]:
    shortcuts = dict.fromkeys(spec.shortcut for spec in trials)
    notes = [
        f"shortcut_args.{name} has no effect on {', '.join(others)}, which run once, without it"
        for name, takers in taken.items()
        if (others := [shortcut for shortcut in shortcuts if shortcut not in takers])
    ]
    if points > len(trials):
        notes.append(f"{points} points make {len(trials)} different trials; the others would repeat one of these")
    if is_adaptive(sweep.search.method):
        notes.append(f"{sweep.search.method} proposes the trials one by one, such as these")
    if best := sweep.search.analyze_best:
        notes.append(f"analyses are run on the best {best} trials alone, by {sweep.search.minimize[0]}, at the end")
    networks = dict.fromkeys(spec.network for spec in trials)
    return notes + [note for network in networks if (note := _unlike_published(sweep, network))]


def _unlike_published(sweep: SweepSpec, network: str) -> str:
    """What the sweep does not write and would not be as in the network's papers; empty where all is."""
    unwritten = TrainSpec().params().keys() - sweep.base.keys() - sweep.axes.keys() - {"shortcut_args"}
    own = {name: value for name, value in keyword_defaults(NETWORKS[network].build).items() if name in unwritten}
    other = {name: getattr(TrainSpec(), name) for name in own if getattr(TrainSpec(), name) != own[name]}
    told = ", ".join(f"{name} {value} (published: {own[name]})" for name, value in other.items())
    return f"{network} is built with {told}, as the sweep writes nothing else" if told else ""
