"""On what scale means are compared: as they are, as log odds, or as logarithms.

Errors that are far apart have spreads that are far apart; on the logit scale they are nearly equal. A difference of
logarithms is the logarithm of a ratio. Variances follow by the delta method.
"""

from typing import Literal

import numpy as np

from resablate.statistics.estimate import Array
from resablate.statistics.sample import Sample

Scale = Literal["identity", "logit", "log"]


def transformed(cell: Sample, scale: Scale) -> Array:
    """(...) the mean on that scale."""
    if scale == "identity":
        return cell.mean
    if scale == "logit":
        fraction = _fraction(cell)
        return np.log(fraction) - np.log1p(-fraction)
    return np.log(_positive(cell))


def derivative(cell: Sample, scale: Scale) -> Array:
    """(...) of the mean on that scale by the mean."""
    if scale == "identity":
        return np.ones(cell.mean.shape)
    if scale == "logit":
        fraction = _fraction(cell)
        return 1 / (fraction * (1 - fraction))
    return 1 / _positive(cell)


def _fraction(cell: Sample) -> Array:
    """The mean, half an outcome away from 0 and 1, where log odds are infinite (Haldane 1956).

    Raises:
        ValueError: if a mean is no fraction, or is 0 or 1 and the number of its examples is unknown.
    """
    mean = cell.mean
    if np.any((mean < 0) | (mean > 1)):
        raise ValueError(f"log odds are of fractions between 0 and 1, but got means from {mean.min()} to {mean.max()}")
    if cell.outcomes is not None:
        count = cell.outcomes.shape[-1] * cell.count
        return (mean * count + 0.5) / (count + 1)
    if np.any((mean == 0) | (mean == 1)):
        raise ValueError("log odds of 0 or 1 need outcomes of examples, but got one number per seed")
    return mean


def _positive(cell: Sample) -> Array:
    """The mean.

    Raises:
        ValueError: if it is not positive.
    """
    if np.any(cell.mean <= 0):
        raise ValueError(f"logarithms are of positive numbers, but got a mean of {cell.mean.min()}")
    return cell.mean


def untransformed(number: Array, scale: Scale) -> Array:
    """From that scale back."""
    from scipy.special import expit

    if scale == "identity":
        return number
    return expit(number) if scale == "logit" else np.exp(number)
