"""MLflow's sqlite tables, read directly.

A search through MLflow's client makes objects of every param and metric of every run: 46 s for 10,000 runs, where these
queries take 0.3 s. The tables are MLflow's own and may change with any version, so whoever calls this goes on with a
search where a query fails.

Checked against MLflow 3.17.2. tests/tracking/test_mlflow_sqlite.py fails where another version gives other trials than
its own search.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from resablate.tracking.digest_tags import RECORD
from resablate.tracking.measured_tags import MEASURED

_TRIALS = """
SELECT runs.run_uuid, CAST(runs.experiment_id AS TEXT), runs.status, runs.artifact_uri,
       key.value, status.value, COALESCE(reason.value, ''), COALESCE(measured.value, ''),
       CAST(COALESCE(epoch.value, 0) AS REAL)
FROM tags AS key
JOIN runs ON runs.run_uuid = key.run_uuid AND runs.lifecycle_stage = 'active'
JOIN experiments ON experiments.experiment_id = runs.experiment_id AND experiments.lifecycle_stage = 'active'
JOIN tags AS kind ON kind.run_uuid = key.run_uuid AND kind.key = :kind AND kind.value = 'trial'
JOIN tags AS schema ON schema.run_uuid = key.run_uuid AND schema.key = :schema AND schema.value = :version
JOIN tags AS status ON status.run_uuid = key.run_uuid AND status.key = :status
LEFT JOIN tags AS reason ON reason.run_uuid = key.run_uuid AND reason.key = :reason
LEFT JOIN tags AS measured ON measured.run_uuid = key.run_uuid AND measured.key = :measured
LEFT JOIN latest_metrics AS epoch ON epoch.run_uuid = key.run_uuid AND epoch.key = :epoch
WHERE key.key = :key
ORDER BY runs.start_time DESC, runs.run_uuid
"""
_MORE_MEASURED = "SELECT run_uuid, value FROM tags WHERE key > :measured || '.' AND key < :measured || '/'"
"""`/` follows `.` in ASCII."""
_RECORDS = """
SELECT run_uuid, SUBSTR(key, LENGTH(:record) + 1), value FROM tags
WHERE key > :record AND key < SUBSTR(:record, 1, LENGTH(:record) - 1) || '/' AND value != ''
"""


_HAS_RUNS = "SELECT EXISTS (SELECT * FROM runs)"


class TrialRow(NamedTuple):
    """What the tables say of one trial's run."""

    run_id: str
    experiment_id: str
    run_status: str
    artifact_uri: str
    key: str
    status: str
    reason: str
    measured: str
    """The values of all tags of measured questions."""
    epoch: float
    record: Mapping[str, str] = {}
    """File of the result -> its SHA-256."""


def read_trial_rows(database: Path, names: Mapping[str, str]) -> list[TrialRow]:
    """Every trial's run of experiments that are not deleted, the latest started first.

    Args:
        database: the file, with the schema of the installed MLflow.
        names: of the tags `kind`, `schema`, `key`, `status` and `reason` and of the metric `epoch`, and the `version`
            that the tag `schema` must have.

    Raises:
        sqlite3.Error: if a table or column is not there, or the file cannot be read.
    """
    with closing(sqlite3.connect(database)) as connection:
        rows = [TrialRow(*row) for row in connection.execute(_TRIALS, {**names, "measured": MEASURED})]
        more: dict[str, list[str]] = {}
        records: dict[str, dict[str, str]] = {}
        for run_id, file, value in connection.execute(_RECORDS, {"record": RECORD}):
            records.setdefault(run_id, {})[file] = value
        for run_id, value in connection.execute(_MORE_MEASURED, {"measured": MEASURED}):
            more.setdefault(run_id, []).append(value)
    return [
        row._replace(
            measured=" ".join([row.measured, *more.get(row.run_id, [])]).strip(), record=records.get(row.run_id, {})
        )
        for row in rows
    ]


def read_tag(database: Path, name: str) -> dict[str, str]:
    """Run id -> the value of a tag, of all runs that have it.

    Raises:
        sqlite3.Error: as `read_trial_rows`.
    """
    with closing(sqlite3.connect(database)) as connection:
        return dict(connection.execute("SELECT run_uuid, value FROM tags WHERE key = ?", (name,)).fetchall())


def holds_studies(database: Path) -> bool:
    """Whether a database holds Optuna's tables; False where that cannot be told."""
    try:
        with closing(sqlite3.connect(database)) as connection:
            names = {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error:
        return False
    return {"studies", "trial_values"} <= names


def holds_runs(database: Path) -> bool:
    """Whether there is any run; False too where it holds no tables of MLflow's, or cannot be read."""
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return bool(connection.execute(_HAS_RUNS).fetchone()[0])
    except sqlite3.Error:
        return False
