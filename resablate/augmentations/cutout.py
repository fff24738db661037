"""A square of every image set to zero."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, final

import torch
from annotated_types import Interval
from torch import Tensor

from resablate.augmentations.boxes import inside
from resablate.augmentations.interface import Augmentation


@final
@dataclass(frozen=True, kw_only=True)
class Cutout(Augmentation):
    """A square around a random pixel of each image set to 0, the mean color; what is outside of the image is cut off.

    Args:
        length: sides of the square in pixels, rounded down to an even number: 16 in the paper for 32x32 and 10 classes.

    Source: DeVries & Taylor, arXiv 1708.04552, and released code.
    """

    each_alone = True

    length: Annotated[int, Interval(ge=2, le=1024)] = 16

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """The middle of each square, as parts of the sides of the image."""
        return (torch.rand(count, 2, generator=generator),)

    def apply(self, images: Tensor, draws: Sequence[Tensor]) -> Tensor:
        """The images without their squares."""
        (middles,) = draws
        row, column = (middles[:, axis].mul(images.shape[2 + axis]).floor() for axis in (0, 1))
        half = self.length // 2
        return images.masked_fill(inside(row - half, column - half, row + half, column + half, images), 0)
