"""Replicates: trainings that differ in their seed alone. This file is the one definition of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class SeededSpec(Protocol):
    """What was trained: a `TrainSpec`, or anything else that tells its cell and its seed."""

    @property
    def cell(self) -> str:
        """A key that is equal for two specs if they are equal in everything but the seed, and only then."""
        ...

    @property
    def seed(self) -> int:
        """What tells the replicates of one cell apart."""
        ...


class Trained(Protocol):
    """Whatever came of a training: a `TrialResult`, or anything else that tells what was trained."""

    @property
    def spec(self) -> SeededSpec:
        """What was trained."""
        ...


R = TypeVar("R", bound=Trained)


@dataclass(frozen=True)
class Cell(Generic[R]):
    """All replicates of one combination of everything but the seed.

    Args:
        key: `spec.cell` of all of them.
        results: at least one, in ascending order of their seeds; those of equal seeds in the order in which they came.
    """

    key: str
    results: tuple[R, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of `results`, in their order."""
        return tuple(result.spec.seed for result in self.results)


def cells(results: Iterable[R]) -> list[Cell[R]]:
    """The results grouped into cells, in the order in which the cells first appear.

    Takes time and memory in proportion to the number of results. `spec.cell` is read once for each.
    """
    groups: dict[str, list[R]] = {}
    for result in results:
        groups.setdefault(result.spec.cell, []).append(result)
    return [
        Cell(key, tuple(sorted(replicates, key=lambda result: result.spec.seed))) for key, replicates in groups.items()
    ]
