"""What is trained again on purpose, and what was made with other code than there is now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from resablate.component import Component
from resablate.errors import DamagedResult, SpecError, UnknownSweep, nearest
from resablate.plan import SweepPlan
from resablate.spec import TrainSpec
from resablate.tracking import Tracker
from resablate.trial_names import whole_name
from resablate.versions import changed_parts

CHANGED, ALL = "changed", "all"


def results_of_other_code(plan: SweepPlan, tracker: Tracker) -> dict[str, tuple[str, ...]]:
    """Run id -> the parts of resablate whose source has changed since the result of a trial of `plan` was made."""
    wanted = {spec.key for spec in plan.trials}
    complete = {run_id for key, run_id in tracker.complete_keys().items() if key in wanted}
    found = {run_id: changed_parts(source) for run_id, source in tracker.keeping().made_with(complete).items()}
    return {run_id: parts for run_id, parts in found.items() if parts}


def notes_on_change(plan: SweepPlan, tracker: Tracker) -> list[str]:
    """What has changed since the sweep was submitted before, and since its results were made: one line each."""
    notes = [
        f"{count} results were made with other code in {', '.join(parts)} than there is now; they count as they are"
        " (--rerun changed trains them again)"
        for parts, count in Counter(results_of_other_code(plan, tracker).values()).items()
    ]
    try:
        before = tracker.submitted(plan.sweep.name)[1]
    except UnknownSweep:
        return notes
    except DamagedResult as error:
        return [*notes, f"{error}; this submission takes its place"]
    return [*notes, *_changed_components(before, plan.trials)]


def _changed_components(before: Sequence[TrainSpec], now: Sequence[TrainSpec]) -> list[str]:
    """Components that are called alike and are others: data with other content, rows with other source."""
    keys = {spec.key for spec in now}
    gone = {_bare(spec).key: spec for spec in before if spec.key not in keys}
    found: Counter[str] = Counter()
    for spec in now:
        if (old := gone.get(_bare(spec).key)) is None:
            continue
        for field, component in spec.components().items():
            was: Component = getattr(old, field)
            if was.identity != component.identity:
                found[f"{field} {component.name}: {component.identity or 'nameless'}, was {was.identity}"] += 1
    return [f"{what}; {count} trials are others by that, and trained anew" for what, count in found.items()]


def _bare(spec: TrainSpec) -> TrainSpec:
    """The trial without what tells its components from others of their names."""
    bare = {
        field: Component(component.name, component.arguments, component.defaults)
        for field, component in spec.components().items()
        if component.identity
    }
    return spec.model_copy(update=bare)


def set_aside(plan: SweepPlan, tracker: Tracker, wanted: str) -> int:
    """Mark the complete runs of trials that are to be trained again, and say how many they are.

    Args:
        plan: with final keys.
        tracker: holds the records.
        wanted: `changed`, `all`, or keys of trials with commas between them.

    Raises:
        SpecError: if a key is none of the sweep's, or a search has chosen trials by the results.
    """
    if plan.adaptive:
        raise SpecError(
            f"--rerun: the search {plan.sweep.search.method} has chosen trials by these results; to search again, give"
            " the sweep another name, or forget it with resablate rm"
        )
    keys = _wanted_keys(plan, tracker, wanted)
    count = 0
    # Of one training there may be several complete runs: each of them is out of date.
    while runs := {run_id for key, run_id in tracker.complete_keys().items() if key in keys}:
        for run_id in runs:
            tracker.keeping().supersede(run_id)
        count += len(runs)
    return count


def _wanted_keys(plan: SweepPlan, tracker: Tracker, wanted: str) -> list[str]:
    known = [spec.key for spec in plan.trials]
    if wanted == ALL:
        return known
    if wanted == CHANGED:
        others = results_of_other_code(plan, tracker)
        return [key for key, run_id in tracker.complete_keys().items() if run_id in others]
    keys = [whole_name(key.strip(), known) for key in wanted.split(",")]
    if strange := [key for key in keys if key not in known]:
        raise SpecError(
            f"--rerun: {strange[0]!r} is no key of a trial of this sweep{nearest(strange[0], known)}; write"
            f" {CHANGED}, {ALL} or keys, which resablate runs {plan.sweep.name} lists"
        )
    return keys
