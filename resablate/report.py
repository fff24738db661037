"""From results to `reports/<sweep>/`: pages, tables, figures and the results themselves."""

from __future__ import annotations

import base64
import csv
import math
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from resablate.claims import CLAIMS, published_row
from resablate.errors import ResablateError
from resablate.figures import FIGURES, draw_files
from resablate.figures.analysis_tables import analysis_tables, summaries
from resablate.figures.tables import (
    Replicates,
    error_table,
    median_error,
    raw_table,
    replicates,
    show,
    trial_table,
)
from resablate.result import Status, TrialResult
from resablate.spec import TrainSpec
from resablate.sweep import SweepSpec

RESULTS = "results.jsonl"
PAGE = "index.html"
TEMPLATES = Path(__file__).parent
SECONDS_PER_MINUTE = 60


@dataclass(frozen=True)
class Drawing:
    """One figure as the pages need it."""

    name: str
    title: str
    caption: str
    svg: str
    """Base64, for an image with a text of its own: the ids of SVGs in one page would clash."""


def write_report(
    results: Sequence[TrialResult],
    *,
    sweep: SweepSpec,
    command: str,
    folder: Path,
    missing: Sequence[TrainSpec] = (),
) -> Path:
    """Writes the report of a sweep and returns the path of its page.

    Everything is built in a folder beside `folder` and then put in its place: a report is never half new.

    Args:
        results: of the sweep's trials, in the order in which a search proposed them, else in any; those that failed
            are listed with their reasons.
        sweep: the question.
        command: what a person types to get the same again.
        folder: `reports/<sweep>`; an earlier report in it is replaced.
        missing: trials that have not ended, listed among the failures.

    Raises:
        ResablateError: if there is no result, or `folder` holds something other than a report.
    """
    if not results:
        raise ResablateError(f"sweep {sweep.name}: a report needs at least one trial that has ended, got none")
    folder = folder.resolve()
    _check_replaceable(folder)
    ordered = sorted(results, key=lambda result: (result.spec.seed, result.key))
    groups = replicates(ordered, axes=list(sweep.axes))
    ordered = [result for group in groups for result in group.results]
    built = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}")
    built.mkdir(parents=True)
    try:
        drawings = _write_figures(built / "figures", ordered, results, sweep)
        _write_tables(built / "tables", groups)
        lines = [result.to_json() + "\n" for result in ordered]
        (built / RESULTS).write_text("".join(lines), encoding="utf-8")
        content = _content(groups, sweep=sweep, command=command, drawings=drawings, missing=missing)
        for page in (PAGE, "index.md"):
            text = _render(f"report.{page.split('.')[1]}.jinja", content)
            (built / page).write_text(text, encoding="utf-8")
        _swap(built, folder)
    finally:
        shutil.rmtree(built, ignore_errors=True)
    return folder / PAGE


