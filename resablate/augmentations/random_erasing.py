"""A rectangle of some images set to zero."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, final

import torch
from annotated_types import Interval
from torch import Tensor

from resablate.augmentations.boxes import inside
from resablate.augmentations.interface import Augmentation

_ATTEMPTS = 10


@final
@dataclass(frozen=True, kw_only=True)
class RandomErasing(Augmentation):
    """A rectangle of random area, shape and place set to 0, the mean color.

    Of ten rectangles the first that is smaller than the image both ways is taken; none where none is.

    Args:
        probability: chance that something is erased from an image.
        least_area: of the rectangle, as a part of the image.
        largest_area: likewise; at least as much.
        least_aspect: of height to width; the largest is one over it.

    Raises:
        ValueError: if the areas are not in order.

    Source: Zhong et al., arXiv 1708.04896; numbers of torchvision's RandomErasing, but for an aspect of 0.3 to 3.3.
    """

    each_alone = True

    probability: Annotated[float, Interval(gt=0, le=1)] = 0.5
    least_area: Annotated[float, Interval(gt=0, le=1)] = 0.02
    largest_area: Annotated[float, Interval(gt=0, le=1)] = 0.33
    least_aspect: Annotated[float, Interval(gt=0, le=1)] = 0.3

    def __post_init__(self) -> None:
        if self.least_area > self.largest_area:
            raise ValueError(f"least_area must be at most largest_area, got {self.least_area} and {self.largest_area}")

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Whether something is erased, and of each rectangle its area, shape and place, as numbers from 0 to 1."""
        chosen = torch.rand(count, generator=generator) < self.probability
        return chosen, torch.rand(count, _ATTEMPTS, 4, generator=generator)

    def apply(self, images: Tensor, draws: Sequence[Tensor]) -> Tensor:
        """The images without their rectangles."""
        chosen, numbers = draws
        rows, columns = images.shape[-2:]
        area = (self.least_area + (self.largest_area - self.least_area) * numbers[..., 0]) * (rows * columns)
        aspect = torch.exp((2 * numbers[..., 1] - 1) * math.log(self.least_aspect))
        heights, widths = (area * aspect).sqrt().round(), (area / aspect).sqrt().round()
        fits = (heights < rows) & (widths < columns)
        first = fits.int().argmax(dim=1, keepdim=True)
        height, width = (sides.gather(1, first)[:, 0] * (chosen & fits.any(dim=1)) for sides in (heights, widths))
        top = (numbers[..., 2].gather(1, first)[:, 0] * (rows - height + 1)).floor()
        left = (numbers[..., 3].gather(1, first)[:, 0] * (columns - width + 1)).floor()
        return images.masked_fill(inside(top, left, top + height, left + width, images), 0)
