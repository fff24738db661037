"""What a submission asked for, in a sweep's folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from resablate.errors import DamagedResult, SpecError, TrackingError
from resablate.plain_json import read_json
from resablate.spec import TrainSpec
from resablate.storage.files import make_folder, move_aside, write_bytes
from resablate.sweep import SweepSpec, parse_sweep
from resablate.tracking.tracker import SweepStatus
from resablate.tracking.trial_lists import RECENT_FILE, TRIALS_FILE, TrialList, read_trial_list

log = logging.getLogger(__name__)

SUBMISSION = "submission.json"
_VERSION = 1
_DAMAGE = (SpecError, ValueError, TypeError, KeyError, AttributeError, IsADirectoryError)
"""What reading a file raises that is there and is not what was written."""
SUBMIT_ANEW = (
    "`resablate sweep FILE` with its file, into these records, writes a new one and trains nothing again that is"
    " complete"
)
"""What mends a sweep of which no submission can be read."""


class Submission(NamedTuple):
    """What was asked for."""

    sweep: SweepSpec
    command: str


def write_submission(folder: Path, sweep: SweepSpec, *, command: str, status: SweepStatus | None) -> None:
    """Store what was asked for, beside the list of trials; the status is None while the sweep runs."""
    record = {"version": _VERSION, "sweep": sweep.model_dump(mode="json"), "command": command, "status": status}
    write_bytes(folder / SUBMISSION, json.dumps(record, indent=1).encode())


def write_trials(folder: Path, trials: TrialList) -> None:
    """Store the part of the list that is not stored."""
    name, content = trials.next_file()
    write_bytes(folder / name, content.encode())
    trials.mark_written(name)


def move_damaged_aside(folder: Path) -> None:
    """Move what an earlier submission left and nobody can read any more out of the way of the next one.

    Raises:
        OSError: if it cannot be moved.
    """
    make_folder(folder)
    try:
        read_submission(folder)
    except DamagedResult:
        move_aside(folder / SUBMISSION)
    try:
        _read_list(folder)
    except FileNotFoundError:
        return
    except _DAMAGE:
        for path in (folder / TRIALS_FILE, folder / RECENT_FILE):
            if path.exists():
                move_aside(path)


def read_submission(folder: Path) -> Submission | None:
    """The record of a submission; None where there is none.

    Raises:
        DamagedResult: if it is not what was written.
        TrackingError: if it cannot be read.
    """
    path = folder / SUBMISSION
    try:
        record: dict[str, Any] = read_json(path.read_bytes())
        if record["version"] != _VERSION:
            raise ValueError(f"version {record['version']!r}")
        return Submission(parse_sweep(record["sweep"]), str(record["command"]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except _DAMAGE as error:
        reason = str(error).strip().partition("\n")[0]
        raise DamagedResult(f"{path}: not what this version writes ({reason}); {SUBMIT_ANEW}") from None
    except OSError as error:
        raise TrackingError(f"{path}: cannot be read ({error.strerror})") from None


def read_trials(folder: Path, ended: Callable[[], Iterable[TrainSpec]]) -> list[TrainSpec]:
    """The trials of a submission; where their list is damaged, those whose results are there.

    Args:
        folder: of the sweep.
        ended: gives the trials whose results are there.

    Raises:
        TrackingError: if the list cannot be read.
    """
    try:
        return _read_list(folder)
    except (FileNotFoundError, *_DAMAGE) as error:
        reason = str(error).strip().partition("\n")[0]
        log.warning(
            "%s: not what was written (%s); the trials that have ended are taken from their results",
            folder / TRIALS_FILE,
            reason,
        )
    except OSError as error:
        raise TrackingError(f"{folder / TRIALS_FILE}: cannot be read ({error.strerror})") from None
    return list(ended())


def list_problem(folder: Path) -> str:
    """Why the list of a submission's trials is none, in a few words; empty where it is one."""
    try:
        _read_list(folder)
    except (OSError, *_DAMAGE) as error:
        return f"{TRIALS_FILE}: {str(error).strip().partition(chr(10))[0]}"
    return ""


def _read_list(folder: Path) -> list[TrainSpec]:
    recent = folder / RECENT_FILE
    return read_trial_list((folder / TRIALS_FILE).read_bytes(), recent.read_bytes() if recent.exists() else None)
