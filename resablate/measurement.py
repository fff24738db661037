"""What one epoch and one analysis measured: plain frozen data, usable without the sweep layer."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from resablate.question import Question

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


Bounds = tuple[float, float]
"""The least and the greatest value that a number can have."""
ANY: Bounds = (-math.inf, math.inf)
PART: Bounds = (0.0, 1.0)
"""Of an error, and of a part of a whole."""
POSITIVE: Bounds = (0.0, math.inf)
"""Of a loss, a norm, a ratio, a time, and of what is counted."""
CORRELATION: Bounds = (-1.0, 1.0)


def differences_of(possible: Bounds) -> Bounds:
    """The least and the greatest difference of two numbers of that range."""
    least, greatest = possible
    return least - greatest, greatest - least


INCREASE = differences_of(PART)
"""Of an error."""


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """One row of a trial's history. Errors are fractions in [0, 1], losses are nats per example."""

    epoch: int
    """Counted from 1."""
    train_loss: float
    """Mean over the epoch's examples as they were seen, augmentation included."""
    train_error: float
    val_loss: float | None
    """Of the examples that are held out; None where none are, as in `val_error`."""
    val_error: float | None
    learning_rate: float
    """The rate of the epoch's last step."""
    wall_seconds: float


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """Which examples a network classified wrongly, one bit for each: what seeds and examples are resampled from.

    Args:
        examples: a hash of the examples in their order; outcomes of equal hashes can be paired by example.
        count: how many examples.
        wrong: the bits in base64, the first example in the highest bit, 1 where the largest logit is another class's.
        wrong_top5: likewise, 1 where the label is not among the five largest logits; None up to ten classes.
    """

    examples: str
    count: int
    wrong: str
    wrong_top5: str | None = None

    @classmethod
    def of(cls, wrong: NDArray[np.bool_], *, examples: str, wrong_top5: NDArray[np.bool_] | None = None) -> Outcomes:
        """The packed form of (N,) truth values."""
        top5 = None if wrong_top5 is None else _packed(wrong_top5)
        return cls(examples=examples, count=len(wrong), wrong=_packed(wrong), wrong_top5=top5)

    def unpacked(self, *, top5: bool = False) -> NDArray[np.bool_]:
        """(N,), true where the example was classified wrongly.

        Raises:
            ValueError: if the five largest logits were not looked at, or the bits are not as many as the examples.
        """
        packed = self.wrong_top5 if top5 else self.wrong
        if packed is None:
            raise ValueError("the five largest logits are looked at where there are more than ten classes")
        content = np.frombuffer(base64.b64decode(packed, validate=True), dtype=np.uint8)
        if len(content) != -(-self.count // 8):
            raise ValueError(f"{self.count} outcomes need {-(-self.count // 8)} bytes, got {len(content)}")
        return np.unpackbits(content, count=self.count).astype(np.bool_)


def _packed(bits: NDArray[np.bool_]) -> str:
    return base64.b64encode(np.packbits(bits).tobytes()).decode()


@dataclass(frozen=True, kw_only=True)
class AnalysisResult:
    """Numbers an analysis took from one network.

    Args:
        summary: name -> number.
        table: column -> values; all columns are equally long.
        units: unit of every column and every summary number ("fraction", "nats", "1" for a plain number).
        axes: column -> the column it is plotted against; its values are whole numbers, which MLflow takes as steps.
        outcomes: of every example, where the analysis classifies each with one network.

    Raises:
        ValueError: if columns differ in length, a unit is missing or an axis names no column.
    """

    summary: Mapping[str, float]
    table: Mapping[str, Sequence[float]]
    units: Mapping[str, str]
    axes: Mapping[str, str] = field(default_factory=dict[str, str])
    outcomes: Outcomes | None = None

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
