"""Decayed identity: x is scaled down the more, the deeper the block is."""

from typing import Annotated

from annotated_types import Interval
from torch import Tensor

from resablate.shortcuts.interface import Addends, Place, Shortcut


class DecayedIdentity(Shortcut):
    """carried = a_l * x, added = F(x), with a_l = 1 - (1 - final_factor) * l / L in block l of L, counted from 1.

    The path through shortcuts alone is scaled by the product of all a_l.

    Args:
        in_channels: channels of x.
        out_channels: channels of the residual.
        stride: the branch's stride.
        place: of the block.
        final_factor: a_l of the last block.

    Source: Zhang et al., arXiv 2404.10947, section 3.
    """

    packs = True

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        stride: int,
        place: Place,
        final_factor: Annotated[float, Interval(ge=0, le=1)] = 0.6,
    ) -> None:
        super().__init__(in_channels=in_channels, out_channels=out_channels, stride=stride)
        self.carried_factor = 1 - (1 - final_factor) * (place.block + 1) / place.blocks

    @property
    def carries(self) -> bool:
        """Whether x is not scaled away."""
        return self.carried_factor != 0

    def forward(self, x: Tensor, residual: Tensor) -> Addends:
        """The two addends."""
        return Addends(carried=self.bypass(x), added=residual)

    def bypass(self, x: Tensor) -> Tensor:
        """The scaled x."""
        return self.carried_factor * self.match(x)
