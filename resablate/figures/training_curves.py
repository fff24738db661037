"""Training loss and validation error by epoch."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from resablate.figures.curves import Curve, Points, median_curves, positive
from resablate.figures.drawing import Quantity, add_legend, draw_curves, series_handles, whole_numbers
from resablate.figures.picture import Picture
from resablate.result import TrialResult

QUANTITIES = {
    "train_loss": Quantity("training loss (nats)", log=True),
    "val_error": Quantity("validation error (%)"),
}


def data(results: Sequence[TrialResult]) -> tuple[Curve, ...] | None:
    """The histories by panel and series; None where no epoch was trained."""
    return median_curves(results, {"train_loss": positive(_train_loss), "val_error": _val_error}) or None


def draw(curves: Sequence[Curve]) -> Figure:
    """Training loss above, validation error below."""
    canvas = draw_curves(curves, QUANTITIES, x_label="epoch")
    for (_, quantity), axes in canvas.axes.items():
        whole_numbers(axes)
        if quantity == "val_error":
            axes.set_ylim(bottom=0)
    add_legend(canvas.figure, series_handles(curve.series for curve in curves))
    return canvas.figure


def _train_loss(result: TrialResult) -> Points:
    return [(epoch.epoch, epoch.train_loss) for epoch in result.history]


def _val_error(result: TrialResult) -> Points:
    return [(epoch.epoch, 100 * epoch.val_error) for epoch in result.history]


PICTURE = Picture(
    title="Training",
    caption=(
        "Training loss (logarithmic axis) and validation error by epoch. Lines are medians over seeds, "
        "bands their range; a line ends where its trials diverged."
    ),
    data=data,
    draw=draw,
)
