"""No augmentation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from resablate.augmentations.interface import Augmentation


@final
@dataclass(frozen=True)
class Keep(Augmentation):
    """The images as they are."""

    each_alone = True

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Nothing."""
        return ()

    def apply(self, images: Tensor, draws: Sequence[Tensor]) -> Tensor:
        """The images themselves."""
        return images


def no_mixing() -> None:
    """Every image by itself."""
