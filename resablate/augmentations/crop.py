"""Random crops of the padded image."""

from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor
from torch.nn import functional

from resablate.registry import Registry

CROP_FILLS: Registry[str] = Registry(
    "crop_fill",
    "crop_fills",
    {
        "zero": "zeros move in (He et al., arXiv 1512.03385; Zaeemzadeh et al. 2020 in Chainer)",
        "reflect": "the image is mirrored at its border (Zaeemzadeh et al. 2020 in PyTorch)",
    },
)


def crop(
    images: Tensor,
    *,
    generator: torch.Generator,
    padding: Annotated[int, Interval(ge=1, le=1024)] = 4,
    fill: Annotated[str, CROP_FILLS] = "zero",
) -> Tensor:
    """Each image shifted by up to `padding` pixels either way.

    Args:
        images: (B, C, H, W).
        generator: draws a shift for each image.
        padding: pixels.
        fill: what moves in: a row of CROP_FILLS.

    Raises:
        UnknownName: if there is no such row.

    Source: He et al., arXiv 1512.03385, section 4.2: 4 pixels padded on each side, then a random crop.
    """
    CROP_FILLS[fill]
    count, channels, height, width = images.shape
    padded = functional.pad(images, [padding] * 4, mode="reflect" if fill == "reflect" else "constant")
    offsets = torch.randint(2 * padding + 1, (2, count, 1), generator=generator).to(images.device)
    rows = offsets[0] + torch.arange(height, device=images.device)
    columns = offsets[1] + torch.arange(width, device=images.device)
    example = torch.arange(count, device=images.device).view(-1, 1, 1, 1)
    channel = torch.arange(channels, device=images.device).view(1, -1, 1, 1)
    return padded[example, channel, rows[:, None, :, None], columns[:, None, None, :]]
