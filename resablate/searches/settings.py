"""What can be wrong with a sweep's `search` block."""

from __future__ import annotations

from resablate.analyses import ANALYSES
from resablate.errors import SpecError
from resablate.searches import SEARCHES, Adaptive, is_adaptive
from resablate.searches.objectives import TRAINED, objective_problem
from resablate.searches.pruning import PRUNINGS
from resablate.spec import TrainSpec
from resablate.sweep import SweepSpec


def search_problems(sweep: SweepSpec) -> list[str]:
    """One line for each mistake in the names and numbers of `search`, and for what does not go together."""
    found = [*_method_problems(sweep), *_objective_problems(sweep), *_seed_problems(sweep)]
    return [*found, *_pruning_problems(sweep), *_best_problems(sweep)]


def analyses_of(sweep: SweepSpec) -> tuple[str, ...]:
    """The analyses that every trial of the sweep is asked for."""
    given = sweep.axes.get("analyses")
    lists = given if isinstance(given, tuple) else [sweep.base.get("analyses", TrainSpec().analyses)]
    return tuple(name for name in lists[0] if all(name in names for names in lists))


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
        if not sweep.axes:
            found.append(f"axes: method: {search.method} needs at least one axis")
    if len(search.minimize) > 1 and not (isinstance(method, Adaptive) and method.many_objectives):
        able = [name for name, row in SEARCHES.items() if isinstance(row, Adaptive) and row.many_objectives]
        found.append(
            f"search.minimize: method: {search.method} takes one objective, got {_listed(search.minimize)};"
            f" several are for {' and '.join(able)}"
        )
    return found


def _objective_problems(sweep: SweepSpec) -> list[str]:
    names = sweep.search.minimize
    analyses = analyses_of(sweep)
    found = [f"search.minimize: {problem}" for name in names if (problem := objective_problem(name, analyses))]
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
    if place := next((place for place in ("axes", "base") if "seed" in getattr(sweep, place)), None):
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
    if search.method == "gp":
        found.append(
            f"search.pruning: gp learns from whole trials alone, and {search.pruning} leaves few of those; use tpe, or"
            " pruning: none"
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
    if not analyses_of(sweep) or "analyses" in sweep.axes:
        found.append(
            f"search.analyze_best: needs base.analyses, one list for every trial (known: {', '.join(ANALYSES)})"
        )
    if "analysis_epochs" in {**sweep.base, **sweep.axes}:
        found.append("search.analyze_best: analysis_epochs asks for analyses during training, of every trial")
    return found


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names)
