"""Two ways to the same numbers, side by side on the clock."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One comparison."""

    what: str
    baseline: str
    baseline_seconds: float
    ours_seconds: float
    asked: float
    """The ratio that is promised."""

    @property
    def ratio(self) -> float:
        """How many times faster ours is."""
        return self.baseline_seconds / self.ours_seconds


@dataclass(frozen=True)
class Memory:
    """One peak of resident memory, of a process of its own."""

    what: str
    gib: float
    allowed_gib: float


def interleaved(*functions: Callable[[], object], rounds: int = 3) -> list[float]:
    """The least wall seconds of each function; they run in turn, so that a busy machine slows all of them."""
    seconds = [float("inf")] * len(functions)
    for _ in range(rounds):
        for place, function in enumerate(functions):
            start = time.perf_counter()
            function()
            seconds[place] = min(seconds[place], time.perf_counter() - start)
    return seconds
