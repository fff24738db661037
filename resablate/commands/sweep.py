"""The verbs that run a sweep, and the one that tells how far it is."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from resablate.commands.assignments import parse_assignments, parse_duration
from resablate.commands.console import DataRoot, SweepFile, TrackingUri, command_line, err, out
from resablate.errors import SpecError
from resablate.sweep import parse_sweep

if TYPE_CHECKING:
    from resablate.plan import SweepPlan
    from resablate.result import Status
    from resablate.scheduling import TrialStatus, SweepOutcome
    from resablate.spec import TrainSpec


def sweep(
    file: SweepFile,
    *,
    inline: Annotated[bool, typer.Option("--inline", help="One after another in this process, without Ray.")] = False,
    retry: Annotated[
        str | None, typer.Option("--retry", metavar="failed", help="Run again what failed.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be run, and run nothing.")] = False,
    max_trials: Annotated[
        int | None, typer.Option("--max-trials", min=1, help="Run no more than so many.", show_default=False)
    ] = None,
    time_budget: Annotated[
        str | None,
        typer.Option("--time-budget", metavar="TIME", help="Stop after so long: 90s, 30m, 2h.", show_default=False),
    ] = None,
    data_root: DataRoot = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Run the trials of a sweep that have not ended yet."""
    from resablate.plan import load_plan

    if retry not in (None, "failed"):
        raise SpecError(f"--retry: takes the word failed, got {retry!r}")
    seconds = None if time_budget is None else parse_duration(time_budget, place="--time-budget")
    plan = load_plan(file)
    again: tuple[Status, ...] = ("failed",) if retry else ()
    if dry_run:
        _preview(plan, retry=again, max_trials=max_trials, tracking_uri=tracking_uri)
    else:
        _run(
            plan,
            inline=inline,
            retry=again,
            max_trials=max_trials,
            time_budget=seconds,
            data_root=data_root,
            tracking_uri=tracking_uri,
        )


