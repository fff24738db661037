"""What a mixing is: images of a batch become mixtures of two, and so do their labels."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor


class Mixed(NamedTuple):
    """A batch of mixtures."""

    images: Tensor
    """(B, C, H, W)."""
    partners: Tensor
    """(B,), int64: the place in the batch of what each image was mixed with."""
    share: Tensor
    """(): of every image's own label; its partner's has the rest."""


class Mixing(ABC):
    """Mixes the images of whole batches, on the device where they lie.

    A row of the table is built from its arguments alone, which are keyword-only and have defaults.

    Attributes:
        packs: whether batches of several networks may be mixed at once.
    """

    packs: ClassVar[bool] = False

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """What chance decides for a batch of `count` images: tensors (count, ...), drawn on the CPU."""

    @abstractmethod
    def apply(self, images: Tensor, draws: Sequence[Tensor]) -> Mixed:
        """The mixtures, as decided: the same kernels whatever the values, none of which is read by the program.

        Args:
            images: (B, C, H, W), which are left as they are.
            draws: of these images, on their device.
        """


def draw_shares(count: int, generator: torch.Generator, *, alpha: float) -> Tensor:
    """One number from Beta(alpha, alpha), `count` times: (count,), float32."""
    # Torch's own distribution takes no generator.
    numbers = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    return torch.full((count,), numbers.beta(alpha, alpha), dtype=torch.float32)


def draw_partners(count: int, generator: torch.Generator) -> Tensor:
    """A permutation of the batch: (count,)."""
    return torch.randperm(count, generator=generator)
