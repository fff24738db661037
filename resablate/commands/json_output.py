"""Printing what `--json` asks for, and its description; `resablate list json` shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter

from resablate.commands.console import out
from resablate.commands.json_keeping import (
    ClaimPlanRecord,
    ClaimRecord,
    DoctorRecord,
    ForgottenRecord,
    JobRecord,
    PagesRecord,
    RunsRecord,
    SweepRecord,
    SyncedRecord,
    VerdictRecord,
)
from resablate.commands.json_records import (
    AnalyzeRecord,
    CalibrationRecord,
    CheckRecord,
    OutcomeRecord,
    PreviewRecord,
    ReportRecord,
    RowRecord,
    StatusRecord,
    StopRecord,
)

RECORDS: Mapping[str, type[BaseModel] | type[list[Any]]] = {
    "analyze": AnalyzeRecord,
    "calibrate": CalibrationRecord,
    "check": CheckRecord,
    "claims": list[ClaimRecord],
    "claims --plan": ClaimPlanRecord,
    "claims SWEEP": list[VerdictRecord],
    "clone": OutcomeRecord,
    "clone --dry-run": PreviewRecord,
    "doctor": DoctorRecord,
    "list": list[RowRecord],
    "report": ReportRecord,
    "rm": ForgottenRecord,
    "runs": RunsRecord,
    "status": StatusRecord,
    "stop": StopRecord,
    "submit": JobRecord,
    "sweep": OutcomeRecord,
    "sweep --dry-run": PreviewRecord,
    "sweeps": list[SweepRecord],
    "sync": list[SyncedRecord],
    "trial": OutcomeRecord,
    "ui": PagesRecord,
}
"""Verb, with what follows it where that makes a difference -> what it prints with --json."""


def print_record(record: BaseModel) -> None:
    """Print a record to stdout; numbers that are not finite are null."""
    print_json(record.model_dump_json(indent=1))


def print_records(records: Sequence[BaseModel]) -> None:
    """Print a list of records to stdout."""
    print_json(json.dumps([record.model_dump(mode="json") for record in records], indent=1))


def print_json(text: str) -> None:
    """Print JSON to stdout, as it is."""
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def schema(verb: str) -> dict[str, Any]:
    """The JSON Schema of what a verb prints, its fields described."""
    return TypeAdapter(RECORDS[verb]).json_schema()


def described() -> list[RowRecord]:
    """Each verb, its fields and what it is, as `resablate list json` shows them."""
    return [_row(verb) for verb in RECORDS]


def _row(verb: str) -> RowRecord:
    whole = schema(verb)
    own = whole["$defs"][whole["items"]["$ref"].rpartition("/")[2]] if "items" in whole else whole
    return RowRecord(name=verb, takes=", ".join(own["properties"]), what=own["description"].partition("\n")[0])
