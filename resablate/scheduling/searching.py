"""What a sweep with a search needs besides its trials: what is known already, and analyses of the best."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from resablate.analyses import ANALYSES
from resablate.errors import SpecError, UnknownSweep
from resablate.plan import SweepPlan, point_trials
from resablate.registry import arguments
from resablate.result import COMPLETE, TrialResult
from resablate.scheduling.analyze import StoredTrial, analyze_trials
from resablate.scheduling.filing import spooled
from resablate.scheduling.inline import Scheduler
from resablate.searches.objectives import objective
from resablate.searches.searcher import Searcher
from resablate.searches.settings import analyses_of
from resablate.spec import TrialSpec
from resablate.sweep import SweepSpec
from resablate.tracking import Tracker


@dataclass(frozen=True)
class Left:
    """What is left to run of a sweep."""

    listed: tuple[TrialSpec, ...]
    """Canonical specs; none where a search proposes them."""
    search: Searcher | None
    """What proposes trials one by one."""
    before: tuple[TrialSpec, ...]
    """Trials that ended before."""

    @property
    def trials(self) -> Sequence[TrialSpec] | Searcher:
        """What is to be run."""
        return self.search or self.listed

    @property
    def total(self) -> int:
        """How many trials are left."""
        return self.search.total if self.search else len(self.listed)

    @property
    def reused(self) -> dict[str, TrialSpec]:
        """By key, the trials that are not run because they ended before."""
        found = {spec.key: spec for spec in self.before}
        return {**found, **self.search.reused} if self.search else found


@contextmanager
def what_is_left(plan: SweepPlan, tracker: Tracker, *, spool: Path) -> Generator[Left]:
    """The trials that have neither ended nor wait to be filed, or the searcher that knows which have."""
    waiting = spooled(spool)
    complete = tracker.complete_keys()
    if not plan.adaptive:
        over = {*complete, *(key for key, result in waiting.items() if result.status in COMPLETE)}
        if plan.sweep.search.pruning != "none":  # what this sweep pruned is over as long as it prunes
            ended = _ended(plan.sweep, tracker) | waiting
            over |= {key for key, result in ended.items() if result.status == "pruned"}
        yield Left(
            listed=tuple(spec for spec in plan.trials if spec.key not in over),
            search=None,
            before=tuple(spec for spec in plan.trials if spec.key in over),
        )
        return
    prunes = plan.sweep.search.pruning != "none"
    ended = _ended(plan.sweep, tracker) | waiting
    with Searcher(
        plan.sweep,
        trials_of=lambda point: point_trials(plan.sweep, point),
        # One that failed counts as well: the search went on without it.
        past=[result for result in ended.values() if result.status != "pruned" or prunes],
        complete=lambda key: tracker.load_trial(complete[key])[1] if key in complete else None,
    ) as search:
        yield Left(listed=(), search=search, before=tuple(search.past))


def _ended(sweep: SweepSpec, tracker: Tracker) -> dict[str, TrialResult]:
    try:
        return {result.key: result for result in tracker.load_sweep(sweep.name).results}
    except UnknownSweep:
        return {}


def check_pruning_inline(sweep: SweepSpec) -> None:
    """Raise SpecError if the sweep prunes: in this process a trial has no others beside it."""
    if sweep.search.pruning != "none":
        raise SpecError(
            f"search.pruning: {sweep.search.pruning} compares trials that run side by side, on Ray; in this process"
            " they run one after another: leave --inline out, or write pruning: none"
        )


def analyze_best(
    sweep: SweepSpec, tracker: Tracker, scheduler: Scheduler, data_root: Path | None, console: Console
) -> tuple[str, ...]:
    """Run the sweep's analyses on its `search.analyze_best` best finished trials, where they lack one.

    Returns:
        One line for everything that could not be analyzed.
    """
    if sweep.search.analyze_best is None:
        return ()
    record = tracker.load_sweep(sweep.name)
    finished = [result for result in record.results if result.status == "finished"]
    best = sorted(finished, key=lambda result: objective(result, sweep.search.minimize[0]))[: sweep.search.analyze_best]
    names = analyses_of(sweep)
    lacking = [result for result in best if any(name not in result.analyses for name in names)]
    if not lacking:
        return ()
    # The trials were asked for no analysis, so their specs do not hold these knobs.
    taken = {knob for name in names for knob in arguments(ANALYSES[name].run)}
    console.print(f"analyses of the best {len(best)} of {len(finished)} finished trials", highlight=False)
    return analyze_trials(
        [StoredTrial(record.run_ids[result.key], result) for result in lacking],
        tracker=tracker,
        names=names,
        knobs={knob: value for knob, value in sweep.base.items() if knob in taken},
        resources=sweep.resources,
        scheduler=scheduler,
        data_root=data_root,
        say=lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True),
    ).problems
