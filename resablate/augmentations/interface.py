"""What an augmentation is: chance decides for a whole epoch ahead, and a step does what was decided."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, final

import torch
from torch import Tensor


class Augmentation(ABC):
    """Changes whole batches, on the device where they lie.

    A row of the table is built from its arguments alone, which are keyword-only and have defaults.

    Attributes:
        each_alone: whether every image is changed by itself, whatever else is in the batch: then the batches of several
            networks are changed at once.
    """

    each_alone: ClassVar[bool] = False

    @property
    def before_normalization(self) -> bool:
        """Whether it changes pixels from 0 to 1, which are normalized afterwards, and not normalized ones."""
        return False

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """What chance decides for each of `count` images: tensors (count, ...), drawn on the CPU."""

    @abstractmethod
    def apply(self, images: Tensor, draws: Sequence[Tensor]) -> Tensor:
        """Changed images, as decided: the same kernels whatever the values, none of which is read by the program.

        Args:
            images: (B, C, H, W), which are left as they are.
            draws: of these images, on their device.
        """

    @final
    def __call__(self, images: Tensor, *, generator: torch.Generator) -> Tensor:
        """Draw and apply at once: `images` (B, C, H, W), changed."""
        return self.apply(images, [drawn.to(images.device) for drawn in self.draw(len(images), generator)])
