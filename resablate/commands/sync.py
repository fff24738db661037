"""`resablate sync`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resablate.commands.console import Json, TrackingUri, err, out
from resablate.commands.json_keeping import SyncedRecord
from resablate.commands.json_output import print_records

if TYPE_CHECKING:
    from resablate.syncing import Synced


def sync(
    folder: Annotated[Path, typer.Argument(help="Of `sweep --offline`, or a report's: reports/NAME.")],
    *,
    as_json: Json = False,
    tracking_uri: TrackingUri = None,
) -> None:
    """File the results of a folder where they are not filed yet: of `sweep --offline`, or of a report."""
    from resablate.errors import DamagedResult
    from resablate.syncing import damaged_sweeps
    from resablate.syncing import sync as sync_folder
    from resablate.tracking import open_tracker

    tracker = open_tracker(tracking_uri)
    synced = sync_folder(folder, tracker)
    if as_json:
        print_records([SyncedRecord(**done._asdict()) for done in synced])
    else:
        _tell(synced)
        err.print(f"records: {tracker.ui_hint()}", markup=False, highlight=False, soft_wrap=True)
    if damaged := damaged_sweeps(folder):
        raise DamagedResult("\n".join(damaged.values()))


def _tell(synced: list[Synced]) -> None:
    for done in synced:
        out.print(
            f"{done.sweep}: {done.filed} results filed, {done.amended} given further measurements, {done.there} there"
            " already",
            highlight=False,
            soft_wrap=True,
        )
        if done.without_weights:
            err.print(
                f"{done.sweep}: {done.without_weights} networks came without their weights: their results count, but"
                " what they were not asked they can be asked only once they are trained again"
                " (resablate sweep FILE --rerun KEY)",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
