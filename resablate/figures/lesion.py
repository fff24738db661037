"""Test error with each block removed, after Veit et al. (2016), Figure 3."""

from __future__ import annotations

from collections.abc import Sequence

from resablate.figures.picture import Picture
from resablate.figures.removal import Removals, draw_removals, removals
from resablate.figures.variants import arrange_shared
from resablate.result import TrialResult


def data(results: Sequence[TrialResult]) -> Removals | None:
    """The lesion analyses with networks and depths in the same axes; None where there is none.

    Networks that were trained with fewer blocks at a time have a picture of their own where there are others.
    """
    with_all = [result for result in results if result.spec.block_sampling.name == "all"]
    return removals(arrange_shared(with_all)) or removals(arrange_shared(results))


PICTURE = Picture(
    title="One block removed",
    caption=(
        "Test error of the trained network with one block's branch removed, against the block; nothing is trained "
        "again. Block 0 is next to the input; where networks have different numbers of blocks, 0 is the first and 1 "
        "the last. Lines are means over n trainings, thin lines the trainings, bands 95 % intervals of the mean over "
        "all seeds, dashed lines the whole network, rings the blocks that change dimensions. After Veit et al. "
        "(2016), Figure 3."
    ),
    data=data,
    draw=draw_removals,
)
