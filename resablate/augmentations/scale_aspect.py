"""Random area, random aspect ratio and flips of images of any size."""

import torch
from torch import Tensor

from resablate.augmentations.flip import flip


def scale_aspect(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """A part of an `image_folder` image of random area and shape (VIEWS has it), then `flip`: Szegedy et al."""
    return flip(images, generator=generator)
