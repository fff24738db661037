"""Holm's step-down: several p-values, one level.

Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).
"""

import numpy as np
from numpy.typing import ArrayLike

from resablate.statistics.argument_rules import check_probability, check_share
from resablate.statistics.estimate import Array


def holm(p_values: ArrayLike) -> Array:
    """(..., claims) p-values -> those that may be compared with the family's level.

    Raises:
        ValueError: if a p-value does not lie from 0 to 1.
    """
    check_probability("p_values", p_values)
    array = np.asarray(p_values, dtype=np.float64)
    count = array.shape[-1]
    order = np.argsort(array, axis=-1)
    raised = np.take_along_axis(array, order, axis=-1) * np.arange(count, 0, -1)
    climbing = np.minimum(np.maximum.accumulate(raised, axis=-1), 1.0)
    adjusted = np.empty(array.shape)
    np.put_along_axis(adjusted, order, climbing, axis=-1)
    return adjusted


def holm_levels(p_values: ArrayLike, *, level: float = 0.05) -> Array:
    """(..., claims) p-values of sides -> the level at which each claim is decided, so that all together keep `level`.

    The smallest p-value is compared with level / claims, the next with level / (claims - 1), and so on; from the first
    that fails on, the level stays.

    Raises:
        ValueError: if a p-value does not lie from 0 to 1, or level between.
    """
    check_probability("p_values", p_values)
    check_share("level", level)
    array = np.asarray(p_values, dtype=np.float64)
    count = array.shape[-1]
    order = np.argsort(array, axis=-1)
    steps = level / np.arange(count, 0, -1)
    passed = np.logical_and.accumulate(np.take_along_axis(array, order, axis=-1) <= steps, axis=-1)
    stopped = np.minimum(passed.sum(axis=-1, keepdims=True), count - 1)
    places = np.where(passed, np.arange(count), stopped)
    levels = np.empty(array.shape)
    np.put_along_axis(levels, order, steps[places], axis=-1)
    return levels
