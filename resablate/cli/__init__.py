"""The command line: verbs only; a knob is name=value, never a flag."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from resablate.assignments import parse_assignments
from resablate.cli import sweeps
from resablate.cli.console import DataRoot, SweepFile, TrackingUri, command_line, err, out
from resablate.errors import ResablateError, ResourceError, SpecError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resablate.measurement import AnalysisResult

app = typer.Typer(
    name="resablate",
    help="Ablation sweeps for deep residual networks: train, dissect, compare with the papers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verb in (sweeps.sweep, sweeps.status, sweeps.trial):
    app.command()(verb)


def main() -> None:
    """Run the command line. Exit code 0: done; 1: a trial failed; 2: bad input; 130, 143: interrupted."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    try:
        app()
    except ResablateError as error:
        err.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)


_SHOWN_TRIALS = 40


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
def analyze(
    target: Annotated[str, typer.Argument(help="A run id, a trial's key, a sweep's name, or torchvision:NAME.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME ... KNOB=VALUE ...", help="Analyses, all that were asked for if left out; knobs."),
    ] = None,
    *,
    weights: Annotated[Path | None, typer.Option("--weights", help="Of torchvision:NAME.", show_default=False)] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="What torchvision:NAME is put to.", show_default=False)
    ] = None,
    inline: Annotated[bool, typer.Option("--inline", help="One after another in this process, without Ray.")] = False,
    data_root: DataRoot = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Run analyses on trained networks, without training, and file the outcome under the same runs."""
    names = [word for word in words or [] if "=" not in word]
    knobs = parse_assignments([word for word in words or [] if "=" in word], place="analyze")
    if weights or dataset:
        raise SpecError("--weights and --dataset go with torchvision:NAME or timm:NAME; a run knows its own")
    else:
        _analyze_stored(target, names, knobs, inline=inline, data_root=data_root, tracking_uri=tracking_uri)


def _analyze_stored(
    target: str,
    names: list[str],
    knobs: dict[str, Any],
    *,
    inline: bool,
    data_root: Path | None,
    tracking_uri: str | None,
) -> None:
    from resablate.scheduling import analyze_trials, find_trials
    from resablate.tracking import open_tracker

    tracker = open_tracker(tracking_uri)
    found = find_trials(tracker, target)
    for note in found.notes:
        err.print(note, markup=False, highlight=False, soft_wrap=True)
    outcome = analyze_trials(
        found.trials,
        tracker=tracker,
        names=names,
        knobs=knobs,
        resources=found.resources,
        scheduler="inline" if inline or found.is_one else "ray_tune",
        data_root=data_root,
        say=lambda line: err.print(line, markup=False, highlight=False, soft_wrap=True),
    )
    for result in outcome.results if found.is_one else ():
        _show_numbers({name: result.analyses[name] for name in names or result.analyses if name in result.analyses})
    if not found.is_one:
        out.print(f"{target}: {len(outcome.results)} of {len(found.trials)} trials analyzed", highlight=False)
        err.print(f"to read them: resablate report {target}", highlight=False)
    for problem in outcome.problems:
        err.print(problem, style="red", markup=False, highlight=False, soft_wrap=True)
    if outcome.problems:
        sys.exit(1)


def _show_numbers(analyses: Mapping[str, AnalysisResult]) -> None:
    shown = Table(box=None, pad_edge=False)
    for heading in ("analysis", "number", "value", "unit"):
        shown.add_column(heading, overflow="fold")
    for name, measured in analyses.items():
        for number, value in measured.summary.items():
            shown.add_row(name, number, f"{value:.6g}", measured.units[number].replace("1", "", 1))
    out.print(shown, markup=False)


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
