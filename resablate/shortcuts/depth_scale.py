"""Branches scaled down by the depth of the network."""

from typing import Annotated

from annotated_types import Interval
from torch import Tensor

from resablate.shortcuts.interface import Addends, Place, Shortcut


class DepthScale(Shortcut):
    """carried = x, added = F(x) / L^exponent, with L blocks in the network.

    Args:
        in_channels: channels of x.
        out_channels: channels of the residual.
        stride: the branch's stride.
        place: of the block.
        exponent: one half keeps the variance of the sum bounded at any depth, 1 its mean.

    Source: Hanin & Rolnick, arXiv 1803.01719; De & Smith, arXiv 2002.10444, section 3, for one half.
    """

    packs = True

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        stride: int,
        place: Place,
        exponent: Annotated[float, Interval(ge=0, le=1)] = 0.5,
    ) -> None:
        super().__init__(in_channels=in_channels, out_channels=out_channels, stride=stride)
        self.added_factor = place.blocks**-exponent

    def forward(self, x: Tensor, residual: Tensor) -> Addends:
        """The two addends."""
        return Addends(carried=self.match(x), added=self.added_factor * residual)

    def bypass(self, x: Tensor) -> Tensor:
        """X itself."""
        return self.match(x)