def trial(
    knobs: Annotated[list[str] | None, typer.Argument(metavar="NAME=VALUE ...", help="Fields of the trial.")] = None,
    data_root: DataRoot = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Run one trial in this process, such as `resablate trial shortcut=conv1x1 depth=20`."""
    from resablate.plan import checked_plan

    fields = parse_assignments(knobs or [], place="trial")
    try:
        plan = checked_plan(lambda: parse_sweep({"name": "trial", "base": fields}), place="trial")
    except SpecError as error:
        raise SpecError([problem.removeprefix("base.") for problem in error.problems], place="trial") from None
    _run(plan, inline=True, retry=("failed",), data_root=data_root, tracking_uri=tracking_uri)


def status(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The sweep's name.")],
    tracking_uri: TrackingUri = None,
) -> None:
    """Say how far the latest submission of a sweep is, and what has not finished."""
    from resablate.scheduling import STATES, sweep_status_of
    from resablate.tracking import open_tracker

    found = sweep_status_of(name, tracker=open_tracker(tracking_uri))
    counts = Counter(trial.state for trial in found.trials)
    told = ", ".join(f"{counts[state]} {state}" for state in STATES)
    short = sum(trial.state == "failed" and trial.reason.startswith("out of") for trial in found.trials)
    told += f" ({short} out of memory)" if short else ""
    of = f" of at most {found.at_most}" if found.at_most > len(found.trials) else ""
    out.print(f"{name}: {len(found.trials)} trials{of}: {told}", highlight=False, soft_wrap=True)
    unfinished = [trial for trial in found.trials if trial.state != "finished"]
    if unfinished:
        _show(unfinished, {trial.spec.key: trial.state for trial in unfinished}, label=found.sweep.label)
    if counts["running"] and not found.is_run_here:
        err.print(
            "no process here runs it: what is running runs elsewhere, or was killed and continues when the sweep is"
            " run again",
            highlight=False,
            soft_wrap=True,
        )
    if counts["failed"]:
        err.print("failed trials are run again with: resablate sweep FILE --retry failed", highlight=False)


def _preview(plan: SweepPlan, *, retry: tuple[Status, ...], max_trials: int | None, tracking_uri: str | None) -> None:
    from resablate.scheduling import preview
    from resablate.tracking import open_tracker

    for note in plan.notes:
        err.print(note, markup=False, highlight=False, soft_wrap=True)
    would_do = preview(plan, open_tracker(tracking_uri), retry=retry, limit=max_trials)
    words: dict[str, str] = {}
    for trial in would_do.known:
        key = trial.spec.key
        would = ("run again" if trial.ended else "run") if key in would_do.todo else "leave"
        words[key] = trial.state if trial.complete else f"{trial.state}: would {would}"
    if would_do.known:
        _show(would_do.known, words, label=plan.sweep.label)
    complete = sum(trial.complete for trial in would_do.known)
    out.print(
        f"{plan.sweep.name}: {plan.trial_count} trials, {complete} complete,"
        f" {len(would_do.todo) + would_do.proposed} would run; nothing was run",
        highlight=False,
        soft_wrap=True,
    )


def _show(trials: Sequence[TrialStatus], words: dict[str, str], *, label: Callable[[TrainSpec], str]) -> None:
    shown = Table(box=None, pad_edge=False)
    for heading in ("trial", "key", "state", "epochs", "reason"):
        shown.add_column(heading, overflow="fold", justify="right" if heading == "epochs" else "left")
    for trial in trials:
        spec, epochs = trial.spec, f"{trial.epoch}/{trial.spec.epochs}"
        shown.add_row(escape(label(spec)), spec.key, words[spec.key], epochs, escape(trial.reason))
    out.print(shown)


def _run(
    plan: SweepPlan,
    *,
    inline: bool,
    retry: tuple[Status, ...],
    max_trials: int | None = None,
    time_budget: float | None = None,
    data_root: Path | None,
    tracking_uri: str | None,
) -> None:
    from resablate.scheduling import clock, run_sweep

    for note in plan.notes:
        err.print(note, markup=False, highlight=False, soft_wrap=True)
    try:
        outcome = run_sweep(
            plan,
            scheduler="inline" if inline else "ray_tune",
            command=command_line(),
            console=err,
            uri=tracking_uri,
            data_root=data_root,
            retry=retry,
            max_trials=max_trials,
            time_budget=time_budget,
        )
    except KeyboardInterrupt as stop:  # before the first trial, or again while the last results were filed
        err.print(f"stopped by {stop}; run the same command again to continue", highlight=False)
        sys.exit(_exit_code(str(stop)))
    parts = [f"{count} {status} before" for status, count in outcome.left.items()]
    parts += [f"{count} {status}" for status, count in outcome.counts.items()]
    parts += [f"{outcome.remaining} left"] if outcome.remaining else []
    ended = ", ".join(parts) or "nothing left to run"
    out.print(
        f"{plan.sweep.name}: {outcome.planned} trials, {outcome.reused} complete before, {ended};"
        f" {clock(outcome.wall_seconds)}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    err.print(f"records: {outcome.records}", markup=False, highlight=False, soft_wrap=True)
    _tell_what_is_left(outcome)


def _tell_what_is_left(outcome: SweepOutcome) -> None:
    """How to go on, and the exit code that says whether there is something to go on with."""
    for problem in outcome.filing_problems:
        err.print(f"not filed: {problem}", style="red", markup=False, highlight=False, soft_wrap=True)
    for problem in outcome.analysis_problems:
        err.print(f"not analyzed: {problem}", style="red", markup=False, highlight=False, soft_wrap=True)
    if outcome.interrupted and outcome.stopped_by:
        err.print(f"stopped by {outcome.stopped_by}; what was running continues from its last epoch", highlight=False)
    if outcome.remaining or outcome.filing_problems:
        err.print("run the same command again to continue", highlight=False)
    if outcome.counts.get("failed") or outcome.left.get("failed"):
        err.print("to run what failed again, add --retry failed", highlight=False)
    if outcome.failed:
        sys.exit(_exit_code(outcome.stopped_by) if outcome.interrupted else 1)


def _exit_code(stopped_by: str) -> int:
    """As a shell says it: 128 and the signal."""
    from resablate.scheduling import TERMINATED

    return 128 + (signal.SIGTERM if stopped_by == TERMINATED else signal.SIGINT)
