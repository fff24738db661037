"""Points spread evenly over the whole space: a Sobol sequence."""

import math

from resablate.errors import SpecError
from resablate.searches.points import ends, takes_whole_numbers
from resablate.sweep import Point, Range, SweepSpec


def quasi_random(sweep: SweepSpec) -> list[Point]:
    """The first `search.trials` points of a Sobol sequence scrambled with `search.seed`; ranges as in `random`.

    With as many points they leave smaller holes than `random`'s; a power of two of them is balanced best.

    Raises:
        SpecError: if the number of trials or every axis is missing.

    Source: Owen, Journal of Complexity 14, 1998; Bergstra & Bengio, JMLR 2012, on searching this way.
    """
    if sweep.search.trials is None or not sweep.axes:
        missing = "search.trials: method: quasi_random needs the number of trials"
        raise SpecError(missing if sweep.axes else "axes: method: quasi_random needs at least one axis")
    # scipy takes half a second to import.
    from scipy.stats import qmc

    count = sweep.search.trials
    sequence = qmc.Sobol(len(sweep.axes), rng=sweep.search.seed).random_base2(math.ceil(math.log2(count)))
    return [
        {axis: _at(axis, values, float(part)) for (axis, values), part in zip(sweep.axes.items(), row, strict=True)}
        for row in sequence[:count]
    ]


def _at(axis: str, values: object, part: float) -> object:
    """The value that `part`, in [0, 1), of the axis lies below."""
    if isinstance(values, Range):
        low, high = ends(axis, values)
        whole = takes_whole_numbers(axis)
        high = high + 1 if whole else high
        value = low * (high / low) ** part if values.log else low + part * (high - low)
        return min(math.floor(value), int(high) - 1) if whole else min(value, high)
    assert isinstance(values, tuple)
    return values[int(part * len(values))]
