"""What a shortcut is: a module that turns x and the residual F(x) into two addends.

Shapes throughout: x is (B, in_channels, H, W); the residual, both addends and the bypass are
(B, out_channels, ceil(H / stride), ceil(W / stride)).
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, NamedTuple, final

from torch import Tensor, nn
from torch.nn import functional


class Addends(NamedTuple):
    """The two sides of a block's addition, of equal shape."""

    carried: Tensor
    """What comes past the branch."""
    added: Tensor
    """What comes out of the branch."""


class Pad(nn.Module):
    """x in another shape without parameters: fewer pixels, new channels zero.

    Args:
        in_channels: channels of x.
        out_channels: not fewer.
        stride: of the subsampling.
        subsampling: `strided` for every stride-th pixel, `average` for the mean of each square of the stride's sides.
        before: how many of the new channels come before the old ones; the others come behind them.

    Source: option A of He et al., arXiv 1512.03385, section 3.3.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        stride: int,
        subsampling: Literal["strided", "average"] = "strided",
        before: int = 0,
    ) -> None:
        super().__init__()
        self.missing = out_channels - in_channels
        self.stride = stride
        self.window = stride if subsampling == "average" else 1
        self.before = before

    def forward(self, x: Tensor) -> Tensor:
        """`x` (B, in_channels, H, W) in its new shape."""
        x = self.subsample(x)
        return functional.pad(x, (0, 0, 0, 0, self.before, self.missing - self.before)) if self.missing else x

    def subsample(self, x: Tensor) -> Tensor:
        """`x` (B, C, H, W) with fewer pixels."""
        # Gradients come back in x's layout, and in one go, unlike those of a slice.
        return functional.avg_pool2d(x, self.window, self.stride, ceil_mode=True) if self.stride > 1 else x


@final
class Scaled(nn.Module):
    """x times a fixed number.

    Args:
        factor: the number.
    """

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """`x`, scaled."""
        return self.factor * x


class Place(NamedTuple):
    """Where a block is in its network."""

    block: int = 0
    """Counted from 0 at the input."""
    blocks: int = 1
    """In the network."""
    in_stage: int = 0
    """Counted from 0 in each stage."""
    blocks_since_change: int = 0
    """Before this one, from the last one that changed dimensions on: those that have added to its input."""


class Shortcut(nn.Module, ABC):
    """How x passes the branch.

    Args:
        in_channels: channels of x.
        out_channels: channels of the residual.
        stride: the branch's stride. A row that depends on its block's place in the network has a keyword `place` too.

    Attributes:
        match: x -> x in the residual's shape; without parameters, unless the network puts a projection in its place.
        projects: whether a projection may take that place.
        input_factor: what the branch's input is multiplied by.
        packs: whether the shortcuts of a pack's members may run as one: `forward` passes x and the residual through
            layers and operations on each number alone, and an argument marked PER_MEMBER that it reads is kept under
            its own name, for it may be a tensor (K*C, 1, 1). What does not say so is not packed.
        scales: modules that weigh one of the sides, and through which nothing is carried.
    """

    input_factor: float = 1.0
    projects: ClassVar[bool] = True
    packs: ClassVar[bool] = False

    def __init__(self, *, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.stride = stride
        self.match: nn.Module = Pad(in_channels=in_channels, out_channels=out_channels, stride=stride)

    @property
    def scales(self) -> tuple[nn.Module, ...]:
        """None, unless a row says so."""
        return ()

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
