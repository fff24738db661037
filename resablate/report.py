"""From results to `reports/<sweep>/`: pages, tables, figures and the results themselves."""

from __future__ import annotations

import gc
import itertools
import re
import shutil
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

from resablate.claims.answering import Answers, answer_sweeps
from resablate.csv_files import write_csv
from resablate.errors import ResablateError
from resablate.figures.analysis_tables import analysis_tables, summaries
from resablate.figures.interval_tables import error_table, with_intervals
from resablate.figures.naming import Additional, name_analyses
from resablate.figures.regularizer_strength import good_strengths
from resablate.figures.tables import Replicates, Table, raw_table, replicates, show, trial_table
from resablate.report_answers import answer_content, closings
from resablate.report_figures import Drawing, published_errors, write_figures
from resablate.report_pages import render_page
from resablate.result import Status, TrialResult
from resablate.spec import TrainSpec
from resablate.storage.files import DISK_FULL, why_unwritable
from resablate.storage.locations import RESULTS, SWEEP_FILE
from resablate.strict_yaml import dump_yaml
from resablate.sweep import SweepSpec
from resablate.sweep_question import sweep_question

PAGE = "index.html"
SECONDS_PER_MINUTE = 60
_LONGEST_NAME = 150
"""Characters of a file name, so that it fits wherever it is copied."""


def write_report(
    results: Sequence[TrialResult],
    *,
    sweep: SweepSpec,
    command: str,
    folder: Path,
    missing: Sequence[TrainSpec] = (),
    to_come: int = 0,
    answers: Answers | None = None,
    links: Mapping[str, str] = {},
) -> Path:
    """Writes the report of a sweep and returns the path of its page.

    Everything is built in a folder beside `folder` and then put in its place: a report is never half new.

    Args:
        results: of the sweep's trials with all their measurements, in the order in which a search proposed them, else
            in any; those that failed are listed with their reasons.
        sweep: the question.
        command: what a person types to get the same again.
        folder: `reports/<sweep>`; an earlier report in it is replaced.
        missing: trials that have not ended, listed among the failures; a report that lacks some says so first.
        to_come: trials at most that a search has still to add; counted with those that have not ended.
        answers: by `answer_sweeps` of this sweep alone; they are found here where None.
        links: title -> address, or command, of pages that show the records.

    Raises:
        ResablateError: if there is no result, or `folder` holds something other than a report or cannot be written.
    """
    if not results:
        raise ResablateError(f"sweep {sweep.name}: a report needs at least one trial that has ended, got none")
    folder = folder.resolve()
    check_folder(folder)
    named = name_analyses(results, sweep.analyses)
    ordered = sorted(named.results, key=lambda result: (result.spec.seed, result.key))
    groups = replicates(ordered, axes=sweep.swept, new_seeds=sweep.new_seeds)
    ordered = [result for group in groups for result in group.results]
    with _building(folder) as built:
        # A search looks its objectives up by question, so its pictures get the records as they are filed.
        answers = answers or answer_sweeps([sweep], results, missing)
        with _collected():
            drawings = write_figures(built / "figures", ordered, results, sweep, closings=closings(answers))
            _write_tables(built / "tables", groups)
        # A search's in the order of its proposals, which its pictures need and nothing else tells.
        filed = ordered if sweep.search.method == "grid" else results
        _write_results(built / RESULTS, results, order=[result.key for result in filed])
        (built / SWEEP_FILE).write_text(_sweep_yaml(sweep) + "\n", encoding="utf-8")
        content = _content(
            groups,
            sweep=sweep,
            command=command,
            drawings=drawings,
            missing=missing,
            to_come=to_come,
            additional=named.additional,
            answers=answers,
            links=links,
        )
        for page in (PAGE, "index.md"):
            text = render_page(f"report.{page.split('.')[1]}.jinja", content)
            (built / page).write_text(text, encoding="utf-8")
        _swap(built, folder)
    return folder / PAGE


@contextmanager
def _building(folder: Path) -> Generator[Path]:
    """A new folder beside `folder`, removed at the end.

    Raises:
        ResablateError: if it cannot be written, as on a full disk, where libraries that draw do not say which file.
    """
    built = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}")
    try:
        built.mkdir(parents=True)
        yield built
    except OSError as error:
        advice = "make room there" if error.errno in DISK_FULL else "mend this"
        why = ": ".join(map(str, filter(None, [error.strerror or str(error), error.filename])))
        raise ResablateError(
            f"{folder}: no report can be written there ({why}); {advice}, then run the command again"
        ) from None
    finally:
        shutil.rmtree(built, ignore_errors=True)


