"""A database in a file that has lost what it held looks like a new one, and everything would be trained again."""

from __future__ import annotations

from pathlib import Path

from resablate.tracking.mlflow_moved import ARTIFACTS
from resablate.tracking.mlflow_sqlite import holds_runs


def lost_records(database: Path) -> str:
    """That a database which is there seems to have lost what it held; empty where it does not."""
    is_empty = not database.stat().st_size
    if not is_empty and (holds_runs(database) or not _has_files(database.parent / ARTIFACTS)):
        return ""
    why = "the file is empty" if is_empty else f"it holds no run, though files of runs lie in {ARTIFACTS}"
    return (
        f"{database}: {why}, so no trial counts as trained; if it held records, stop now and put back a copy of it,"
        " else all trials are trained again"
    )


def _has_files(folder: Path) -> bool:
    return any(path.is_file() for path in folder.rglob("*"))
