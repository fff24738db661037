"""Running sweeps: in this process, or on Ray Tune.

The names below are imported when they are first used: each of a sweep's processes loads what it needs and no more.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resablate.scheduling.analyze import analyze_trials
    from resablate.scheduling.found_trials import StoredTrial, find_trials, load_named
    from resablate.scheduling.inline import Scheduler
    from resablate.scheduling.packing import PackSizes, describe_packs, sizes_in_words
    from resablate.scheduling.pending import Preview, preview
    from resablate.scheduling.progress import clock
    from resablate.scheduling.run import SweepOutcome, run_sweep
    from resablate.scheduling.status import STATES, SweepStanding, TrialStatus, sweep_standing, trials_to_come
    from resablate.scheduling.stopping import HUNG_UP, INTERRUPTED, OUT_OF_TIME, TERMINATED

__all__ = [
    "HUNG_UP",
    "INTERRUPTED",
    "OUT_OF_TIME",
    "STATES",
    "TERMINATED",
    "PackSizes",
    "Preview",
    "Scheduler",
    "StoredTrial",
    "SweepOutcome",
    "SweepStanding",
    "TrialStatus",
    "analyze_trials",
    "clock",
    "describe_packs",
    "find_trials",
    "load_named",
    "preview",
    "run_sweep",
    "sizes_in_words",
    "sweep_standing",
    "trials_to_come",
]

_HOMES = {
    "analyze": ("analyze_trials",),
    "found_trials": (
        "StoredTrial",
        "find_trials",
        "load_named",
    ),
    "inline": ("Scheduler",),
    "packing": (
        "PackSizes",
        "describe_packs",
        "sizes_in_words",
    ),
    "pending": (
        "Preview",
        "preview",
    ),
    "progress": ("clock",),
    "run": (
        "SweepOutcome",
        "run_sweep",
    ),
    "status": (
        "STATES",
        "SweepStanding",
        "TrialStatus",
        "sweep_standing",
        "trials_to_come",
    ),
    "stopping": ("HUNG_UP", "INTERRUPTED", "OUT_OF_TIME", "TERMINATED"),
}


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
