"""Training loss and validation error of the orderings in the same axes, after He et al. (2016), Figure 6."""

from __future__ import annotations

from collections.abc import Sequence

from resablate.figures.histories import Histories, draw_histories, histories
from resablate.figures.picture import Picture
from resablate.figures.variants import Panel, arrange
from resablate.result import TrialResult


def data(results: Sequence[TrialResult]) -> Histories | None:
    """The histories of networks with identity shortcuts; None where no network was trained in two orderings."""
    identity = [result for result in results if result.spec.shortcut.name == "identity" and result.history]
    members = arrange(identity, panel_fields=("dataset", "depth"))
    orderings: dict[Panel, set[str]] = {}
    for member in members:
        orderings.setdefault(member.panel, set()).add(member.result.spec.ordering.name)
    return histories([member for member in members if len(orderings[member.panel]) > 1])


PICTURE = Picture(
    title="Training, by ordering",
    caption=(
        "Training loss (dashed, left axis, logarithmic) and validation error (solid, right axis) of networks with "
        "identity shortcuts whose batch norms and activations come in different orders, against the number of "
        "iterations, or of epochs where the size of a data set is not known beforehand. Thick lines are means over n "
        "trainings, of losses geometric ones; thin lines are the trainings, and end where one diverged; bands are 95 % "
        "intervals of the mean over all seeds. Trainings that hold no images out have no validation error. After He et "
        "al. (2016), Figure 6, which draws test errors; the test set is looked at once here, after training."
    ),
    data=data,
    draw=draw_histories,
)
