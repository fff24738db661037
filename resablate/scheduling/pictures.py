"""What is drawn of a result when it is filed."""

from __future__ import annotations

import logging
from functools import cache

from resablate.result import TrialResult
from resablate.torch_missing import check_is_torch
from resablate.tracking import Tracker

log = logging.getLogger(__name__)


def pictures(result: TrialResult, tracker: Tracker) -> dict[str, bytes]:
    """Name -> PNG of what was measured; nothing where nothing was, or the records hold no pictures."""
    if not result.measurements or not tracker.keeps_figures:
        return {}
    try:
        # Loads torch and matplotlib, which the sweep's one writer may never need.
        from resablate.figures import draw_all
    except ModuleNotFoundError as missing:
        check_is_torch(missing)
        _warn_once(f"{missing.name} is not installed here: results are filed without pictures")
        return {}
    return draw_all(result)


@cache
def _warn_once(text: str) -> None:
    log.warning("%s", text)
