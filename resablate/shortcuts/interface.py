"""What a shortcut is: a module that turns x and the residual F(x) into two addends.

Shapes throughout: x is (B, in_channels, H, W); the residual, both addends and the bypass are
(B, out_channels, ceil(H / stride), ceil(W / stride)).
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional


class Addends(NamedTuple):
    """The two sides of a block's addition, of equal shape."""

    carried: Tensor
    """What comes past the branch."""
    added: Tensor
    """What comes out of the branch."""


class Shortcut(nn.Module, ABC):
    """How x passes the branch.

    Args:
        in_channels: channels of x.
        out_channels: channels of the residual.
        stride: the branch's stride.
    """

    def __init__(self, *, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.stride = stride

    def match(self, x: Tensor) -> Tensor:
        """`x` in the residual's shape without parameters: every `stride`-th pixel, new channels zero.

        Source: option A of He et al., arXiv 1512.03385, section 3.3.
        """
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
        missing = self.out_channels - self.in_channels
        return functional.pad(x, (0, 0, 0, 0, 0, missing)) if missing else x

    @abstractmethod
    def forward(self, x: Tensor, residual: Tensor) -> Addends:
        """The two addends for input `x` and branch output `residual`."""

    @abstractmethod
    def bypass(self, x: Tensor) -> Tensor:
        """What goes on when the branch is removed: the carried addend, or `x` itself where there is none."""
