"""No augmentation."""

import torch
from torch import Tensor


def keep(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """The images as they are."""
    return images
