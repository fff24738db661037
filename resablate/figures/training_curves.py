"""Training loss and validation error over training, after He et al. (2016), Figure 3."""

from __future__ import annotations

from collections.abc import Sequence

from resablate.figures.histories import Histories, draw_histories, histories
from resablate.figures.picture import Picture
from resablate.figures.variants import arrange
from resablate.result import TrialResult


def data(results: Sequence[TrialResult]) -> Histories | None:
    """The histories by panel and series; None where no epoch was trained."""
    return histories(arrange(results))


PICTURE = Picture(
    title="Training",
    caption=(
        "Training loss (dashed, left axis, logarithmic) and validation error (solid, right axis) against the number of "
        "iterations, or of epochs where the size of a data set is not known beforehand. Thick lines are means over n "
        "trainings, of losses geometric ones; thin lines are the trainings, and end where one diverged; bands are 95 % "
        "intervals of the mean over all seeds. Trainings that hold no images out have no validation error. After He et "
        "al. (2016), Figure 3, which draws test errors; the test set is looked at once here, after training."
    ),
    data=data,
    draw=draw_histories,
)
