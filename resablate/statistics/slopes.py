"""Slopes of a measured number over what was varied (depth, disorder, deletions), with an interval.

A slope is a weighted sum of cells, so that seeds and examples count as in any contrast. If the points do not lie on a
line, that is another noise, which more seeds do not lower: `noise="points"` takes the scatter about the line instead.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from resablate.statistics.argument_rules import check_choice
from resablate.statistics.contrasts import Pairing, contrast
from resablate.statistics.estimate import MANY, Estimate
from resablate.statistics.sample import Sample

FEWEST_POINTS = 3
"""A line through two points has no scatter."""

Noise = Literal["seeds", "points"]


def slope(
    positions: ArrayLike,
    cells: Sequence[Sample],
    *,
    noise: Noise = "points",
    pairing: Pairing = "auto",
) -> Estimate:
    """The least-squares slope of the cells' means over `positions`.

    Args:
        positions: (cells,) where each cell stands, such as ln[ln(2 L) / L] of its depth L.
        cells: their numbers, such as ln(mean l) of each training.
        noise: "seeds" takes the line as exact; "points" takes the scatter of means about it, of which the
            noise of seeds is a part, with cells - 2 degrees of freedom; one seed per cell will do.
        pairing: by seed, as in `contrast`, where the noise is that of seeds.

    Raises:
        ValueError: if positions and cells differ in number, are fewer than three, or all positions are equal or one is
            not finite; for a noise or pairing that there is not.
    """
    check_choice("noise", noise, get_args(Noise))
    places = np.asarray(positions, dtype=np.float64)
    if places.shape != (len(cells),) or len(cells) < FEWEST_POINTS or not 0 < np.ptp(places) < np.inf:
        raise ValueError(
            f"a slope needs one position for each of three cells or more, finite and not all equal, but got "
            f"{len(cells)} cells at {places.tolist()}"
        )
    centered = places - places.mean()
    weights = centered / np.square(centered).sum()
    # The scatter is that of all trainings, whichever seeds they have.
    of_seeds = contrast(cells, weights.tolist(), pairing=pairing if noise == "seeds" else "none")
    if noise == "seeds":
        return of_seeds
    means = np.stack([cell.mean for cell in cells], axis=-1)
    left = means - means.mean(axis=-1, keepdims=True) - of_seeds.value[..., None] * centered
    variance = np.square(left).sum(axis=-1) / (len(cells) - 2) / np.square(centered).sum()
    few = np.full(variance.shape, len(cells) - 2.0)
    return Estimate(
        value=of_seeds.value,
        seed_variance=variance,
        seed_df=few,
        pooled_df=few,
        seed_mix=np.ones(variance.shape),
        example_variance=np.zeros(variance.shape),
        example_df=MANY,
        seeds=of_seeds.seeds,
        examples=of_seeds.examples,
        method=f"scatter of {len(cells)} points about the line",
        points=len(cells),
    )