def ended_words(ended: int, *, missing: int, to_come: int) -> str:
    """`4 of 6` trials, or `4 of at most 6` where a search has still to add some; empty where all have ended."""
    left = missing + to_come
    return f"{ended} of {'at most ' if to_come else ''}{ended + left}" if left else ""


@contextmanager
def _collected() -> Generator[None]:
    """Looks for garbage among new objects alone, and not again and again among all numbers of a thousand trials.

    Pictures are made of a hundred thousand objects that refer to each other: the search takes a fifth of their time.
    What the caller froze stays frozen.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def check_folder(folder: Path) -> None:
    """See that a report can take its place; what is made to see it is removed.

    Raises:
        ResablateError: unless `folder` is missing, empty or a report, whose content will be lost, and can be written.
    """
    if why := why_unwritable(folder.parent, folder.name):
        raise ResablateError(f"{folder}: no report can be written there ({why})")
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


def _write_results(file: Path, results: Iterable[TrialResult], *, order: Sequence[str]) -> None:
    """The results as they were filed, one a line, in the order of these keys."""
    by_key = {result.key: result for result in results}
    with file.open("w", encoding="utf-8") as lines:
        lines.writelines(by_key[key].to_json() + "\n" for key in order)


def _write_tables(folder: Path, groups: Sequence[Replicates]) -> None:
    folder.mkdir()
    taken: set[str] = set()
    # One table at a time: all of a thousand trials would not fit into memory.
    for name, table in _tables(groups):
        file_name = _file_name(name, taken)
        taken.add(file_name)
        write_csv(folder / f"{file_name}.csv", table.columns, table.rows)


def _file_name(name: str, taken: Collection[str]) -> str:
    """A table's name as that of a file; numbered if another table has it."""
    safe = re.sub(r"[^\w.+-]+", "_", name)[:_LONGEST_NAME]
    names = itertools.chain([safe], (f"{safe}_{number}" for number in itertools.count(2)))
    return next(one for one in names if one not in taken)


def _tables(groups: Sequence[Replicates]) -> Iterator[tuple[str, Table]]:
    yield "errors", error_table(groups, published=published_errors())
    yield "trials", trial_table([result for group in groups for result in group.results])
    yield "history", raw_table(groups, lambda result: (vars(epoch) for epoch in result.history))
    yield from analysis_tables(groups)


def _content(
    groups: Sequence[Replicates],
    *,
    sweep: SweepSpec,
    command: str,
    drawings: Sequence[Drawing],
    missing: Sequence[TrainSpec],
    to_come: int,
    additional: Sequence[Additional],
    answers: Answers,
    links: Mapping[str, str],
) -> dict[str, Any]:
    """What both pages say, as plain values."""
    results = [result for group in groups for result in group.results]
    return {
        "sweep": sweep,
        "question": sweep_question(sweep),
        "ended": ended_words(len(results), missing=len(missing), to_come=to_come),
        "links": [(title, place, place.startswith(("http://", "https://"))) for title, place in links.items()],
        "datasets": sorted({str(result.spec.dataset) for result in results}),
        "depths": sorted({result.spec.depth for result in results}),
        "epochs": sorted({result.spec.epochs for result in results}),
        "counts": {status: sum(r.status == status for r in results) for status in get_args(Status)},
        "errors": with_intervals(error_table(groups, published=published_errors())),
        "summaries": summaries(groups),
        "drawings": drawings,
        **answer_content(answers, [*(result.spec for result in results), *missing]),
        "notes": [*answers.notes, *good_strengths(results, sweep)],
        "remarks": answers.remarks,
        "failures": [
            *((sweep.label(r.spec), r.key, r.status, r.reason) for r in results if r.status != "finished"),
            *((sweep.label(spec), spec.key, "missing", "has not ended") for spec in missing),
        ],
        "analysis_failures": [
            (sweep.label(r.spec), r.key, name, why) for r in results for name, why in r.analysis_errors.items()
        ],
        "additional": [(str(asked), len(asked.keys)) for asked in additional],
        "command": "\n".join([command, *(line for asked in additional for line in asked.commands(sweep.name))]),
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


def _versions(results: Sequence[TrialResult]) -> list[tuple[str, str]]:
    """Every name with all its distinct values."""
    names = dict.fromkeys(name for result in results for name in result.versions)
    return [(name, ", ".join(sorted({r.versions[name] for r in results if name in r.versions}))) for name in names]


def _sweep_yaml(sweep: SweepSpec) -> str:
    return dump_yaml(sweep.model_dump(mode="json")).rstrip()


def _duration(seconds: float) -> str:
    """`42 s`, `7 min`, `3 h 12 min`."""
    if seconds < 2 * SECONDS_PER_MINUTE:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / SECONDS_PER_MINUTE), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
