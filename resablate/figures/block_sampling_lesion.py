"""Test error with each block removed, by how blocks were sampled in training, after Veit et al. (2016), Figure 8."""

from __future__ import annotations

from collections.abc import Sequence

from resablate.figures.picture import Picture
from resablate.figures.removal import Removals, draw_removals, removals
from resablate.figures.variants import arrange
from resablate.result import TrialResult


def data(results: Sequence[TrialResult]) -> Removals | None:
    """The lesion analyses of networks that were trained with all blocks and with some; None without both.

    A network that was trained in one way only is left out.
    """
    ways: dict[str, set[str]] = {}
    for result in results:
        if "lesion" in result.analyses:
            ways.setdefault(_otherwise_equal(result), set()).add(result.spec.block_sampling.name)
    compared = [result for result in results if len(ways.get(_otherwise_equal(result), ())) > 1]
    return removals(arrange(compared))


def _otherwise_equal(result: TrialResult) -> str:
    spec = result.spec
    return str((spec.network, spec.shortcut, spec.ordering, spec.depth, spec.width, spec.dataset))


PICTURE = Picture(
    title="One block removed, after training with all blocks or with some",
    caption=(
        "Test error of the trained network with one block's branch removed, against the block, for networks of the "
        "same kind of which all blocks took part in every training step, or a random part of them. Block 0 is next "
        "to the input; where networks have different numbers of blocks, 0 is the first and 1 the last. Lines are means "
        "over n trainings, thin lines the trainings, bands 95 % intervals of the mean over all seeds, dashed lines the "
        "whole network, rings the blocks that change dimensions. After Veit et al. (2016), Figure 8."
    ),
    data=data,
    draw=draw_removals,
)
