"""`resablate check`."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from rich.table import Table

from resablate.commands.console import Changes, DataRoot, Json, SweepFile, TrackingUri, out
from resablate.commands.json_output import print_record
from resablate.commands.json_records import CheckRecord, CostRecord
from resablate.commands.refusals import Refusals
from resablate.errors import ResourceError
from resablate.sweep import SweepSpec, load_sweep
from resablate.torch_missing import check_is_torch

if TYPE_CHECKING:
    from resablate.forecast import Forecast
    from resablate.plan import SweepPlan

_SHOWN_TRIALS = 40


def check(
    file: SweepFile,
    words: Changes = None,
    *,
    as_json: Json = False,
    data_root: DataRoot = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Check a sweep and say what it would cost, without running anything."""
    refusals = Refusals(str(file))
    changes = refusals.assignments(words or [])
    try:
        from resablate.plan import load_plan
    except ModuleNotFoundError as missing:
        check_is_torch(missing)
        sweep = refusals.of(lambda: load_sweep(file, changes))
        refusals.refuse()
        assert sweep
        _check_without_torch(file, sweep, as_json=as_json)
        return
    from resablate.commands.places import check_records
    from resablate.devices import check_machine
    from resablate.forecast import forecast

    plan = refusals.of(lambda: load_plan(file, changes))
    check_records(tracking_uri, refusals)
    refusals.refuse()
    assert plan
    cost = forecast(plan, records=tracking_uri)
    if as_json:
        print_record(_record(plan, cost, data_root))
        return
    _show_trials(plan, cost)
    _print(f"asked of each: {', '.join(map(str, plan.asked_names))}")
    for note in _notes(plan, data_root):
        _print(note)
    try:
        check_machine(cpus=plan.sweep.resources.cpus, gpus=plan.sweep.resources.gpus)
    except ResourceError as error:
        _print(f"needs a cluster: {error}")
    _print(
        f"{file}: {plan.trial_count} trials{_how(plan)}, {_in_all(plan, cost)}"
        f" ({cost.basis}; multiply-adds are of one image forward)"
    )


def _check_without_torch(file: Path, sweep: SweepSpec, *, as_json: bool) -> None:
    """What is known of a sweep that is right as far as it can be read without the tables of components."""
    count = (sweep.search.trials or sweep.grid_size) * len(sweep.point_seeds or [0])
    asked = [str(analysis.analysis) for analysis in sweep.analyses]
    note = "torch is not installed here: names, arguments and cost are checked where it is"
    if as_json:
        print_record(
            CheckRecord(
                sweep=sweep.name,
                trials=[],
                count=count,
                at_most=count,
                seconds=None,
                unit="",
                basis="",
                asked=asked,
                notes=[note],
            )
        )
        return
    _print(f"asked of each: {', '.join(asked)}")
    _print(note)
    _print(f"{file}: at most {count} trials")


def _record(plan: SweepPlan, cost: Forecast, data_root: Path | None) -> CheckRecord:
    from resablate.estimates import trial_cost

    known = plan.trials or plan.samples
    sizes = [trial_cost(spec) for spec in known]
    return CheckRecord(
        sweep=plan.sweep.name,
        trials=[
            CostRecord(
                trial=plan.sweep.label(spec),
                key=spec.key,
                parameters=size.parameters,
                multiply_adds=size.multiply_adds,
                seconds=seconds,
            )
            for spec, size, seconds in zip(known, sizes, cost.seconds, strict=True)
        ],
        count=plan.trial_count,
        at_most=plan.most_trials,
        seconds=plan.trial_count * mean(cost.seconds),
        unit=cost.unit,
        basis=cost.basis,
        asked=list(plan.asked_names),
        notes=_notes(plan, data_root),
    )


def _notes(plan: SweepPlan, data_root: Path | None) -> list[str]:
    """What a reader of the sweep should know, one line each."""
    from resablate.forecast import advice
    from resablate.scheduling import describe_packs
    from resablate.trial_data import data_notes

    data = data_notes((spec.dataset for spec in plan.trials or plan.samples), data_root)
    packs = describe_packs(plan, plan.trials)
    return [note for note in (*plan.notes, *packs, *_kernel_notes(plan), advice(plan), *data) if note]


def _kernel_notes(plan: SweepPlan) -> list[str]:
    """Why the steps of some trials cannot be replayed on a GPU, and of how many."""
    from resablate.check import why_kernel_by_kernel

    if not plan.sweep.resources.gpus:
        return []
    reasons = Counter(map(why_kernel_by_kernel, plan.trials or plan.samples))
    return [f"steps of {n} trials, on a GPU: kernel by kernel, for {reason}" for reason, n in reasons.items() if reason]


def _show_trials(plan: SweepPlan, cost: Forecast) -> None:
    from resablate.estimates import trial_cost
    from resablate.scheduling import clock

    known = plan.trials or plan.samples
    shown = Table(box=None, pad_edge=False)
    shown.add_column("trial" if plan.trials else "a trial that may be proposed", overflow="fold")
    for heading in ("parameters", "multiply-adds", cost.unit):
        shown.add_column(heading, justify="right", overflow="fold")
    for spec, seconds in zip(known[:_SHOWN_TRIALS], cost.seconds, strict=False):
        size = trial_cost(spec)
        shown.add_row(plan.sweep.label(spec), f"{size.parameters:,}", f"{size.multiply_adds:,}", clock(seconds))
    out.print(shown)
    if len(known) > _SHOWN_TRIALS:
        _print(f"... and {len(known) - _SHOWN_TRIALS} more")


def _how(plan: SweepPlan) -> str:
    if plan.adaptive:
        return " proposed one by one"
    return " to begin with" if plan.most_trials > plan.trial_count else ""


def _in_all(plan: SweepPlan, cost: Forecast) -> str:
    """`about 3 h 10 min, and at most 20 trials, about 5 h 00 min on one CPU core (2 of which this machine has)`."""
    from resablate.scheduling import clock

    each = mean(cost.seconds)
    words = clock if not cost.gpu else _gpu_hours
    most = plan.most_trials
    further = f", and at most {most} trials, about {words(most * each)}" if most > plan.trial_count else ""
    there = "" if cost.gpu else f" ({os.cpu_count() or 1} of which this machine has)"
    return f"about {words(plan.trial_count * each)}{further} on {cost.unit}{there}"


def _gpu_hours(seconds: float) -> str:
    return f"{seconds / 3600:.2g} GPU-hours"


def _print(line: str) -> None:
    out.print(line, markup=False, highlight=False, soft_wrap=True)
