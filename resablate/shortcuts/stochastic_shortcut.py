"""A shortcut that is left out of some examples while the network trains."""

from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor
from torch.nn import functional

from resablate.shortcuts.interface import Addends, Shortcut


class StochasticShortcut(Shortcut):
    """carried = x for some examples and 0 for the others while training, and x afterwards; added = F(x).

    As drop path leaves out branches, but of the other side. What is kept is divided by 1 - rate, so that nothing
    changes at test time.

    Args:
        in_channels: channels of x.
        out_channels: channels of the residual.
        stride: the branch's stride.
        rate: chance of an example to lose its shortcut in a block.

    Source: none published that is known here; Larsson et al., arXiv 1605.07648, section 3, for dropped paths.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        stride: int,
        rate: Annotated[float, Interval(ge=0, lt=1)] = 0.1,
    ) -> None:
        super().__init__(in_channels=in_channels, out_channels=out_channels, stride=stride)
        self.rate = rate

    def forward(self, x: Tensor, residual: Tensor) -> Addends:
        """The two addends."""
        return Addends(carried=self.bypass(x), added=residual)

    def bypass(self, x: Tensor) -> Tensor:
        """X, without some examples while training."""
        x = self.match(x)
        if not self.training:
            return x
        return x * functional.dropout(torch.ones_like(x[:, :1, :1, :1]), self.rate)
