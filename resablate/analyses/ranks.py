"""Whether two numbers order the same things alike."""

import torch
from torch import Tensor


def rank_correlation(first: Tensor, second: Tensor) -> Tensor:
    """Spearman's rank correlation of two numbers of the same n things, in every resample on its own.

    Args:
        first: (n, ...), as many resamples as in `second`.
        second: (n, ...).

    Returns:
        (...): 1 where both order the things alike, -1 where one reverses the other; equal values share their mean
        rank; 0 where one of the two does not differ between the things, and so orders nothing; NaN where a value is
        NaN.

    Source: Spearman, "The proof and measurement of association between two things", 1904.
    """
    count = len(first)
    pairs = zip(first.reshape(count, -1).unbind(1), second.reshape(count, -1).unbind(1), strict=True)
    found = torch.tensor([_one(a.double(), b.double()) for a, b in pairs], dtype=torch.float64)
    return found.view(first.shape[1:])


def _one(first: Tensor, second: Tensor) -> float:
    if first.isnan().any() or second.isnan().any():
        return float("nan")
    a, b = (ranks - ranks.mean() for ranks in (_ranks(first), _ranks(second)))
    size = float(a.norm() * b.norm())
    return float(a @ b) / size if size else 0.0


def _ranks(values: Tensor) -> Tensor:
    """From 0 on; equal values share the mean of their ranks."""
    less = (values.unsqueeze(1) > values).sum(dim=1)
    equal = (values.unsqueeze(1) == values).sum(dim=1)
    return less + (equal - 1).double() / 2
