"""`resablate analyze`."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.table import Table

from resablate.commands.assignments import split_questions
from resablate.commands.console import DataRoot, Json, TrackingUri, err, out, sweep_name
from resablate.commands.json_output import print_record
from resablate.commands.json_records import AnalyzeRecord, AnswerRecord
from resablate.commands.refusals import Refusals
from resablate.errors import SpecError, in_a_line
from resablate.question import AskedAnalysis
from resablate.sweep_parsing import parse_analyses

if TYPE_CHECKING:
    from resablate.component import Component
    from resablate.measurement import Measurement


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
    typer.Option(
        "--folder",
        help="For what ADAPTER:NAME gives, beside what is there; reports/ADAPTER_NAME if left out.",
        show_default=False,
    ),
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
    from resablate.commands.places import check_data_root

    refusals = Refusals("analyze")
    asked, others = _asked(words or [], refusals)
    check_data_root(data_root, refusals)
    if ":" in target:
        given = _Given(target, weights, dataset, folder, data_root)
        _analyze_pretrained(given, asked, others, refusals, as_json=as_json)
        return
    refusals.add(*(f"{name}: not an analysis with an argument, such as lesion.examples=500" for name in others))
    if weights or dataset or folder:
        refusals.add(
            "--weights, --dataset and --folder go with a network of another package, ADAPTER:NAME, such as"
            " torchvision:resnet50; a run has its own weights and data, and what is found is filed under it"
        )
    _analyze_stored(
        target,
        asked,
        refusals,
        again=again,
        inline=inline,
        as_json=as_json,
        data_root=data_root,
        tracking_uri=tracking_uri,
    )


def _asked(words: Sequence[str], refusals: Refusals) -> tuple[tuple[AskedAnalysis, ...], dict[str, Any]]:
    """The analyses that somebody named, and what else was set."""
    names = [word for word in words if "=" not in word]
    others, analyses = split_questions(refusals.assignments([word for word in words if "=" in word]))
    found: list[str] = []
    asked = parse_analyses({**{name: {} for name in names}, **(analyses or {})}, found)
    refusals.add(*found)
    return asked, others


def _analyze_stored(
    target: str,
    asked: tuple[AskedAnalysis, ...],
    refusals: Refusals,
    *,
    again: bool,
    inline: bool,
    as_json: bool,
    data_root: Path | None,
    tracking_uri: str | None,
) -> None:
    from resablate.scheduling import analyze_trials, find_trials
    from resablate.tracking import open_tracker

    tracker = refusals.of(lambda: open_tracker(tracking_uri))
    name = refusals.of(lambda: sweep_name(target))
    found = refusals.of(lambda: find_trials(tracker, name, asked=asked, again=again)) if tracker and name else None
    refusals.refuse()
    assert tracker and name and found
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
                target=name,
                asked=len(found.trials),
                answered=len(outcome.results),
                numbers=[number for result in outcome.results for number in _numbers(result.key, result.measurements)],
                problems=list(outcome.problems),
            )
        )
        sys.exit(int(bool(outcome.problems)))
    for result in outcome.results if found.is_one else ():
        _show_numbers(result.measurements)
    if not found.is_one:
        out.print(f"{name}: {len(outcome.results)} of {len(found.trials)} trials analyzed", highlight=False)
        err.print(f"to read them: resablate report {name}", highlight=False)
    for problem in outcome.problems:
        err.print(problem, style="red", markup=False, highlight=False, soft_wrap=True)
    if outcome.problems:
        sys.exit(1)


class _Given(NamedTuple):
    """What was said of a network of another package."""

    target: str
    weights: Path | None
    dataset: str | None
    folder: Path | None
    data_root: Path | None


def _analyze_pretrained(
    given: _Given, asked: tuple[AskedAnalysis, ...], others: dict[str, Any], refusals: Refusals, *, as_json: bool
) -> None:
    from resablate.pretrained_analysis import analyze_pretrained, check_request
    from resablate.pretrained_files import SUMMARY, check_answers_folder, safe_name, write_dissection
    from resablate.storage.locations import home
    from resablate.sweep import DEFAULT_ANALYSES

    refusals.add(
        *(
            f"{name}: not of a network of another package, which takes seed, dataset.ARGUMENT and the arguments of"
            " analyses"
            for name in others
            if name != "seed" and not name.startswith("dataset.")
        )
    )
    needed = (("--weights FILE", given.weights), ("--dataset NAME", given.dataset))
    if missing := [name for name, value in needed if not value]:
        refusals.add(f"{given.target}: needs {' and '.join(missing)}: a network of another package comes with neither")
    place = given.folder or home() / "reports" / safe_name(given.target)
    refusals.of(lambda: check_answers_folder(place))
    arguments = {name.removeprefix("dataset."): value for name, value in others.items() if name.startswith("dataset.")}
    data = refusals.of(partial(_dataset, given.dataset, arguments)) if given.dataset else None
    request: dict[str, Any] = {
        "weights": given.weights,
        "dataset": data,
        "asked": asked or parse_analyses(DEFAULT_ANALYSES, []),
        "seed": others.get("seed", 0),
    }
    if given.weights and data:
        refusals.of(lambda: check_request(given.target, **request))
    refusals.refuse()
    answers = analyze_pretrained(given.target, **request, data_root=given.data_root)
    own = write_dissection(answers.outcome, of=answers.network, folder=place)
    problems = [f"{failed.question}: {failed.reason}" for failed in answers.outcome.failed]
    if as_json:
        done = answers.outcome.done
        numbers = _numbers(given.target, done)
        record = AnalyzeRecord(
            target=given.target, asked=1, answered=int(bool(done)), numbers=numbers, problems=problems
        )
        print_record(record.model_copy(update={"folder": str(own)}))
    else:
        _show_numbers(answers.outcome.done)
        where = f"tables and figures: {own}; all that was asked here: {place / SUMMARY}"
        err.print(where, markup=False, highlight=False, soft_wrap=True)
        for problem in problems:
            err.print(problem, style="red", markup=False, highlight=False, soft_wrap=True)
    if problems:
        sys.exit(1)


def _dataset(name: str, arguments: dict[str, Any]) -> Component:
    from resablate.component import parse_component

    try:
        return parse_component({"name": name, **arguments})
    except ValueError as error:
        raise SpecError(f"--dataset {name}: {in_a_line(error).partition(': ')[2]}") from None


def _numbers(key: str, measurements: Sequence[Measurement]) -> list[AnswerRecord]:
    return [
        AnswerRecord(
            key=key,
            analysis=str(measurement.question),
            number=name,
            value=value if math.isfinite(value) else None,
            unit=measurement.result.units[name],
        )
        for measurement in measurements
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
