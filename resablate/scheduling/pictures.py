"""What is drawn of a result when it is filed."""

from __future__ import annotations

from resablate.result import TrialResult
from resablate.tracking import Tracker


def pictures(result: TrialResult, tracker: Tracker) -> dict[str, bytes]:
    """Name -> PNG of what was measured; nothing where nothing was, or the records hold no pictures."""
    if not result.measurements or not tracker.keeps_figures:
        return {}
    from resablate.figures import draw_all  # loads torch and matplotlib, which the sweep's one writer may never need

    return draw_all(result)
