"""What is said of a sweep that some records do not have."""

from __future__ import annotations

from collections.abc import Iterable

from resablate.errors import TrackingError, UnknownSweep, nearest
from resablate.storage.locations import FOLDER, OFFLINE, home
from resablate.tracking.folder_submissions import read_submission


def unknown_sweep(place: str, name: str, known: Iterable[str]) -> UnknownSweep:
    """The error that names the sweeps there are, and the folder `offline` where that has it.

    Args:
        place: the records, for people.
        name: of the sweep.
        known: the names of those that are there.
    """
    names = list(known)
    there = ", ".join(names) or "none"
    return UnknownSweep(f"{place}: no sweep called {name!r}{nearest(name, names)} (there: {there}){where_else(name)}")


def where_else(name: str) -> str:
    """That the folder of `sweep --offline` has the sweep; empty if it has not."""
    folder = home() / OFFLINE
    try:
        filed = bool(name) and read_submission(folder / name) is not None
    except TrackingError:
        return ""
    if not filed:
        return ""
    return (
        f"; the folder {OFFLINE} has it: resablate sync {folder} files it here, and --tracking-uri {FOLDER}{OFFLINE}"
        " reads it there"
    )
