"""Two ways to the same numbers, side by side on the clock."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from resablate.machine_speed import processor

FOLDER = Path(__file__).parents[2] / "reports" / "benchmarks"


def machine() -> str:
    """What the figures were taken on, and when."""
    load = os.getloadavg()[0]
    return (
        f"{processor()}, {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__},"
        f" Python {platform.python_version()}, {datetime.now(UTC).date().isoformat()}, load at the end {load:.1f}"
    )


@dataclass(frozen=True)
class Row:
    """One comparison."""

    what: str
    baseline: str
    baseline_seconds: float
    ours_seconds: float
    asked: float
    """The ratio that is promised."""
    baseline_cpu_seconds: float | None = None
    """Of all threads of the process; None where processes of their own were timed."""
    ours_cpu_seconds: float | None = None

    @classmethod
    def of(cls, what: str, baseline: str, spent: list[Spent], *, asked: float) -> Row:
        """Of what `spent_in_turn` returned for the baseline and ours."""
        before, ours = spent
        return cls(what, baseline, before.wall, ours.wall, asked, before.cpu, ours.cpu)

    @property
    def ratio(self) -> float:
        """How many times faster ours is."""
        return self.baseline_seconds / self.ours_seconds


@dataclass(frozen=True)
class Bound:
    """One number that is promised to stay at or below another."""

    what: str
    value: float
    unit: str
    allowed: float


@dataclass(frozen=True)
class Spent:
    """Least seconds of several runs, each of the two for itself."""

    wall: float
    cpu: float
    """Of all threads of this process: hardly more where others compute beside it."""


def spent_in_turn(*functions: Callable[[], object], rounds: int = 3) -> list[Spent]:
    """The least seconds of each function; they run in turn, so that a busy machine slows all of them."""
    found = [Spent(float("inf"), float("inf"))] * len(functions)
    for _ in range(rounds):
        for place, function in enumerate(functions):
            wall, cpu = time.perf_counter(), time.process_time()
            function()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            found[place] = Spent(min(found[place].wall, wall), min(found[place].cpu, cpu))
    return found


def interleaved(*functions: Callable[[], object], rounds: int = 3) -> list[float]:
    """The least wall seconds of each function, run in turn."""
    return [spent.wall for spent in spent_in_turn(*functions, rounds=rounds)]
