"""Mean and standard deviation of images that are stored as bytes, from whole numbers: exact, without a float copy.

Summed by numpy, on one thread: several would wait for each other at every part, which costs more where others compute.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

_AT_ONCE = 2**19
"""Bytes that are summed at once: what they are widened to stays in a processor's cache."""
_MOST_IMAGES = 2**16
"""So many squares of bytes fit into 32 bits, summed."""


@dataclass(frozen=True)
class PixelSums:
    """Of some images, in bytes: whole numbers, so that sums of parts add up and subtract without rounding.

    Args:
        images: how many.
        sums: (C, H, W), int64: of each pixel over the images.
        squares: (C,), int64: of the squares of a channel's pixels over images and pixels.
    """

    images: int
    sums: Tensor
    squares: Tensor

    @classmethod
    def of(cls, images: Tensor, chosen: Tensor | None = None) -> PixelSums:
        """Those of `images` (N, C, H, W), uint8; of those at `chosen` alone where that is given."""
        channels, height, width = images.shape[1:]
        sums = np.zeros((channels, height, width), dtype=np.int64)
        squares = np.zeros_like(sums)
        size = min(_MOST_IMAGES, max(1, _AT_ONCE // sums.size))
        everything, number = images.numpy(), len(images) if chosen is None else len(chosen)
        for start in range(0, number, size):
            part = slice(start, start + size)
            stored = everything[part if chosen is None else chosen[part].numpy()]
            sums += stored.sum(axis=0, dtype=np.uint32)
            wide = stored.astype(np.uint32)
            squares += np.square(wide, out=wide).sum(axis=0, dtype=np.uint32)
        return cls(number, torch.from_numpy(sums), torch.from_numpy(squares.sum(axis=(1, 2))))

    def __sub__(self, part: PixelSums) -> PixelSums:
        """Of the images that are not in `part`, all of which are among these."""
        return PixelSums(self.images - part.images, self.sums - part.sums, self.squares - part.squares)

    def pixel_means(self) -> Tensor:
        """(C, H, W), float32, in units of 255."""
        return (self.sums.double() / (255 * self.images)).float()

    def channel_means(self) -> Tensor:
        """(C,), float32, in units of 255."""
        values = self.images * self.sums[0].numel()
        return (self.sums.flatten(1).sum(dim=1).double() / (255 * values)).float()

    def channel_deviations(self) -> Tensor:
        """(C,), float32, in units of 255: the root of the unbiased variance over a channel's pixels of all images."""
        values = self.images * self.sums[0].numel()
        totals = self.sums.flatten(1).sum(dim=1).tolist()
        return torch.tensor([_deviation(values, *both) for both in zip(totals, self.squares.tolist(), strict=True)])

    def deviation(self) -> Tensor:
        """(), float32, in units of 255: the same over all channels together."""
        values = self.images * self.sums.numel()
        return torch.tensor(_deviation(values, int(self.sums.sum()), int(self.squares.sum())))


def _deviation(values: int, total: int, squares: int) -> float:
    """The root of the unbiased variance of so many bytes with that sum and that sum of squares, in units of 255."""
    if values == 1:
        return math.nan
    return math.sqrt(Fraction(values * squares - total**2, values * (values - 1))) / 255
