"""`resablate analyze`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from resablate.commands.assignments import parse_assignments
from resablate.commands.console import DataRoot, TrackingUri, err, out
from resablate.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resablate.measurement import AnalysisResult


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
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="For what torchvision:NAME gives; reports/NAME if left out.", show_default=False),
    ] = None,
    inline: Annotated[bool, typer.Option("--inline", help="One after another in this process, without Ray.")] = False,
    data_root: DataRoot = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Run analyses on trained networks, without training, and file the outcome under the same runs."""
    names = [word for word in words or [] if "=" not in word]
    knobs = parse_assignments([word for word in words or [] if "=" in word], place="analyze")
    if ":" in target:
        _analyze_pretrained(target, names, knobs, weights=weights, dataset=dataset, data_root=data_root, folder=folder)
    elif weights or dataset or folder:
        raise SpecError(
            "--weights, --dataset and --folder go with torchvision:NAME or timm:NAME; a run has its own weights and"
            " data, and what is found is filed under it"
        )
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


def _analyze_pretrained(
    target: str,
    names: list[str],
    knobs: dict[str, Any],
    *,
    weights: Path | None,
    dataset: str | None,
    data_root: Path | None,
    folder: Path | None,
) -> None:
    from resablate.reanalysis import analyze_pretrained, write_dissection
    from resablate.tracking import home

    if missing := [name for name, given in (("--weights FILE", weights), ("--dataset NAME", dataset)) if not given]:
        raise SpecError(f"{target}: needs {' and '.join(missing)}: a network of another package comes with neither")
    assert weights and dataset
    outcome = analyze_pretrained(
        target, weights=weights, dataset=dataset, names=names, knobs=knobs, data_root=data_root
    )
    _show_numbers(outcome.done)
    place = folder or home() / "reports" / target.replace(":", "_")
    write_dissection(outcome, folder=place)
    err.print(f"tables and figures: {place}", markup=False, highlight=False, soft_wrap=True)
    for name, why in outcome.errors.items():
        err.print(f"{name}: {why}", style="red", markup=False, highlight=False, soft_wrap=True)
    if outcome.errors:
        sys.exit(1)


def _show_numbers(analyses: Mapping[str, AnalysisResult]) -> None:
    shown = Table(box=None, pad_edge=False)
    for heading in ("analysis", "number", "value", "unit"):
        shown.add_column(heading, overflow="fold")
    for name, measured in analyses.items():
        for number, value in measured.summary.items():
            shown.add_row(name, number, f"{value:.6g}", measured.units[number].replace("1", "", 1))
    out.print(shown, markup=False)
