"""Augmentation of a whole batch at once, on the device where it lies.

Every function takes images (B, C, H, W) and returns as many of the same shape.
"""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from resablate.registry import Registry


class Augmentation(Protocol):
    """A row: `images` and a CPU `generator` to changed images; knobs are further keywords."""

    def __call__(self, images: Tensor, *, generator: torch.Generator) -> Tensor:
        """Changed images."""
        ...


def keep(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """The images as they are."""
    return images


def flip(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """Each image mirrored left to right with probability 1/2."""
    mirrored = torch.rand(len(images), generator=generator).lt(0.5).to(images.device)
    return torch.where(mirrored.view(-1, 1, 1, 1), images.flip(-1), images)


CROP_FILLS: Registry[str] = Registry(
    "crop_fill",
    "crop_fills",
    {
        "zero": "zeros move in (He et al., arXiv 1512.03385; Zaeemzadeh et al. 2020 in Chainer)",
        "reflect": "the image is mirrored at its border (Zaeemzadeh et al. 2020 in PyTorch)",
    },
)


def crop(images: Tensor, *, generator: torch.Generator, crop_padding: int = 4, crop_fill: str = "zero") -> Tensor:
    """Each image shifted by up to `crop_padding` pixels either way; `crop_fill` says what moves in.

    Source: He et al., arXiv 1512.03385, section 4.2: 4 pixels padded on each side, then a random crop.
    """
    count, channels, height, width = images.shape
    padded = functional.pad(images, [crop_padding] * 4, mode="reflect" if crop_fill == "reflect" else "constant")
    offsets = torch.randint(2 * crop_padding + 1, (2, count, 1), generator=generator).to(images.device)
    rows = offsets[0] + torch.arange(height, device=images.device)
    columns = offsets[1] + torch.arange(width, device=images.device)
    example = torch.arange(count, device=images.device).view(-1, 1, 1, 1)
    channel = torch.arange(channels, device=images.device).view(1, -1, 1, 1)
    return padded[example, channel, rows[:, None, :, None], columns[:, None, None, :]]


def crop_flip(images: Tensor, *, generator: torch.Generator, crop_padding: int = 4, crop_fill: str = "zero") -> Tensor:
    """`crop`, then `flip`: the augmentation of all three papers on CIFAR."""
    return flip(crop(images, generator=generator, crop_padding=crop_padding, crop_fill=crop_fill), generator=generator)


def scale(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """A crop of an `image_folder` image at a random size (VIEWS has it), then `flip`: He et al. on ImageNet."""
    return flip(images, generator=generator)


def scale_aspect(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """A part of an `image_folder` image of random area and shape (VIEWS has it), then `flip`: Szegedy et al."""
    return flip(images, generator=generator)


AUGMENTATIONS: Registry[Augmentation] = Registry(
    "augmentation",
    "augmentations",
    {"none": keep, "flip": flip, "crop": crop, "crop_flip": crop_flip, "scale": scale, "scale_aspect": scale_aspect},
)
