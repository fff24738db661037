"""What a submission asked for, in a sweep's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from resablate.errors import DamagedResult, SpecError
from resablate.plain_json import read_json
from resablate.spec import TrainSpec
from resablate.storage.files import write_bytes
from resablate.sweep import SweepSpec, parse_sweep
from resablate.tracking.tracker import SweepStatus
from resablate.tracking.trial_lists import RECENT_FILE, TRIALS_FILE, TrialList, read_trial_list

SUBMISSION = "submission.json"
_VERSION = 1


def write_submission(folder: Path, sweep: SweepSpec, *, command: str, status: SweepStatus | None) -> None:
    """Store what was asked for, beside the list of trials; the status is None while the sweep runs."""
    record = {"version": _VERSION, "sweep": sweep.model_dump(mode="json"), "command": command, "status": status}
    write_bytes(folder / SUBMISSION, json.dumps(record, indent=1).encode())


def write_trials(folder: Path, trials: TrialList) -> None:
    """Store the part of the list that is not stored."""
    name, content = trials.next_file()
    write_bytes(folder / name, content.encode())
    trials.mark_written(name)


def read_submission(folder: Path) -> dict[str, Any] | None:
    """The record of a submission; None where there is none.

    Raises:
        DamagedResult: if it is not what was written.
    """
    try:
        record: dict[str, Any] = read_json((folder / SUBMISSION).read_bytes())
        if record["version"] != _VERSION:
            raise ValueError(f"version {record['version']!r}")
    except OSError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise DamagedResult(f"{folder / SUBMISSION}: not what this version writes ({error})") from None
    return record


def read_asked(folder: Path, record: dict[str, Any]) -> tuple[SweepSpec, list[TrainSpec]]:
    """The sweep and the trials of a submission.

    Raises:
        DamagedResult: if they are not what was written.
    """
    try:
        recent = folder / RECENT_FILE
        trials = read_trial_list((folder / TRIALS_FILE).read_bytes(), recent.read_bytes() if recent.is_file() else None)
        return parse_sweep(record["sweep"]), trials
    except (OSError, SpecError, ValueError, KeyError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise DamagedResult(f"{folder}: the sweep's record is not what was written ({reason})") from None
