"""Files of records that are not there for a moment: a folder that was moved, a disk that is not mounted."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable
from pathlib import Path
from urllib.request import url2pathname

from resablate.redaction import redact
from resablate.tracking.mlflow_store import MlflowStore


def files_away(store: MlflowStore, runs: Iterable[tuple[str, str]]) -> str:
    """Where the files of runs ought to lie, if none of them has any; empty as soon as one has some, or without runs.

    Args:
        store: of the runs.
        runs: id and address of the files of each, which hold a result if they are what they say.

    Raises:
        TrackingError: if that cannot be looked at.
    """
    first = ""
    for run_id, place in runs:
        with store.errors(f"looking for the files of run {run_id}"):
            if _has_files(store, run_id, place):
                return ""
        first = first or place
    return redact(first.partition("/artifacts")[0].rpartition("/")[0].removeprefix("file://")) if first else ""


def _has_files(store: MlflowStore, run_id: str, place: str) -> bool:
    if store.database and place.startswith("file:"):
        folder = Path(url2pathname(urllib.parse.urlsplit(place).path))
        return folder.is_dir() and any(folder.iterdir())
    return bool(store.client().list_artifacts(run_id))
