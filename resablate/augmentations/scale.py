"""Random scale, random crop and flips of images of any size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from resablate.augmentations.flip import draw_flips, flip
from resablate.augmentations.interface import Augmentation


@final
@dataclass(frozen=True)
class Scale(Augmentation):
    """A crop of an `image_folder` image at a random size (VIEWS has it), then `flip`: He et al. on ImageNet."""

    each_alone = True

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Which images are mirrored."""
        return (draw_flips(count, generator),)

    def apply(self, images: Tensor, draws: Sequence[Tensor]) -> Tensor:
        """Those mirrored; they were cut before there was a batch."""
        (mirrored,) = draws
        return flip(images, mirrored)
