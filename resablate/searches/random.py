"""Points drawn at random: independent, uniform along each axis."""

import numpy as np

from resablate.errors import SpecError
from resablate.searches.points import points_at
from resablate.sweep import Point, SweepSpec


def random(sweep: SweepSpec) -> list[Point]:
    """`search.trials` points drawn with `search.seed`; a range is uniform, or uniform in its logarithm.

    Raises:
        SpecError: if the number of trials is missing.
    """
    if sweep.search.trials is None:
        raise SpecError("search.trials: method: random needs the number of trials")
    return draw(sweep, sweep.search.trials)


def draw(sweep: SweepSpec, count: int) -> list[Point]:
    """`count` points."""
    source = np.random.default_rng(sweep.search.seed)
    return points_at(sweep, source.random((count, len(sweep.space))).tolist())
