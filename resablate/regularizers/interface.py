"""What a regularizer of singular values is."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from resablate.regularizers.sites import Site


class Regularizer(ABC):
    """Draws the singular values of some convolutions to a target while the network trains.

    A row of the table is built from a network and at least one of the images that it trains on, `Row(network, images)`;
    its own arguments are keyword-only and have defaults. It finds its convolutions with `find_sites`.

    Args:
        sites: the convolutions.

    Attributes:
        packs: whether it reads and changes nothing but its sites' weights, as those of a pack's members must. What does
            not say so is not packed.
        recordable: whether `penalty` is a fixed sequence of kernels, which never waits for the device.
    """

    packs: ClassVar[bool] = False
    recordable: ClassVar[bool] = True

    def __init__(self, sites: Sequence[Site]) -> None:
        self.sites = tuple(sites)

    @abstractmethod
    def penalty(self) -> Tensor | None:
        """What is added to the loss, a scalar, or None where nothing is."""

    @abstractmethod
    def after_step(self, generator: torch.Generator) -> None:
        """Changes the convolutions in place after an optimizer step, where the method does and chance decides so."""

    def project(self) -> None:  # noqa: B027 - most methods never do
        """Changes the convolutions in place as after a step in which chance decides for it; nothing where none can."""
