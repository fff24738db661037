"""No regularizer."""

from typing import final

import torch
from torch import Tensor

from resablate.model import ResidualNetwork
from resablate.regularizers.interface import Regularizer


@final
class NoRegularizer(Regularizer):
    """Leaves the singular values alone: bit for bit the training without any of this.

    Args:
        network: what is trained.
        images: (B, C, H, W) as it trains on them.
    """

    packs = True

    def __init__(self, network: ResidualNetwork, images: Tensor) -> None:
        super().__init__([])

    def penalty(self) -> Tensor | None:
        """Nothing."""
        return None

    def after_step(self, generator: torch.Generator) -> None:
        """Nothing."""
