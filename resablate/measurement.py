"""What one epoch and one analysis measured: plain frozen data, usable without the sweep layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from resablate.question import Question

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """One row of a trial's history. Errors are fractions in [0, 1], losses are nats per example."""

    epoch: int
    """Counted from 1."""
    train_loss: float
    """Mean over the epoch's examples as they were seen, augmentation included."""
    train_error: float
    val_loss: float
    val_error: float
    learning_rate: float
    """The rate of the epoch's last step."""
    wall_seconds: float


@dataclass(frozen=True, kw_only=True)
class AnalysisResult:
    """Numbers an analysis took from one network.

    Args:
        summary: name -> number.
        table: column -> values; all columns are equally long.
        units: unit of every column and every summary number ("fraction", "nats", "1" for a plain number).
        axes: column -> the column it is plotted against; its values are whole numbers, which MLflow takes as steps.

    Raises:
        ValueError: if columns differ in length, a unit is missing or an axis names no column.
    """

    summary: Mapping[str, float]
    table: Mapping[str, Sequence[float]]
    units: Mapping[str, str]
    axes: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in self.table.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns must be equally long, got {lengths}")
        if missing := sorted({*self.summary, *self.table} - set(self.units)):
            raise ValueError(f"every number needs a unit; missing for {missing}")
        if unknown := sorted({*self.axes, *self.axes.values()} - set(self.table)):
            raise ValueError(f"axes must name columns of the table; {unknown} are none of {list(self.table)}")

    def frame(self) -> pd.DataFrame:
        """The table as a pandas DataFrame, one row per block or path length."""
        import pandas as pd

        return pd.DataFrame(dict(self.table))

    def plot(self) -> Figure:
        """The curves of `axes`, a panel for each unit, as a matplotlib figure that a notebook shows."""
        from resablate.figures.curves_of import curves_of

        return curves_of(self)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What a question to one network gave.

    Args:
        question: the analysis with its arguments, and when.
        result: the numbers.
    """

    question: Question
    result: AnalysisResult


@dataclass(frozen=True, kw_only=True)
class FailedMeasurement:
    """A question that got no answer.

    Args:
        question: the analysis with its arguments, and when.
        reason: why, in one line.
    """

    question: Question
    reason: str
