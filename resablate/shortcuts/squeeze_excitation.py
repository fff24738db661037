"""Squeeze and excitation on the branch."""

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from resablate.shortcuts.interface import Addends, Shortcut


class SqueezeExcitation(Shortcut):
    """carried = x, added = s * F(x), with a factor for each channel that the means of F(x) decide.

    s = sigmoid(W_2 relu(W_1 mean(F(x)) + b_1) + b_2); both biases are 0 at the start.

    Args:
        in_channels: channels of x.
        out_channels: channels of the residual.
        stride: the branch's stride.
        reduction: channels of the residual for each one in between, of which there is at least one.

    Source: Hu et al., arXiv 1709.01507, section 3.
    """

    packs = True

    def __init__(
        self, *, in_channels: int, out_channels: int, stride: int, reduction: Annotated[int, Ge(1)] = 16
    ) -> None:
        super().__init__(in_channels=in_channels, out_channels=out_channels, stride=stride)
        between = max(1, out_channels // reduction)
        self.excite = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(out_channels, between, 1),
            nn.ReLU(),
            nn.Conv2d(between, out_channels, 1),
        )
        for layer in self.excite:
            if isinstance(layer, nn.Conv2d) and layer.bias is not None:
                nn.init.zeros_(layer.bias)

    @property
    def scales(self) -> tuple[nn.Module, ...]:
        """What weighs the channels; nothing is carried through it."""
        return (self.excite,)

    def forward(self, x: Tensor, residual: Tensor) -> Addends:
        """The two addends."""
        return Addends(carried=self.match(x), added=torch.sigmoid(self.excite(residual)) * residual)

    def bypass(self, x: Tensor) -> Tensor:
        """X itself."""
        return self.match(x)
