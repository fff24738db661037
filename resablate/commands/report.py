"""`resablate report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resablate.commands.console import Json, SweepName, TrackingUri, command_line, out
from resablate.commands.json_output import print_record
from resablate.commands.json_records import ReportRecord
from resablate.commands.refusals import Refusals

if TYPE_CHECKING:
    from resablate.tracking import Tracker


def report(
    name: SweepName,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Where reports are kept; reports here if left out.", show_default=False),
    ] = None,
    *,
    as_json: Json = False,
    tracking_uri: TrackingUri = None,
) -> None:
    """Write the report of a sweep to reports/NAME and print where it is."""
    from resablate.claims.answering import answer_sweeps
    from resablate.report import ended_words, write_report
    from resablate.report_note import note_text
    from resablate.scheduling import trials_to_come
    from resablate.storage.locations import home
    from resablate.sweep_question import sweep_question

    place = (folder or home() / "reports") / name
    tracker = _tracker_of(name, place, tracking_uri)
    record = tracker.load_sweep(name)
    ended = {result.key: result.status for result in record.results}
    known = [*(result.spec for result in record.results), *record.missing]
    to_come = trials_to_come(record.sweep, known, ended=ended)
    answers = answer_sweeps([record.sweep], record.results, record.missing)
    tracker.update_cells(record.sweep.name)
    links = tracker.links(record.sweep.name)
    page = write_report(
        record.results,
        sweep=record.sweep,
        command=f"{record.command}\n{command_line()}",
        folder=place,
        missing=record.missing,
        to_come=to_come,
        answers=answers,
        links=links,
    )
    words = ended_words(len(record.results), missing=len(record.missing), to_come=to_come)
    note = note_text(sweep_question(record.sweep), answers, links, ended=words)
    tracker.file_report(record.sweep.name, page.parent, note=note)
    if as_json:
        verdicts = {answer.claim.id: answer.word for answer in answers.answers if answer.shown is not None}
        print_record(
            ReportRecord(
                sweep=record.sweep.name,
                page=str(page),
                ended=len(record.results),
                missing=len(record.missing),
                to_come=to_come,
                verdicts=verdicts,
                links=links,
            )
        )
        return
    out.print(str(page), markup=False, highlight=False, soft_wrap=True)


def _tracker_of(name: str, place: Path, tracking_uri: str | None) -> Tracker:
    """The records of a sweep, before anything is read of its results; what keeps a report from being written is told.

    Raises:
        ResablateError: if there is no such sweep, or its report cannot lie at `place`.
    """
    from resablate.report import check_folder
    from resablate.tracking import open_tracker

    refusals = Refusals("report")
    refusals.of(lambda: check_folder(place.resolve()))
    tracker = refusals.of(lambda: open_tracker(tracking_uri))
    if tracker:
        refusals.of(lambda: tracker.submitted(name))
    refusals.refuse()
    assert tracker
    return tracker
