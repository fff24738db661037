"""Normalizer-free blocks: alpha and beta keep the variance known without a norm."""

from typing import Annotated

from annotated_types import Gt
from torch import Tensor

from resablate.shortcuts.interface import Addends, Place, Shortcut


class NormalizerFree(Shortcut):
    """carried = x, added = alpha * F(x / beta), where beta^2 is the variance that x has before training.

    Beta is 1 behind the stem and grows by alpha^2 with each block: beta^2 = 1 + n alpha^2. A block that changes
    dimensions carries x / beta, so that the count begins anew. For networks without a norm and pre-activated ones,
    whose branches keep the variance: as He initialization does at the start, and in the paper at every step, where
    `network.convolution` is `standardized`.

    Args:
        in_channels: channels of x.
        out_channels: channels of the residual.
        stride: the branch's stride.
        place: of the block.
        alpha: 0.2 in the paper.

    Source: Brock, De & Smith, arXiv 2101.08692, section 3.
    """

    packs = True

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        stride: int,
        place: Place,
        alpha: Annotated[float, Gt(0)] = 0.2,
    ) -> None:
        super().__init__(in_channels=in_channels, out_channels=out_channels, stride=stride)
        self.alpha = alpha
        self.input_factor = (1 + place.blocks_since_change * alpha**2) ** -0.5
        self.carried_factor = self.input_factor if stride > 1 or in_channels != out_channels else 1.0

    def forward(self, x: Tensor, residual: Tensor) -> Addends:
        """The two addends."""
        return Addends(carried=self.bypass(x), added=self.alpha * residual)

    def bypass(self, x: Tensor) -> Tensor:
        """X, scaled where dimensions change."""
        return self.carried_factor * self.match(x) if self.carried_factor != 1 else self.match(x)
