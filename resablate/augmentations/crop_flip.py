"""Random crops of the padded image, and flips."""

from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from resablate.augmentations.crop import CROP_FILLS, crop
from resablate.augmentations.flip import flip


def crop_flip(
    images: Tensor,
    *,
    generator: torch.Generator,
    padding: Annotated[int, Interval(ge=1, le=1024)] = 4,
    fill: Annotated[str, CROP_FILLS] = "zero",
) -> Tensor:
    """`crop`, then `flip`: the augmentation of all three papers on CIFAR.

    Args:
        images: (B, C, H, W).
        generator: draws a shift for each image, and then whether it is mirrored.
        padding: pixels, as `crop` takes it.
        fill: a row of CROP_FILLS.
    """
    return flip(crop(images, generator=generator, padding=padding, fill=fill), generator=generator)
