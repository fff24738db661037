"""Random crops of the padded image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, final

import torch
from annotated_types import Interval
from torch import Tensor
from torch.nn import functional

from resablate.augmentations.interface import Augmentation
from resablate.registry import Registry

CROP_FILLS: Registry[str] = Registry(
    "crop_fill",
    "crop_fills",
    {
        "zero": "zeros move in, the mean color (He et al., arXiv 1512.03385; Zaeemzadeh et al. 2020 in Chainer)",
        "black": "black moves in, before images are normalized, as in a chain of torchvision's transforms",
        "reflect": "the image is mirrored at its border (Zaeemzadeh et al. 2020 in PyTorch)",
    },
)


def draw_shifts(count: int, generator: torch.Generator, *, padding: int) -> Tensor:
    """Rows and columns from the corner of the padded image, 0 to 2 * padding each: (count, 2)."""
    return torch.randint(2 * padding + 1, (2, count), generator=generator).T


def crop(images: Tensor, shifts: Tensor, *, padding: int, fill: str) -> Tensor:
    """`images` (B, C, H, W) padded and cut at `shifts` (B, 2)."""
    _, channels, height, width = images.shape
    padded = functional.pad(images, [padding] * 4, mode="reflect" if fill == "reflect" else "constant")
    rows = shifts[:, :1] + torch.arange(height, device=images.device)
    columns = shifts[:, 1:] + torch.arange(width, device=images.device)
    example = torch.arange(len(images), device=images.device).view(-1, 1, 1, 1)
    channel = torch.arange(channels, device=images.device).view(1, -1, 1, 1)
    return padded[example, channel, rows[:, None, :, None], columns[:, None, None, :]]


@final
@dataclass(frozen=True, kw_only=True)
class Crop(Augmentation):
    """Each image shifted by up to `padding` pixels either way.

    Args:
        padding: pixels.
        fill: what moves in: a row of CROP_FILLS.

    Raises:
        UnknownName: if there is no such row.

    Source: He et al., arXiv 1512.03385, section 4.2: 4 pixels padded on each side, then a random crop.
    """

    each_alone = True

    padding: Annotated[int, Interval(ge=1, le=1024)] = 4
    fill: Annotated[str, CROP_FILLS] = "zero"

    def __post_init__(self) -> None:
        CROP_FILLS[self.fill]

    @property
    def before_normalization(self) -> bool:
        """Black is black before images are normalized."""
        return self.fill == "black"

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """A shift for each image."""
        return (draw_shifts(count, generator, padding=self.padding),)

    def apply(self, images: Tensor, draws: Sequence[Tensor]) -> Tensor:
        """The shifted images."""
        (shifts,) = draws
        return crop(images, shifts, padding=self.padding, fill=self.fill)
