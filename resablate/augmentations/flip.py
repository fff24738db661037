"""Horizontal flips."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from resablate.augmentations.interface import Augmentation


def draw_flips(count: int, generator: torch.Generator) -> Tensor:
    """Which of `count` images are mirrored, each with probability 1/2: (count,), bool."""
    return torch.rand(count, generator=generator).lt(0.5)


def flip(images: Tensor, mirrored: Tensor) -> Tensor:
    """`images` (B, C, H, W), left to right where `mirrored` (B,) says so."""
    return torch.where(mirrored.view(-1, 1, 1, 1), images.flip(-1), images)


@final
@dataclass(frozen=True)
class Flip(Augmentation):
    """Each image mirrored left to right with probability 1/2."""

    each_alone = True

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Which images are mirrored."""
        return (draw_flips(count, generator),)

    def apply(self, images: Tensor, draws: Sequence[Tensor]) -> Tensor:
        """Those mirrored."""
        (mirrored,) = draws
        return flip(images, mirrored)
