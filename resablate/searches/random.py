"""Points drawn at random: independent, uniform along each axis."""

import numpy as np

from resablate.errors import SpecError
from resablate.searches.points import takes_whole_numbers
from resablate.sweep import Point, Range, SweepSpec


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
    return [{axis: _value(axis, values, source) for axis, values in sweep.axes.items()} for _ in range(count)]


def _value(axis: str, values: object, source: np.random.Generator) -> object:
    if isinstance(values, Range):
        if values.log:
            value = float(np.exp(source.uniform(np.log(values.low), np.log(values.high))))
        else:
            value = float(source.uniform(values.low, values.high))
        return round(value) if takes_whole_numbers(axis) else value
    assert isinstance(values, tuple)
    return values[int(source.integers(len(values)))]
