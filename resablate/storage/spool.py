"""Results that wait to be filed, in a sweep's folder: one folder for each key."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

from resablate.result import RESULT_FILE, TrialResult
from resablate.storage.files import write_bytes

log = logging.getLogger(__name__)

SPOOL = "spool"
"""Its name in a sweep's folder."""


def write_spooled(spool: Path, result: TrialResult, *, weights: Mapping[str, bytes]) -> Path:
    """Store a result and its weights; the result last, so that whoever sees it sees all.

    Returns:
        The folder of the result.

    Raises:
        OSError: if the disk does not take it; nothing of it is left then.
    """
    place = spool / result.key
    try:
        for name, content in weights.items():
            write_bytes(place / name, content)
        write_bytes(place / RESULT_FILE, result.to_json().encode())
    except OSError:
        shutil.rmtree(place, ignore_errors=True)
        raise
    return place


def read_spooled(place: Path) -> tuple[TrialResult, dict[str, Path]]:
    """A result and its weights, by file name, from the folder that `write_spooled` made."""
    result = TrialResult.from_json((place / RESULT_FILE).read_bytes())
    return result, {path.name: path for path in sorted(place.glob("*.safetensors"))}


def spooled(spool: Path) -> dict[str, TrialResult]:
    """Key -> every result that waits to be filed; what another version wrote is passed over with a warning."""
    found: dict[str, TrialResult] = {}
    for file in sorted(spool.glob(f"*/{RESULT_FILE}")):
        try:
            found[file.parent.name] = TrialResult.from_json(file.read_bytes())
        except FileNotFoundError:  # filed meanwhile
            continue
        except ValueError as error:
            log.warning("%s: not a result that can be read, passed over (%s)", file, str(error).partition("\n")[0])
    return found
