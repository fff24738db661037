"""No regularizer."""

from typing import final

import torch
from torch import Tensor

from resablate.regularizers.interface import Regularizer


@final
class NoRegularizer(Regularizer):
    """Leaves the singular values alone: bit for bit the training without any of this."""

    def penalty(self) -> Tensor | None:
        """Nothing."""
        return None

    def after_step(self, generator: torch.Generator) -> None:
        """Nothing."""
