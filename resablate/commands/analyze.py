"""`resablate analyze`."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from resablate.commands.assignments import parse_assignments, split_questions
from resablate.commands.console import DataRoot, Json, TrackingUri, err, out, sweep_name
from resablate.commands.json_output import print_record
from resablate.commands.json_records import AnalyzeRecord, AnswerRecord
from resablate.errors import SpecError
from resablate.question import AskedAnalysis
from resablate.sweep_parsing import parse_analyses

if TYPE_CHECKING:
    from resablate.measurement import Measurement
    from resablate.result import TrialResult


Target = Annotated[
    str,
    typer.Argument(
        help="A run id, a trial's key, a sweep's name or file, or a network of another package, ADAPTER:NAME, such as"
        " torchvision:resnet50, timm:convnext_tiny, huggingface:CONFIG.json or akamaster:resnet56; resablate"
        " list adapters names them."
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        help="Of ADAPTER:NAME: a safetensors file, a state dict, or a checkpoint with one in it.",
        show_default=False,
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option("--folder", help="For what ADAPTER:NAME gives; reports/ADAPTER_NAME if left out.", show_default=False),
]


def analyze(
    target: Target,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME ... NAME.ARGUMENT=VALUE ...",
            help="Analyses and their arguments; the sweep's own if left out.",
        ),
    ] = None,
    *,
    weights: Weights = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="What ADAPTER:NAME is put to.", show_default=False)
    ] = None,
    folder: Folder = None,
    again: Annotated[bool, typer.Option("--again", help="Ask also what was answered before.")] = False,
    inline: Annotated[bool, typer.Option("--inline", help="One after another in this process, without Ray.")] = False,
    as_json: Json = False,
    data_root: DataRoot = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Ask trained networks something more, without training, and file the answers under the same runs."""
    asked, others = _asked(words or [])
    if ":" in target and as_json:
        raise SpecError("--json: not with a network of another package, whose numbers go to a folder", place="analyze")
    if ":" in target:
        _analyze_pretrained(target, asked, others, weights=weights, dataset=dataset, data_root=data_root, folder=folder)
        return
    found = [f"{name}: not an analysis with an argument, such as lesion.examples=500" for name in others]
    if weights or dataset or folder:
        found.append(
            "--weights, --dataset and --folder go with a network of another package, ADAPTER:NAME, such as"
            " torchvision:resnet50; a run has its own weights and data, and what is found is filed under it"
        )
    if found:
        raise SpecError(found, place="analyze")
    _analyze_stored(
        sweep_name(target),
        asked,
        again=again,
        inline=inline,
        as_json=as_json,
        data_root=data_root,
        tracking_uri=tracking_uri,
    )


def _asked(words: Sequence[str]) -> tuple[tuple[AskedAnalysis, ...], dict[str, Any]]:
    """The analyses that somebody named, and what else was set."""
    names = [word for word in words if "=" not in word]
    assigned = parse_assignments([word for word in words if "=" in word], place="analyze")
    others, analyses = split_questions(assigned)
    found: list[str] = []
    asked = parse_analyses({**{name: {} for name in names}, **(analyses or {})}, found)
    if found:
        raise SpecError(found, place="analyze")
    return asked, others


def _analyze_stored(
    target: str,
    asked: tuple[AskedAnalysis, ...],
    *,
    again: bool,
    inline: bool,
    as_json: bool,
    data_root: Path | None,
    tracking_uri: str | None,
) -> None:
    from resablate.scheduling import analyze_trials, find_trials
    from resablate.tracking import open_tracker

    tracker = open_tracker(tracking_uri)
    found = find_trials(tracker, target, asked=asked, again=again)
    for note in found.notes:
        err.print(note, markup=False, highlight=False, soft_wrap=True)
    outcome = analyze_trials(
        found.trials,
        tracker=tracker,
        resources=found.resources,
        scheduler="inline" if inline or found.is_one or not found.trials else "ray_tune",
        data_root=data_root,
        say=lambda line: err.print(line, markup=False, highlight=False, soft_wrap=True),
    )
    if as_json:
        print_record(
            AnalyzeRecord(
                target=target,
                asked=len(found.trials),
                answered=len(outcome.results),
                numbers=[number for result in outcome.results for number in _numbers(result)],
                problems=list(outcome.problems),
            )
        )
        sys.exit(int(bool(outcome.problems)))
    for result in outcome.results if found.is_one else ():
        _show_numbers(result.measurements)
    if not found.is_one:
        out.print(f"{target}: {len(outcome.results)} of {len(found.trials)} trials analyzed", highlight=False)
        err.print(f"to read them: resablate report {target}", highlight=False)
    for problem in outcome.problems:
        err.print(problem, style="red", markup=False, highlight=False, soft_wrap=True)
    if outcome.problems:
        sys.exit(1)


def _analyze_pretrained(
    target: str,
    asked: tuple[AskedAnalysis, ...],
    others: dict[str, Any],
    *,
    weights: Path | None,
    dataset: str | None,
    data_root: Path | None,
    folder: Path | None,
) -> None:
    from resablate.component import parse_component
    from resablate.pretrained_analysis import analyze_pretrained, write_dissection
    from resablate.storage.locations import home
    from resablate.sweep import DEFAULT_ANALYSES

    found = [
        f"{name}: not of a network of another package, which takes seed, dataset.ARGUMENT and the arguments of analyses"
        for name in others
        if name != "seed" and not name.startswith("dataset.")
    ]
    if missing := [name for name, given in (("--weights FILE", weights), ("--dataset NAME", dataset)) if not given]:
        found.append(f"{target}: needs {' and '.join(missing)}: a network of another package comes with neither")
    if found:
        raise SpecError(found, place="analyze")
    assert weights and dataset
    arguments = {name.removeprefix("dataset."): value for name, value in others.items() if name != "seed"}
    outcome = analyze_pretrained(
        target,
        weights=weights,
        dataset=parse_component({"name": dataset, **arguments}),
        asked=asked or parse_analyses(DEFAULT_ANALYSES, []),
        seed=others.get("seed", 0),
        data_root=data_root,
    )
    _show_numbers(outcome.done)
    place = folder or home() / "reports" / target.replace(":", "_")
    write_dissection(outcome, folder=place)
    err.print(f"tables and figures: {place}", markup=False, highlight=False, soft_wrap=True)
    for failed in outcome.failed:
        err.print(f"{failed.question}: {failed.reason}", style="red", markup=False, highlight=False, soft_wrap=True)
    if outcome.failed:
        sys.exit(1)


def _numbers(result: TrialResult) -> list[AnswerRecord]:
    return [
        AnswerRecord(
            key=result.key,
            analysis=str(measurement.question),
            number=name,
            value=value if math.isfinite(value) else None,
            unit=measurement.result.units[name],
        )
        for measurement in result.measurements
        for name, value in measurement.result.summary.items()
    ]


def _show_numbers(measurements: Sequence[Measurement]) -> None:
    shown = Table(box=None, pad_edge=False)
    for heading in ("analysis", "number", "value", "unit"):
        shown.add_column(heading, overflow="fold")
    for measurement in measurements:
        for number, value in measurement.result.summary.items():
            unit = measurement.result.units[number].replace("1", "", 1)
            shown.add_row(str(measurement.question), number, f"{value:.6g}", unit)
    out.print(shown, markup=False)
