"""Learned numbers that scale or shift: layers of some shortcuts and orderings."""

from typing import final

import torch
from torch import Tensor, nn


@final
class LearnedScale(nn.Module):
    """x times learned numbers: one, or one for each channel.

    Args:
        channels: how many numbers.
        initial: each of them at the start.
    """

    def __init__(self, channels: int = 1, *, initial: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), initial))

    def forward(self, x: Tensor) -> Tensor:
        """`x` (B, C, H, W), scaled."""
        return x * self.weight.view(-1, 1, 1)

    @property
    def is_zero(self) -> bool:
        """Whether nothing passes; not known, and so False, of a network without memory."""
        return not self.weight.is_meta and not bool(self.weight.any())


@final
class LearnedShift(nn.Module):
    """x plus one learned number, 0 at the start."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """`x`, shifted."""
        return x + self.bias
