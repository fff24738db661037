"""Points spread evenly over the whole space: a Sobol sequence."""

import numpy as np

from resablate.errors import SpecError
from resablate.searches.points import points_at
from resablate.sweep import Point, SweepSpec


def quasi_random(sweep: SweepSpec) -> list[Point]:
    """The first `search.trials` points of a Sobol sequence scrambled with `search.seed`; ranges as in `random`.

    With as many points they leave smaller holes than `random`'s; a power of two of them is balanced best.

    Raises:
        SpecError: if the number of trials or every axis is missing.

    Source: Owen, Journal of Complexity 14, 1998; Bergstra & Bengio, JMLR 2012, on searching this way.
    """
    axes = len(sweep.space)
    if sweep.search.trials is None or not axes:
        missing = "search.trials: method: quasi_random needs the number of trials"
        raise SpecError(missing if axes else "axes: method: quasi_random needs at least one axis")
    import torch  # which who only asks what kind of search it is may not have

    # Mixed, because torch takes no seed of more than 64 bits.
    seed = int(np.random.SeedSequence(sweep.search.seed).generate_state(1, np.uint64)[0] >> np.uint64(1))
    engine = torch.quasirandom.SobolEngine(axes, scramble=True, seed=seed)
    return points_at(sweep, engine.draw(sweep.search.trials, dtype=torch.float64).tolist())
