"""`resablate check`."""

from __future__ import annotations

import os
from collections import Counter
from statistics import mean
from typing import TYPE_CHECKING

from rich.table import Table

from resablate.commands.console import SweepFile, TrackingUri, out
from resablate.errors import ResourceError

if TYPE_CHECKING:
    from resablate.forecast import Forecast
    from resablate.plan import SweepPlan

_SHOWN_TRIALS = 40


def check(file: SweepFile, *, tracking_uri: TrackingUri = None) -> None:
    """Check a sweep and say what it would cost, without running anything."""
    from resablate.devices import check_machine
    from resablate.forecast import advice, forecast
    from resablate.plan import load_plan

    plan = load_plan(file)
    cost = forecast(plan, records=tracking_uri)
    _show_trials(plan, cost)
    _print(f"asked of each: {', '.join(map(str, plan.asked_names))}")
    for note in (*plan.notes, *_kernel_notes(plan), advice(plan)):
        if note:
            _print(note)
    try:
        check_machine(cpus=plan.sweep.resources.cpus, gpus=plan.sweep.resources.gpus)
    except ResourceError as error:
        _print(f"needs a cluster: {error}")
    _print(
        f"{file}: {plan.trial_count} trials{' proposed one by one' if plan.adaptive else ''},"
        f" {_in_all(plan, cost)} ({cost.basis}; multiply-adds are of one image forward)"
    )


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
    shown.add_column("trial", overflow="fold")
    for heading in ("parameters", "multiply-adds", cost.unit):
        shown.add_column(heading, justify="right", overflow="fold")
    for spec, seconds in zip(known[:_SHOWN_TRIALS], cost.seconds, strict=False):
        size = trial_cost(spec)
        shown.add_row(plan.sweep.label(spec), f"{size.parameters:,}", f"{size.multiply_adds:,}", clock(seconds))
    out.print(shown)
    if len(known) > _SHOWN_TRIALS:
        _print(f"... and {len(known) - _SHOWN_TRIALS} more")


def _in_all(plan: SweepPlan, cost: Forecast) -> str:
    """What the sweep takes: `about 3 h 10 min on one CPU core, 1 h 35 min on the 2 of this machine`."""
    from resablate.scheduling import clock

    whole = plan.trial_count * mean(cost.seconds)
    if cost.gpu:
        return f"about {whole / 3600:.2g} GPU-hours on {cost.unit}"
    cores = os.cpu_count() or 1
    return f"about {clock(whole)} on {cost.unit}, {clock(whole / cores)} on all {cores} of this machine"


def _print(line: str) -> None:
    out.print(line, markup=False, highlight=False, soft_wrap=True)
