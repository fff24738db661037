"""The command line: verbs only; a knob is name=value, never a flag."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from resablate.commands.analyze import analyze
from resablate.commands.console import SweepFile, TrackingUri, command_line, err, out
from resablate.errors import ResablateError, ResourceError, UnknownName
from resablate.commands.submit import submit
from resablate.commands.sweep import status, sweep, trial

app = typer.Typer(
    name="resablate",
    help="Ablation sweeps for deep residual networks: train, dissect, compare with the papers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line. Exit code 0: done; 1: a trial failed; 2: bad input; 130, 143: interrupted."""
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
    from resablate.commands.tables import TABLES, describe

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
    from resablate.estimates import estimate_cpu_seconds
    from resablate.plan import load_plan
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
    known = plan.trials or plan.samples
    seconds = [estimate_cpu_seconds(spec) for spec in known]
    for spec, wall in zip(known[:_SHOWN_TRIALS], seconds, strict=False):
        cost = trial_cost(spec)
        shown.add_row(plan.sweep.label(spec), spec.key, f"{cost.parameters:,}", f"{cost.multiply_adds:,}", clock(wall))
    out.print(shown)
    if len(known) > _SHOWN_TRIALS:
        out.print(f"... and {len(known) - _SHOWN_TRIALS} more", highlight=False)
    for note in plan.notes:
        out.print(note, markup=False, highlight=False, soft_wrap=True)
    try:
        check_machine(plan.sweep.resources)
    except ResourceError as error:
        out.print(f"needs a cluster: {error}", markup=False, highlight=False, soft_wrap=True)
    out.print(
        f"{file}: {plan.trial_count} trials{' proposed one by one' if plan.adaptive else ''},"
        f" about {clock(plan.trial_count * sum(seconds) / len(seconds))} on one CPU core"
        " (an estimate; multiply-adds are of one image forward)",
        highlight=False,
        soft_wrap=True,
    )


for verb in (trial, sweep, submit, status, analyze):
    app.command()(verb)


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
        command=f"{record.command}\n{command_line()}",
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
