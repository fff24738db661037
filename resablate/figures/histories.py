"""Training loss and validation error: what the pictures after He et al. (2016), Figures 3 and 6, share."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from resablate.check import planned_steps, steps_per_epoch
from resablate.datasets import DATASETS
from resablate.figures.curves import Curve, Points, Reading, mean_curves, positive
from resablate.figures.drawing import INK, add_curves, counted_handles, label_narrow, replicate_handles, whole_numbers
from resablate.figures.layout import Canvas, Quantity, add_legend, panel_grid
from resablate.figures.variants import Member, Panel, Series
from resablate.result import TrialResult

LOSS, ERROR = "train_loss", "val_error"
LOOKS: dict[str, dict[str, Any]] = {LOSS: {"linestyle": (0, (3, 1.5))}, ERROR: {"linestyle": "-"}}
MARKERS_OF_A_LINE = 8


@dataclass(frozen=True)
class Histories:
    """Training losses in nats, and validation errors in % of the trials that hold images out."""

    curves: tuple[Curve, ...]
    x_label: str
    """`iterations`, or `epoch` where the number of images of a data set is not known beforehand."""


def histories(members: Sequence[Member]) -> Histories | None:
    """The histories by panel and series; None where no epoch was trained."""
    counted = all(_is_counted(member.result) for member in members)
    readings = {
        LOSS: Reading(positive(partial(_losses, counted=counted)), "log"),
        ERROR: Reading(partial(_errors, counted=counted), "percent"),
    }
    curves = mean_curves(members, readings)
    return Histories(curves, "iterations" if counted else "epoch") if curves else None


def draw_histories(found: Histories) -> Figure:
    """Training loss dashed, on the left axis; validation error, where there is one, solid, on the right axis."""
    canvas = panel_grid(
        (curve.panel for curve in found.curves), {LOSS: Quantity("training loss (nats), dashed", log=True)}
    )
    right = _right_axes(canvas, {curve.panel for curve in found.curves if curve.quantity == ERROR})
    axes = {(panel, LOSS): left for (panel, _), left in canvas.axes.items()}
    axes |= {(panel, ERROR): twin for panel, twin in right.items()}
    longest = max(len(curve.x) for curve in found.curves)
    for quantity, look in LOOKS.items():
        chosen = [curve for curve in found.curves if curve.quantity == quantity]
        add_curves(axes, chosen, **look, markevery=ceil(longest / MARKERS_OF_A_LINE))
    for (_, quantity), one in axes.items():
        if quantity == LOSS:
            label_narrow(one)
            whole_numbers(one)
            one.set_xlabel(found.x_label)
        else:
            one.set_ylim(bottom=0)
    add_legend(canvas.figure, _handles(found.curves))
    return canvas.figure


def _right_axes(canvas: Canvas, panels: Collection[Panel]) -> dict[Panel, Axes]:
    """An axis of errors at the right of these panels, of one scale; named at the last panel of each row."""
    right: dict[Panel, Axes] = {}
    for (panel, _), left in canvas.axes.items():
        if panel not in panels:
            continue
        twin = left.twinx()
        twin.grid(visible=False)
        twin.spines["right"].set_visible(True)
        if right:
            twin.sharey(next(iter(right.values())))
        spec = left.get_subplotspec()
        last = spec is not None and spec.is_last_col()
        if last or len(right) == len(panels) - 1:
            twin.set_ylabel("validation error (%), solid\n(not the test error)")
        else:
            twin.tick_params(which="both", labelright=False)
        right[panel] = twin
    return right


def _handles(curves: Sequence[Curve]) -> list[Artist]:
    counts: dict[Series, set[int]] = {}
    for curve in curves:
        counts.setdefault(curve.series, set()).add(curve.trials)
    drawn = {curve.quantity for curve in curves}
    keys = [
        Line2D([], [], color=INK, label=name, **LOOKS[q])
        for q, name in ((LOSS, "training loss"), (ERROR, "validation error"))
        if q in drawn
    ]
    return [*counted_handles(counts, linestyle="-"), *keys, *replicate_handles(curves)]


def _is_counted(result: TrialResult) -> bool:
    name = result.spec.dataset.name
    return name in DATASETS and not DATASETS[name].streamed


def _at(result: TrialResult, epoch: int, counted: bool) -> int:
    """The iteration at which an epoch ends; the last may be cut off."""
    if not counted:
        return epoch
    return min(epoch * steps_per_epoch(result.spec), max(planned_steps(result.spec), 1))


def _losses(result: TrialResult, *, counted: bool) -> Points:
    return [(_at(result, epoch.epoch, counted), epoch.train_loss) for epoch in result.history]


def _errors(result: TrialResult, *, counted: bool) -> Points:
    known = [(epoch.epoch, epoch.val_error) for epoch in result.history if epoch.val_error is not None]
    return [(_at(result, epoch, counted), 100 * error) for epoch, error in known]
