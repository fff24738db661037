"""Constant scaling: both sides are multiplied by fixed numbers."""

from typing import Annotated

from torch import Tensor

from resablate.component import PER_MEMBER
from resablate.shortcuts.interface import Addends, Shortcut


class ConstantScale(Shortcut):
    """carried = carried_factor * x, added = added_factor * F(x).

    Args:
        in_channels: channels of x.
        out_channels: channels of the residual.
        stride: the branch's stride.
        carried_factor: lambda of equation 7; He et al. tried 0 and 0.5.
        added_factor: 1 or, as "frozen gating", 0.5.

    Source: He et al. 2016, Figure 2(b), section 3.1, equation 7.
    """

    packs = True

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        stride: int,
        carried_factor: Annotated[float, PER_MEMBER] = 0.5,
        added_factor: Annotated[float, PER_MEMBER] = 0.5,
    ) -> None:
        super().__init__(in_channels=in_channels, out_channels=out_channels, stride=stride)
        self.carried_factor = carried_factor
        self.added_factor = added_factor

    @property
    def carries(self) -> bool:
        """Whether the carried side is not scaled away."""
        return self.carried_factor != 0

    @property
    def adds(self) -> bool:
        """Whether the added side is not scaled away."""
        return self.added_factor != 0

    def forward(self, x: Tensor, residual: Tensor) -> Addends:
        """The two addends."""
        return Addends(carried=self.bypass(x), added=self.added_factor * residual)

    def bypass(self, x: Tensor) -> Tensor:
        """The scaled x."""
        return self.carried_factor * self.match(x)
