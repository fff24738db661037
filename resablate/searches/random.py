"""Points drawn at random: independent, uniform along each axis."""

from typing import get_args

import numpy as np

from resablate.errors import SpecError
from resablate.spec import TrialSpec
from resablate.sweep import Point, Range, SweepSpec


def random(sweep: SweepSpec) -> list[Point]:
    """`search.trials` points drawn with `search.seed`; a range is uniform, or uniform in its logarithm.

    Raises:
        SpecError: if the number of trials is missing.
    """
    if sweep.search.trials is None:
        raise SpecError("search.trials: method: random needs the number of trials")
    source = np.random.default_rng(sweep.search.seed)
    return [
        {axis: _draw(axis, values, source) for axis, values in sweep.axes.items()} for _ in range(sweep.search.trials)
    ]


def _draw(axis: str, values: object, source: np.random.Generator) -> object:
    if isinstance(values, Range):
        if values.log:
            value = float(np.exp(source.uniform(np.log(values.low), np.log(values.high))))
        else:
            value = float(source.uniform(values.low, values.high))
        return round(value) if _takes_whole_numbers(axis) else value
    assert isinstance(values, tuple)
    return values[int(source.integers(len(values)))]


def _takes_whole_numbers(axis: str) -> bool:
    field = TrialSpec.model_fields.get(axis)
    kinds = (get_args(field.annotation) or (field.annotation,)) if field else ()
    return int in kinds
