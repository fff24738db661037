"""What a regularizer of singular values is."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from resablate.regularizers.sites import Site


class Regularizer(ABC):
    """Draws the singular values of some convolutions to a target while the network trains.

    Args:
        sites: the convolutions.
        sv_strength: how strongly; 0 changes nothing.
    """

    def __init__(self, sites: Sequence[Site], *, sv_strength: float) -> None:
        self.sites = sites
        self.sv_strength = sv_strength

    @abstractmethod
    def penalty(self) -> Tensor | None:
        """What is added to the loss, a scalar, or None where nothing is."""

    @abstractmethod
    def after_step(self, generator: torch.Generator) -> None:
        """Changes the convolutions in place after an optimizer step, where the method does."""
