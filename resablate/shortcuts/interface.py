"""What a shortcut is: a module that turns x and the residual F(x) into two addends.

Shapes throughout: x is (B, in_channels, H, W); the residual, both addends and the bypass are
(B, out_channels, ceil(H / stride), ceil(W / stride)).
"""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

from torch import Tensor, nn
from torch.nn import functional


class Addends(NamedTuple):
    """The two sides of a block's addition, of equal shape."""

    carried: Tensor
    """What comes past the branch."""
    added: Tensor
    """What comes out of the branch."""


class Pad(nn.Module):
    """x in another shape without parameters: every `stride`-th pixel, new channels zero.

    Args:
        in_channels: channels of x.
        out_channels: not fewer.
        stride: of the subsampling.

    Source: option A of He et al., arXiv 1512.03385, section 3.3.
    """

    def __init__(self, *, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.missing = out_channels - in_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """`x` (B, in_channels, H, W) in its new shape."""
        if self.stride > 1:
            # Each stride-th pixel. Gradients come back in their layout, and in one go, unlike those of a slice.
            x = functional.avg_pool2d(x, 1, self.stride)
        return functional.pad(x, (0, 0, 0, 0, 0, self.missing)) if self.missing else x


class Shortcut(nn.Module, ABC):
    """How x passes the branch.

    Args:
        in_channels: channels of x.
        out_channels: channels of the residual.
        stride: the branch's stride.

    Attributes:
        match: x -> x in the residual's shape; without parameters, unless the network puts a projection in its place.
        projects: whether a projection may take that place.
        packs: whether the shortcuts of a pack's members may run as one: `forward` passes x and the residual through
            layers and operations on each number alone, and an argument marked PER_MEMBER that it reads is kept under
            its own name, for it may be a tensor (K*C, 1, 1). What does not say so is not packed.
    """

    projects: ClassVar[bool] = True
    packs: ClassVar[bool] = False

    def __init__(self, *, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.stride = stride
        self.match: nn.Module = Pad(in_channels=in_channels, out_channels=out_channels, stride=stride)

    @property
    def carries(self) -> bool:
        """Whether anything passes by the carried side, so that paths can take it."""
        return True

    @property
    def adds(self) -> bool:
        """Whether anything passes by the added side."""
        return True

    @abstractmethod
    def forward(self, x: Tensor, residual: Tensor) -> Addends:
        """The two addends for input `x` and branch output `residual`."""

    @abstractmethod
    def bypass(self, x: Tensor) -> Tensor:
        """What goes on when the branch is removed: the carried addend, or `x` itself where there is none."""
