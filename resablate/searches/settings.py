"""What can be wrong with a sweep's `search` block."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable

from resablate.analyses import ANALYSES
from resablate.errors import SpecError
from resablate.question import TEST
from resablate.searches import SEARCHES, Adaptive, is_adaptive
from resablate.searches.objectives import TRAINED, objective_problem
from resablate.searches.points import ends
from resablate.searches.pruning import PAUSING, PRUNINGS
from resablate.spec import TrainSpec
from resablate.sweep import Range, SweepSpec


def search_problems(sweep: SweepSpec) -> list[str]:
    """One line for each mistake in `search`, and for each of its settings that does not fit the rest of the sweep."""
    found = [*_method_problems(sweep), *_range_problems(sweep), *_objective_problems(sweep), *_seed_problems(sweep)]
    return [
        *found,
        *_pruning_problems(sweep),
        *_best_problems(sweep),
        *_round_problems(sweep),
        *_replicate_problems(sweep),
    ]


def _method_problems(sweep: SweepSpec) -> list[str]:
    search = sweep.search
    try:
        method = SEARCHES[search.method]
    except SpecError as error:
        return error.problems
    found: list[str] = []
    if isinstance(method, Adaptive):
        if search.trials is None:
            found.append(f"search.trials: method: {search.method} needs the number of trials")
        if not sweep.space:
            found.append(f"axes: method: {search.method} needs at least one axis")
    if len(search.minimize) > 1 and not (isinstance(method, Adaptive) and method.many_objectives):
        able = [name for name, row in SEARCHES.items() if isinstance(row, Adaptive) and row.many_objectives]
        found.append(
            f"search.minimize: method: {search.method} takes one objective, got {_listed(search.minimize)};"
            f" several are for {' and '.join(able)}"
        )
    return found


def _range_problems(sweep: SweepSpec) -> list[str]:
    return [
        f"axes.{axis}: takes whole numbers, and there is none from {span.low} to {span.high}"
        for axis, span in sweep.axes.items()
        if isinstance(span, Range) and operator.gt(*ends(axis, span))
    ]


def _objective_problems(sweep: SweepSpec) -> list[str]:
    names, asked = sweep.search.minimize, sweep.analyses
    found = [f"search.minimize: {problem}" for name in names if (problem := objective_problem(name, asked))]
    if len(set(names)) < len(names):
        found.append(f"search.minimize: every objective once, got {_listed(names)}")
    return found


def _seed_problems(sweep: SweepSpec) -> list[str]:
    seeds = sweep.search.seeds
    if seeds is None:
        return []
    found: list[str] = []
    if len(set(seeds)) < len(seeds):
        found.append(f"search.seeds: every seed once, got {list(seeds)}")
    if place := next((place for place, names in _places(sweep).items() if "seed" in names), None):
        found.append(f"search.seeds: {place}.seed is set too; write the seeds in one place")
    return found


def _pruning_problems(sweep: SweepSpec) -> list[str]:
    search = sweep.search
    try:
        PRUNINGS[search.pruning]
    except SpecError as error:
        return [f"search.pruning: {problem}" for problem in error.problems]
    if search.pruning == "none":
        return []
    found: list[str] = []
    if len(search.minimize) > 1:
        found.append(f"search.pruning: {search.pruning} compares one number; minimize is {_listed(search.minimize)}")
    if search.seeds:
        found.append(
            f"search.pruning: {search.pruning} stops single trials, and search.seeds asks for a mean over whole ones;"
            " remove one of the two"
        )
    if lengths := [name for name in ("epochs", "iterations") if name in sweep.swept]:
        found.append(
            f"search.pruning: {search.pruning} compares trials after the same parts of their epochs, which must be as"
            f" many for all; {' and '.join(lengths)} is swept"
        )
    if search.method == "gp":
        found.append(
            f"search.pruning: gp learns from whole trials alone, and {search.pruning} leaves few of those; use tpe, or"
            " pruning: none"
        )
    pack = sweep.resources.pack
    if search.pruning in PAUSING and isinstance(pack, int) and pack > 1:
        found.append(
            f"resources.pack: {search.pruning} has trials wait for each other, which members of a pack cannot, got"
            f" {pack}; leave it out, or use asha or median"
        )
    if search.pruning == "hyperband" and search.method in SEARCHES and is_adaptive(search.method):
        found.append(
            f"search.pruning: hyperband waits for whole brackets of trials, so {search.method} would propose its"
            " points before any has ended; use asha or median"
        )
    return found


def _best_problems(sweep: SweepSpec) -> list[str]:
    search = sweep.search
    if search.analyze_best is None:
        return []
    found: list[str] = []
    if needed := [name for name in search.minimize if name not in TRAINED]:
        found.append(f"search.analyze_best: minimize needs {_listed(needed)} of every trial; remove one of the two")
    if all(asked.analysis.name == TEST for asked in sweep.analyses):
        found.append(
            f"search.analyze_best: the sweep asks no analysis but {TEST}, which every trial is asked; add one to"
            f" analyses (known: {', '.join(ANALYSES)})"
        )
    found += [
        f"search.analyze_best: {asked.analysis.name} is asked after epochs {', '.join(map(str, asked.epochs))}, and"
        " which trials are the best is known at the end alone; remove one of the two"
        for asked in sweep.analyses
        if asked.epochs and asked.analysis.name != TEST
    ]
    return found


def _replicate_problems(sweep: SweepSpec) -> list[str]:
    """What does not go with new seeds of a search's winner."""
    search = sweep.search
    if search.replicate is None:
        return ["baseline: is what search.replicate compares the winner with; remove it, or ask for both"] * bool(
            sweep.baseline
        )
    found: list[str] = []
    if search.method == "grid":
        found.append("search.replicate: grid chooses no winner; use a search, or rounds of seeds: {until: decided}")
    if len(search.minimize) > 1:
        found.append(f"search.replicate: needs one winner, and minimize is {_listed(search.minimize)}")
    if any(name.partition(".")[0] == "dataset" for name in sweep.baseline):
        found.append("baseline.dataset: winner and baseline are compared on the same examples; remove it")
    if "seed" in sweep.baseline:
        found.append("baseline.seed: the baseline gets the same new seeds as the winner; remove it")
    return found


