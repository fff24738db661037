"""Asking a running trial to stop: a file in its folder, which whoever runs it looks for after each epoch."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_FILE = "stop"
_ASKED = ", as somebody asked"


def request_stop(folder: Path) -> None:
    """Ask the trial whose checkpoints are in `folder` to end after the epoch that it is at."""
    (folder / _FILE).touch()


def stop_reason(folder: Path, epoch: int) -> str:
    """Why a trial ends after this epoch, where somebody has asked for it; the request is used up. Empty if none has."""
    with suppress(FileNotFoundError):
        (folder / _FILE).unlink()
        return f"stopped after epoch {epoch}{_ASKED}"
    return ""


def was_asked_for(reason: str) -> bool:
    """Whether it is such a reason: its trial is not trained again by itself, whatever its sweep prunes."""
    return reason.endswith(_ASKED)
