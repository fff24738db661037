"""Wall-clock comparisons on a noisy machine."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What was compared, and the ratio asked for."""

    what: str
    baseline: str
    baseline_seconds: float
    ours_seconds: float
    asked: float

    @property
    def ratio(self) -> float:
        """How many times faster than the baseline."""
        return self.baseline_seconds / self.ours_seconds


def interleaved(*functions: Callable[[], object], rounds: int = 3) -> list[float]:
    """Least wall seconds of each function over `rounds`, run in turn, so that all meet the same disturbances."""
    best = [float("inf")] * len(functions)
    for _ in range(rounds):
        for place, function in enumerate(functions):
            start = time.perf_counter()
            function()
            best[place] = min(best[place], time.perf_counter() - start)
    return best
