"""The command line: verbs only; a knob is name=value, never a flag."""

from __future__ import annotations

import logging
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from resablate.analyze_command import analyze
from resablate.assignments import parse_assignments
from resablate.console import DataRoot, SweepFile, TrackingUri, err, out
from resablate.errors import ResablateError, ResourceError, SpecError, UnknownName
from resablate.sweep import parse_sweep

if TYPE_CHECKING:
    from resablate.plan import SweepPlan

app = typer.Typer(
    name="resablate",
    help="Ablation sweeps for deep residual networks: train, dissect, compare with the papers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line. Exit code 0: done; 1: a trial failed; 2: bad input; 130: interrupted."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    try:
        app()
    except ResablateError as error:
        err.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)


@app.command("list")
def list_(
    table: Annotated[str | None, typer.Argument(help="shortcuts, orderings, datasets, ...")] = None,
) -> None:
    """List the rows of a table, or the tables."""
    from resablate.tables import TABLES, describe

    if table is None:
        out.print(", ".join([*TABLES, "fields"]), highlight=False)
        return
    if table != "fields" and table not in TABLES:
        raise UnknownName("table", table, [*TABLES, "fields"])
    shown = Table(box=None, pad_edge=False)
    for heading in ("name", "takes", "what it is"):
        shown.add_column(heading, overflow="fold")
    for row in describe(table):
        shown.add_row(*row)
    out.print(shown, markup=False)


@app.command()
def check(file: SweepFile) -> None:
    """Check a sweep and say what it would cost, without running anything."""
    from resablate.plan import estimate_cpu_seconds, load_plan
    from resablate.scheduling import check_machine, clock
    from resablate.trial import trial_cost

    plan = load_plan(file)
    shown = Table(box=None, pad_edge=False)
    for heading, side in (
        ("trial", "left"),
        ("key", "left"),
        ("parameters", "right"),
        ("multiply-adds", "right"),
    ):
        shown.add_column(heading, justify=side, overflow="fold")  # pyright: ignore[reportArgumentType]
    shown.add_column("one CPU core", justify="right")
    seconds = [estimate_cpu_seconds(spec) for spec in plan.trials]
    for spec, wall in zip(plan.trials[:_SHOWN_TRIALS], seconds, strict=False):
        cost = trial_cost(spec)
        shown.add_row(plan.sweep.label(spec), spec.key, f"{cost.parameters:,}", f"{cost.multiply_adds:,}", clock(wall))
    out.print(shown)
    if len(plan.trials) > _SHOWN_TRIALS:
        out.print(f"... and {len(plan.trials) - _SHOWN_TRIALS} more", highlight=False)
    for note in plan.notes:
        out.print(note, markup=False, highlight=False, soft_wrap=True)
    try:
        check_machine(plan.sweep.resources)
    except ResourceError as error:
        out.print(f"needs a cluster: {error}", markup=False, highlight=False, soft_wrap=True)
    out.print(
        f"{file}: {len(plan.trials)} trials, about {clock(sum(seconds))} on one CPU core"
        " (an estimate; multiply-adds are of one image forward)",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
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
    _run(plan, inline=True, data_root=data_root, tracking_uri=tracking_uri)


@app.command()
def sweep(
    file: SweepFile,
    inline: Annotated[bool, typer.Option("--inline", help="One after another in this process, without Ray.")] = False,
    data_root: DataRoot = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Run the trials of a sweep that are not complete yet."""
    from resablate.plan import load_plan

    _run(load_plan(file), inline=inline, data_root=data_root, tracking_uri=tracking_uri)


app.command()(analyze)


@app.command()
def report(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The sweep's name.")],
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Where reports are kept; reports here if left out.", show_default=False),
    ] = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Write the report of a sweep to reports/NAME and print where it is."""
    from resablate.report import write_report
    from resablate.tracking import home, open_tracker

    record = open_tracker(tracking_uri).load_sweep(name)
    page = write_report(
        record.results,
        sweep=record.sweep,
        command=f"{record.command}\n{_command()}",
        folder=(folder or home() / "reports") / record.sweep.name,
        missing=record.missing,
    )
    out.print(str(page), markup=False, highlight=False, soft_wrap=True)


@app.command()
def ui(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="A free one if 0.")] = 0,
    tracking_uri: TrackingUri = None,
) -> None:
    """Open the MLflow UI on the results: serves it on this machine until Ctrl-C."""
    from resablate.tracking import serve_ui

    serve_ui(
        tracking_uri,
        port=port,
        say=lambda text: err.print(text, markup=False, highlight=False, soft_wrap=True),
    )


_SHOWN_TRIALS = 40


def _run(plan: SweepPlan, *, inline: bool, data_root: Path | None, tracking_uri: str | None) -> None:
    from resablate.scheduling import clock, run_sweep

    for note in plan.notes:
        err.print(note, markup=False, highlight=False, soft_wrap=True)
    outcome = run_sweep(
        plan,
        scheduler="inline" if inline else "ray_tune",
        command=_command(),
        console=err,
        uri=tracking_uri,
        data_root=data_root,
    )
    parts = [f"{count} {status}" for status, count in outcome.counts.items()]
    if outcome.interrupted:
        parts.append(f"{outcome.planned - outcome.reused - outcome.ended} interrupted")
    ended = ", ".join(parts) or "nothing left to run"
    out.print(
        f"{plan.sweep.name}: {outcome.planned} trials, {outcome.reused} complete before, {ended};"
        f" {clock(outcome.wall_seconds)}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    err.print(f"records: {outcome.records}", markup=False, highlight=False, soft_wrap=True)
    for problem in outcome.filing_problems:
        err.print(f"not filed: {problem}", style="red", markup=False, highlight=False, soft_wrap=True)
    if outcome.failed:
        err.print("run the same command again to continue", highlight=False)
        sys.exit(130 if outcome.interrupted else 1)


def _command() -> str:
    return shlex.join(["resablate", *sys.argv[1:]])
