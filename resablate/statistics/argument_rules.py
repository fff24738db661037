"""What the numbers and words must be that a comparison is given: a wrong one would give a wrong verdict, silently."""

import math
from collections.abc import Iterable
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike


def check_number(name: str, value: float | None) -> None:
    """Raise a ValueError for NaN and infinity; None is no number, and passes."""
    if value is not None and not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, but got {value}")


def check_not_negative(name: str, value: float) -> None:
    """Raise a ValueError unless a number is finite and at least 0, as a margin is, below which nothing matters."""
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a finite number of at least 0, but got {value}")


def check_share(name: str, value: ArrayLike) -> None:
    """Raise a ValueError unless every number lies between 0 and 1 and is neither, as an error rate is."""
    array = np.asarray(value, dtype=np.float64)
    if not np.all((array > 0) & (array < 1)):
        raise ValueError(f"{name} must lie between 0 and 1, but got {value}")


def check_probability(name: str, value: ArrayLike) -> None:
    """Raise a ValueError unless every number lies from 0 to 1, as a p-value does."""
    array = np.asarray(value, dtype=np.float64)
    if not np.all((array >= 0) & (array <= 1)):
        raise ValueError(f"{name} must lie from 0 to 1, but got {value}")


def check_count(name: str, value: object, *, least: int) -> None:
    """Raise a ValueError unless a number is whole and at least `least`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, but got {value}")


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Raise a ValueError unless a word is one of `choices`."""
    if value not in (known := list(choices)):
        raise ValueError(f"{name} must be one of {', '.join(known)}, but got {value!r}")
