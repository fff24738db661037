"""Random crops of the padded image, and flips."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, final

import torch
from annotated_types import Interval
from torch import Tensor

from resablate.augmentations.crop import CROP_FILLS, crop, draw_shifts
from resablate.augmentations.flip import draw_flips, flip
from resablate.augmentations.interface import Augmentation


@final
@dataclass(frozen=True, kw_only=True)
class CropFlip(Augmentation):
    """`crop`, then `flip`: the augmentation of all three papers on CIFAR.

    Args:
        padding: pixels, as `crop` takes it.
        fill: a row of CROP_FILLS.

    Raises:
        UnknownName: if there is no such row.
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
        """A shift for each image, and then whether it is mirrored."""
        return draw_shifts(count, generator, padding=self.padding), draw_flips(count, generator)

    def apply(self, images: Tensor, draws: Sequence[Tensor]) -> Tensor:
        """The images shifted, then mirrored."""
        shifts, mirrored = draws
        return flip(crop(images, shifts, padding=self.padding, fill=self.fill), mirrored)
