"""Records whose folder was moved: MLflow keeps absolute paths of its files, and these are set right.

MLflow has no interface for it, so the tables `experiments` and `runs` of its database are written here. Where they
cannot be, the records are refused, with what can be done. Checked against MLflow 3.17.2;
tests/tracking/test_mlflow_moved.py fails where a table or a column is another one.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

log = logging.getLogger(__name__)

ARTIFACTS = "mlartifacts"
"""Beside the database: the folder of the files of every experiment."""


class _Moved(NamedTuple):
    experiment_id: int
    before: str
    """Its address in the database."""
    now: str


def follow_moved_folder(database: Path) -> None:
    """Have the records in `database` point to their files beside it, where those were moved or copied with it.

    An experiment's address is changed only if the files of one of its runs lie beside the database, in the same place
    below `mlartifacts`, and the address is another one.
    """
    try:
        with closing(sqlite3.connect(database)) as connection, connection:
            moved = list(_moved(connection, database.parent.resolve()))
            for experiment_id, before, now in moved:
                connection.execute(
                    "UPDATE runs SET artifact_uri = ? || SUBSTR(artifact_uri, ?)"
                    " WHERE experiment_id = ? AND SUBSTR(artifact_uri, 1, ?) = ?",
                    (now, len(before) + 1, experiment_id, len(before) + 1, f"{before}/"),
                )
                connection.execute(
                    "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (now, experiment_id)
                )
    except sqlite3.Error as error:
        log.warning("%s: whether its folder was moved cannot be told (%s)", database, error)
        return
    if moved:
        log.warning("%s: was moved or copied with its files; they are found beside it now", database)


def _moved(connection: sqlite3.Connection, folder: Path) -> Iterator[_Moved]:
    for experiment_id, location in connection.execute("SELECT experiment_id, artifact_location FROM experiments"):
        parts = urlsplit(str(location))
        path = Path(url2pathname(parts.path))
        if parts.scheme != "file" or path.parent.name != ARTIFACTS or path.parent.parent.resolve() == folder:
            continue
        here = folder / ARTIFACTS / path.name
        if here.is_dir() and _holds_a_run(connection, experiment_id, here):
            yield _Moved(int(experiment_id), str(location), here.as_uri())


def _holds_a_run(connection: sqlite3.Connection, experiment_id: object, folder: Path) -> bool:
    known = connection.execute("SELECT run_uuid FROM runs WHERE experiment_id = ?", (experiment_id,))
    there = {entry.name for entry in folder.iterdir()}
    return any(str(run_id) in there for (run_id,) in known)
