"""`resablate report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from resablate.commands.console import SweepName, TrackingUri, command_line, out


def report(
    name: SweepName,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Where reports are kept; reports here if left out.", show_default=False),
    ] = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Write the report of a sweep to reports/NAME and print where it is."""
    from resablate.report import check_folder, write_report
    from resablate.storage.locations import home
    from resablate.tracking import open_tracker

    place = (folder or home() / "reports") / name
    check_folder(place.resolve())
    record = open_tracker(tracking_uri).load_sweep(name)
    page = write_report(
        record.results,
        sweep=record.sweep,
        command=f"{record.command}\n{command_line()}",
        folder=place,
        missing=record.missing,
    )
    out.print(str(page), markup=False, highlight=False, soft_wrap=True)
