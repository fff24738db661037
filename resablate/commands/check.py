"""`resablate check`."""

from __future__ import annotations

from collections import Counter

from rich.table import Table

from resablate.commands.console import SweepFile, out
from resablate.errors import ResourceError

_SHOWN_TRIALS = 40


def check(file: SweepFile) -> None:
    """Check a sweep and say what it would cost, without running anything."""
    from resablate.check import why_kernel_by_kernel
    from resablate.devices import check_machine
    from resablate.estimates import estimate_cpu_seconds, trial_cost
    from resablate.plan import load_plan
    from resablate.scheduling import clock

    plan = load_plan(file)
    shown = Table(box=None, pad_edge=False)
    shown.add_column("trial", overflow="fold")
    for heading in ("parameters", "multiply-adds", "one CPU core"):
        shown.add_column(heading, justify="right", overflow="fold")
    known = plan.trials or plan.samples
    seconds = [estimate_cpu_seconds(spec, plan.questions(spec)) for spec in known]
    for spec, wall in zip(known[:_SHOWN_TRIALS], seconds, strict=False):
        cost = trial_cost(spec)
        shown.add_row(plan.sweep.label(spec), f"{cost.parameters:,}", f"{cost.multiply_adds:,}", clock(wall))
    out.print(shown)
    if len(known) > _SHOWN_TRIALS:
        out.print(f"... and {len(known) - _SHOWN_TRIALS} more", highlight=False)
    out.print(f"asked of each: {', '.join(map(str, plan.asked_names))}", markup=False, highlight=False, soft_wrap=True)
    for note in plan.notes:
        out.print(note, markup=False, highlight=False, soft_wrap=True)
    if plan.sweep.resources.gpus:
        for reason, count in Counter(map(why_kernel_by_kernel, known)).items():
            if reason:
                out.print(f"steps of {count} trials, on a GPU: kernel by kernel, for {reason}", soft_wrap=True)
    try:
        check_machine(cpus=plan.sweep.resources.cpus, gpus=plan.sweep.resources.gpus)
    except ResourceError as error:
        out.print(f"needs a cluster: {error}", markup=False, highlight=False, soft_wrap=True)
    mean = sum(seconds) / len(seconds)
    most = plan.most_trials
    further = f", and at most {most} trials, about {clock(most * mean)}" if most > plan.trial_count else ""
    how = " proposed one by one" if plan.adaptive else " to begin with" if further else ""
    out.print(
        f"{file}: {plan.trial_count} trials{how},"
        f" about {clock(plan.trial_count * mean)}{further} on one CPU core"
        " (an estimate; multiply-adds are of one image forward)",
        highlight=False,
        soft_wrap=True,
    )
