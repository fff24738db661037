"""From the packed outcomes of a cell's trainings to its `Sample`."""

from collections.abc import Sequence

import numpy as np

from resablate.measurement import Outcomes
from resablate.statistics.sample import Sample


def sample_of_outcomes(
    found: Sequence[tuple[int, Outcomes | None]], *, top5: bool = False
) -> tuple[Sample | None, str]:
    """The outcomes of a cell if all its trainings have them of the same examples; else None, and why.

    Args:
        found: the seed of each training, and its outcomes.
        top5: whether those of the five largest logits count.
    """
    known = [(seed, outcomes) for seed, outcomes in found if outcomes is not None]
    if not known:
        return None, "" if not found else "not every training has the outcomes of its test examples"
    if len(known) < len(found):
        return None, "not every training has the outcomes of its test examples"
    if len({(outcomes.examples, outcomes.count) for _, outcomes in known}) > 1:
        return None, "trainings of one cell were put to different test sets"
    if known[0][1].count < 2:  # noqa: PLR2004 - one example has no spread
        return None, "a single test example"
    stacked = np.stack([outcomes.unpacked(top5=top5) for _, outcomes in known])
    return Sample.of_outcomes(stacked, seeds=[seed for seed, _ in known], examples=known[0][1].examples), ""