def _round_problems(sweep: SweepSpec) -> list[str]:
    """What does not go with seeds that come in rounds."""
    if sweep.seeds is None:
        return []
    search, told = sweep.search, "seeds come in rounds, 0, 1, 2, ... of each cell"
    places = [f"{place}.seed" for place, names in _places(sweep).items() if "seed" in names]
    found = [
        f"seeds: {place} is set too, and {told}; write the seeds in one place"
        for place in [*places, *(["search.seeds"] if search.seeds else [])]
    ]
    if search.method in SEARCHES and is_adaptive(search.method):
        found.append(
            f"seeds: {search.method} proposes its points one by one, and rounds compare cells that are known ahead; use"
            " search.replicate for new seeds of what it finds"
        )
    if search.pruning != "none":
        found.append(
            f"seeds: search.pruning {search.pruning} stops trainings by their outcome, which then do not count"
        )
    if search.analyze_best:
        found.append("seeds: search.analyze_best asks analyses when all has ended; remove one of the two")
    return found


def held_out_problems(sweep: SweepSpec, trials: Iterable[TrainSpec]) -> list[str]:
    """One line where a trial of the sweep holds out no images and the sweep goes by their error or loss.

    Args:
        sweep: its search.
        trials: of it, or samples of those that the search will propose.
    """
    search = sweep.search
    goers = [
        *([f"search.method: {search.method}"] if search.method != "grid" and {*search.minimize} & {*TRAINED} else []),
        *([f"search.pruning: {search.pruning}"] if search.pruning != "none" else []),
        *(["search.analyze_best"] if search.analyze_best is not None else []),
    ]
    if not goers or all(spec.dataset.values.get("val_fraction") != 0 for spec in trials):
        return []
    return [
        f"dataset.val_fraction: 0 holds out no images, and {' and '.join(goers)} chooses by {' and '.join(TRAINED)} of"
        " such; hold some out, or use a grid of every point"
    ]


def _places(sweep: SweepSpec) -> dict[str, Collection[str]]:
    """The fields and arguments that each part of the file sets."""
    return {"axes": sweep.axes, "cases": {name for case in sweep.cases for name in case}, "base": sweep.base}


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names)
