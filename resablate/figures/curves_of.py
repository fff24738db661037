"""Any analysis as curves, for a look in a notebook."""

from __future__ import annotations

from matplotlib.figure import Figure

from resablate.figures.drawing import FAINT, MARKED_POINTS, PALETTE, styled
from resablate.figures.layout import ONE_PANEL_HEIGHT, ONE_PANEL_WIDTH
from resablate.measurement import AnalysisResult

_WIDE_RANGE = 100.0
"""Positive values whose largest is more than this many times the smallest are drawn on a logarithmic axis."""


def curves_of(result: AnalysisResult) -> Figure:
    """Every column that has an axis, a panel for each pair of axis and unit.

    Raises:
        ValueError: if no column has an axis.
    """
    panels: dict[tuple[str, str], list[str]] = {}
    for column, axis in result.axes.items():
        panels.setdefault((axis, result.units[column]), []).append(column)
    if not panels:
        raise ValueError("there is nothing to plot: no column of this analysis has an axis")
    with styled():
        figure = Figure(figsize=(ONE_PANEL_WIDTH, ONE_PANEL_HEIGHT * len(panels)), layout="constrained")
        drawn = figure.subplots(len(panels), squeeze=False)[:, 0]
        for axes, ((axis, unit), columns) in zip(drawn, panels.items(), strict=True):
            values = [float(value) for column in columns for value in result.table[column]]
            for place, column in enumerate(columns):
                marker = "o" if len(result.table[column]) <= MARKED_POINTS else None
                color = PALETTE[place % len(PALETTE)]
                axes.plot(
                    result.table[axis], result.table[column], color=color, marker=marker, markersize=3, label=column
                )
            positive = [value for value in values if value > 0]
            if positive and min(values) >= 0 and max(positive) > _WIDE_RANGE * min(positive):
                axes.set_yscale("log")
            axes.set_xlabel(_with_unit(axis, result.units[axis]))
            axes.set_ylabel(_with_unit(columns[0] if len(columns) == 1 else "", unit))
            if len(columns) > 1:
                axes.legend(labelcolor=FAINT)
    return figure


def _with_unit(name: str, unit: str) -> str:
    words = name.replace("_", " ")
    if unit in ("1", name) or not name:
        return words or unit
    return f"{words} ({unit})"
