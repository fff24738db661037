"""Random area, random aspect ratio and flips of images of any size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from resablate.augmentations.flip import draw_flips, flip
from resablate.augmentations.interface import Augmentation


@final
@dataclass(frozen=True)
class ScaleAspect(Augmentation):
    """A part of an `image_folder` image of random area and shape (VIEWS has it), then `flip`: Szegedy et al."""

    each_alone = True

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Which images are mirrored."""
        return (draw_flips(count, generator),)

    def apply(self, images: Tensor, draws: Sequence[Tensor]) -> Tensor:
        """Those mirrored; they were cut before there was a batch."""
        (mirrored,) = draws
        return flip(images, mirrored)