def _check_replaceable(folder: Path) -> None:
    """Raises ResablateError unless `folder` is missing, empty or a report: its content will be lost."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ResablateError(f"{folder}: a report is a folder, but this is a file")
    if any(folder.iterdir()) and not ((folder / RESULTS).is_file() and (folder / PAGE).is_file()):
        raise ResablateError(f"{folder}: holds files that are no report, which would be lost; name another folder")


def _swap(built: Path, folder: Path) -> None:
    """Puts `built` in the place of `folder`; where that fails, the old one stays."""
    if not folder.exists():
        built.rename(folder)
        return
    old = built.with_name(f"{built.name}.old")
    folder.rename(old)
    try:
        built.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _write_figures(
    folder: Path, ordered: Sequence[TrialResult], proposed: Sequence[TrialResult], sweep: SweepSpec
) -> list[Drawing]:
    folder.mkdir()
    drawings: list[Drawing] = []
    for name, picture in FIGURES.items():
        results = proposed if picture.search_data else ordered
        files = draw_files(name, results, formats=["svg", "png"], sweep=sweep)
        for file_format, content in files.items():
            (folder / f"{name}.{file_format}").write_bytes(content)
        if files:
            encoded = base64.b64encode(files["svg"]).decode()
            drawings.append(Drawing(name, picture.title, picture.caption, encoded))
    return drawings


def _write_tables(folder: Path, groups: Sequence[Replicates]) -> None:
    folder.mkdir()
    tables = {
        "errors": error_table(groups, published=_published),
        "trials": trial_table([result for group in groups for result in group.results]),
        "history": raw_table(groups, lambda result: [vars(epoch) for epoch in result.history]),
        **analysis_tables(groups),
    }
    for name, table in tables.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(table.columns)
            writer.writerows(table.rows)


def _published(spec: TrainSpec) -> str | None:
    row = published_row(spec)
    return row.error if row else None


def _content(
    groups: Sequence[Replicates],
    *,
    sweep: SweepSpec,
    command: str,
    drawings: Sequence[Drawing],
    missing: Sequence[TrainSpec],
) -> dict[str, Any]:
    """What both pages say, as plain values."""
    results = [result for group in groups for result in group.results]
    verdicts = [(claim, claim.check(results)) for claim in CLAIMS.values()]
    depths = sorted({result.spec.depth for result in results})
    repeated = [(sweep.label(r.spec), r.key, asked) for r in results for asked in r.repeated]
    return {
        "sweep": sweep,
        "question": _question(sweep),
        "datasets": sorted({result.spec.dataset for result in results}),
        "depths": depths,
        "epochs": sorted({result.spec.epochs for result in results}),
        "counts": {status: sum(r.status == status for r in results) for status in get_args(Status)},
        "best": _best(groups),
        "errors": error_table(groups, published=_published),
        "summaries": summaries(groups),
        "drawings": drawings,
        "claims": verdicts,
        "outcomes": _tally([verdict.outcome for _, verdict in verdicts]),
        "failures": [
            *((sweep.label(r.spec), r.key, r.status, r.reason) for r in results if r.status != "finished"),
            *((sweep.label(spec), spec.key, "missing", "has not ended") for spec in missing),
        ],
        "analysis_failures": [
            (sweep.label(r.spec), r.key, name, why) for r in results for name, why in r.analysis_errors.items()
        ],
        "repeated": repeated,
        "command": "\n".join([command, *(f"resablate analyze {key} {asked}" for _, key, asked in repeated)]),
        "yaml": _sweep_yaml(sweep),
        "versions": _versions(results),
        "seeds": sorted({result.spec.seed for result in results}),
        "wall_time": _duration(sum(result.wall_seconds for result in results)),
        "analyzed": sweep.search.analyze_best,
        "date": datetime.now(UTC).date().isoformat(),
        "trials": [
            (r.key, sweep.label(r.spec), r.status, show(r.test_error, "percent"), _duration(r.wall_seconds))
            for r in results
        ],
    }


def _question(sweep: SweepSpec) -> str:
    if sweep.question:
        return sweep.question
    axes = [axis for axis in sweep.axes if axis != "seed"]
    if not axes:
        return "How large is the test error of one kind of network?"
    listed = axes[0] if len(axes) == 1 else f"{', '.join(axes[:-1])} and {axes[-1]}"
    return f"What does the test error do when {listed} change{'s' if len(axes) == 1 else ''}?"


def _best(groups: Sequence[Replicates]) -> tuple[str, str] | None:
    """The group with the lowest median error, and that error; None where none finished."""
    medians = [(median_error(group), number) for number, group in enumerate(groups)]
    finite = [(error, number) for error, number in medians if math.isfinite(error)]
    if not finite:
        return None
    error, number = min(finite)
    shortcut, *others = [(name, value) for name, value in groups[number].fields.items() if value is not None]
    return ", ".join([str(shortcut[1]), *(f"{name} {value}" for name, value in others)]), show(error, "percent")


def _tally(outcomes: Sequence[str]) -> tuple[str, str]:
    """How many claims are supported, and what became of the others."""
    others = [f"{outcomes.count(o)} {o}" for o in ("contradicted", "undecided", "not tested") if o in outcomes]
    return f"{outcomes.count('supported')} of {len(outcomes)} supported", ", ".join(others)


def _versions(results: Sequence[TrialResult]) -> list[tuple[str, str]]:
    """Every name with all its distinct values."""
    names = dict.fromkeys(name for result in results for name in result.versions)
    return [(name, ", ".join(sorted({r.versions[name] for r in results if name in r.versions}))) for name in names]


def _sweep_yaml(sweep: SweepSpec) -> str:
    text = yaml.safe_dump(sweep.model_dump(mode="json"), sort_keys=False, allow_unicode=True, default_flow_style=None)
    return text.rstrip()


def _duration(seconds: float) -> str:
    """`42 s`, `7 min`, `3 h 12 min`."""
    if seconds < 2 * SECONDS_PER_MINUTE:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / SECONDS_PER_MINUTE), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _markdown(text: object) -> str:
    """`text` as one line without Markdown or table markup; the template escapes HTML."""
    line = " ".join(str(text).split())
    return re.sub(r"([\\`*\[\]|~#!]|\b_|_\b)", r"\\\1", line)


def _words(name: object) -> str:
    """A column's or analysis's name as a heading."""
    return str(name).removeprefix("shortcut_args.").replace("_", " ")


def _render(template: str, content: Mapping[str, Any]) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(markdown=_markdown, words=_words)
    return environment.get_template(template).render(content)
