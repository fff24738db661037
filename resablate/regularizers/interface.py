"""What a regularizer of singular values is."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from torch import Tensor, nn


class Regularizer(ABC):
    """Draws the singular values of a network's convolutions somewhere while it trains."""

    @abstractmethod
    def penalty(self, network: nn.Module, *, sv_strength: float) -> Tensor | None:
        """What is added to the loss, a scalar, or None where nothing is."""


def convolutions(network: nn.Module) -> Iterator[nn.Conv2d]:
    """The network's convolutions, from the input on."""
    return (module for module in network.modules() if isinstance(module, nn.Conv2d))
