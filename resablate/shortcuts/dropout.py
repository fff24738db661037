"""The dropout shortcut."""

from typing import Annotated

from annotated_types import Interval
from torch import Tensor, nn

from resablate.component import PER_MEMBER
from resablate.shortcuts.interface import Addends, Shortcut


class Dropout(Shortcut):
    """carried = dropout(x) while training and x afterwards; added = F(x).

    Inverted dropout: what is kept is divided by 1 - rate, so that nothing changes at test time.

    Args:
        in_channels: channels of x.
        out_channels: channels of the residual.
        stride: the branch's stride.
        rate: part of the values set to zero; He et al. used 0.5.

    Raises:
        ValueError: if `rate` is not in [0, 1).

    Source: He et al. 2016, Figure 2(f), section 3.1.
    """

    packs = True

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        stride: int,
        rate: Annotated[float, Interval(ge=0, lt=1), PER_MEMBER] = 0.5,
    ) -> None:
        super().__init__(in_channels=in_channels, out_channels=out_channels, stride=stride)
        if not 0 <= rate < 1:
            raise ValueError(f"0 <= rate < 1 must hold, but got rate={rate}")
        self.rate = rate
        self.thin = nn.Dropout(rate)

    def forward(self, x: Tensor, residual: Tensor) -> Addends:
        """The two addends."""
        return Addends(carried=self.bypass(x), added=residual)

    def bypass(self, x: Tensor) -> Tensor:
        """X, thinned while training."""
        return self.thin(self.match(x))
