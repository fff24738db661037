"""What an augmentation is: a function of a whole batch, on the device where the batch lies."""

from typing import Protocol

import torch
from torch import Tensor


class Augmentation(Protocol):
    """A row: `images` and a CPU `generator` -> changed images; arguments are further keywords with defaults."""

    def __call__(self, images: Tensor, *, generator: torch.Generator) -> Tensor:
        """Changed images."""
        ...
