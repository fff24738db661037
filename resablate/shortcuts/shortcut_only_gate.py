"""Shortcut-only gating: the gate acts on x alone."""

from typing import Annotated

import torch
from torch import Tensor

from resablate.component import PER_MEMBER
from resablate.shortcuts.gate import gate_layer
from resablate.shortcuts.interface import Addends, Shortcut


class ShortcutOnlyGate(Shortcut):
    """carried = (1 - g(x)) * x, added = F(x), with g(x) = sigmoid(W_g x + b_g).

    As b_g falls the shortcut tends to the identity. In the blocks that change dimensions g sees the matched x.

    Args:
        in_channels: channels of x.
        out_channels: channels of the residual.
        stride: the branch's stride.
        bias: initial b_g; He et al. show 0 and -6.
        batch_norm: normalize W_g x before b_g is added; the paper leaves it open.

    Source: He et al. 2016, Figure 2(d), section 3.1.
    """

    packs = True

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        stride: int,
        bias: Annotated[float, PER_MEMBER] = -6.0,
        batch_norm: bool = False,
    ) -> None:
        super().__init__(in_channels=in_channels, out_channels=out_channels, stride=stride)
        self.gate = gate_layer(out_channels, bias=bias, batch_norm=batch_norm)

    def forward(self, x: Tensor, residual: Tensor) -> Addends:
        """The two addends."""
        return Addends(carried=self.bypass(x), added=residual)

    def bypass(self, x: Tensor) -> Tensor:
        """The gated x."""
        x = self.match(x)
        return (1 - torch.sigmoid(self.gate(x))) * x
