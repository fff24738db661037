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
class Picture(Generic[Data]):
    """One row of the `FIGURES` table.

    Args:
        title: heading in the report.
        caption: what is drawn and how to read it; also the text for those who cannot see it.
        data: results -> what is drawn, or None where nothing of it was measured.
        draw: data -> a matplotlib figure.
        search_data: the same for the trials of a search, in the order in which they were proposed, where it shows
            other things than for a grid.
        published_data: the same with published numbers beside the measured ones, where there is a place for them.
    """

    title: str
    caption: str
    data: Callable[[Sequence[TrialResult]], Data | None]
    draw: Callable[[Data], Figure]
    search_data: Callable[[Sequence[TrialResult], SweepSpec], Data | None] | None = None
    published_data: Callable[[Sequence[TrialResult], Published], Data | None] | None = None
