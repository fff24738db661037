"""What a picture is: a data function that can be tested without pixels, and a draw function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from matplotlib.figure import Figure

from resablate.result import TrialResult
from resablate.sweep import SweepSpec

Data = TypeVar("Data")
Published = Callable[[TrialResult], str | None]
"""The published number that stands for a trial in everything, such as `6.61 %`, `fail` where it failed; else None."""


@dataclass(frozen=True)
class Closing:
    """How the interval of one claim closed while seeds came in rounds.

    Args:
        claim: its id; of a comparison of the sweep's own what is compared, such as `test error`.
        compared: what is compared, in words.
        axis: what the number is, with its unit.
        reference: what the number is seen against.
        margin: differences below it do not matter; 0 where there is none.
        seeds: trainings of each cell at each look that was made.
        values: the number at each of them.
        lows: the lower ends of its intervals, each at what the look may spend.
        highs: the upper ends.
        verdict: of the claim, as the page words it.
        decided: the place of the look that decided it; None while it is undecided.
        most: trainings of each cell at the last look that there may be.
    """

    claim: str
    compared: str
    axis: str
    reference: float
    margin: float
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    verdict: str
    decided: int | None
    most: int


@dataclass(frozen=True)
class Picture(Generic[Data]):
    """One row of the `FIGURES` table.

    Args:
        title: heading in the report.
        caption: what is drawn and how to read it; also the text for those who cannot see it.
        data: results -> what is drawn, or None where nothing of it was measured.
        draw: data -> a matplotlib figure.
        search_data: the same for the trials of a search, in the order in which they were proposed, where it shows
            other things than for a grid.
        rounds_data: the same for claims whose seeds came in rounds.
        published_data: the same with published numbers beside the measured ones, where there is a place for them.
    """

    title: str
    caption: str
    data: Callable[[Sequence[TrialResult]], Data | None]
    draw: Callable[[Data], Figure]
    search_data: Callable[[Sequence[TrialResult], SweepSpec], Data | None] | None = None
    published_data: Callable[[Sequence[TrialResult], Published], Data | None] | None = None
    rounds_data: Callable[[Sequence[Closing]], Data | None] | None = None
