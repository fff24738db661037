"""Whether the places that a call names can be what it says, noted with all else that is wrong with it."""

from __future__ import annotations

from pathlib import Path

from resablate.commands.refusals import Refusals
from resablate.datasets.locations import data_roots
from resablate.storage.locations import tracking_uri
from resablate.tracking import open_tracker


def check_data_root(folder: Path | None, refusals: Refusals) -> None:
    """Note a `--data-root` that is no folder; the data sets themselves are looked for later."""
    refusals.of(lambda: data_roots(folder))


def check_records(uri: str | None, refusals: Refusals) -> None:
    """Note an address at which there can be no records.

    A server is not asked, and nobody where all else is right: then the verb finds out by itself.
    """
    if refusals.some and not tracking_uri(uri).startswith(("http://", "https://")):
        refusals.of(lambda: open_tracker(uri))
