"""The residual block: a branch, a shortcut, an addition and what follows it."""

from torch import Tensor, nn

from resablate.model.route import Route
from resablate.shortcuts import Addends, Shortcut


class Block(nn.Module):
    """y = after_add(carried + added).

    Args:
        branch: x (B, C, H, W) -> residual.
        shortcut: x and residual -> addends of the residual's shape.
        after_add: acts on the sum; keeps its shape.
    """

    def __init__(self, *, branch: nn.Module, shortcut: Shortcut, after_add: nn.Module) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut
        self.after_add = after_add

    @property
    def changes_dimension(self) -> bool:
        """Whether the block changes the number of channels or the resolution."""
        return self.shortcut.stride > 1 or self.shortcut.in_channels != self.shortcut.out_channels

    def addends(self, x: Tensor) -> Addends:
        """What the block adds, for input `x`."""
        return self.shortcut(x, self.branch(x))

    def forward(self, x: Tensor, route: Route = Route.BOTH) -> Tensor:
        """The block's output for input `x` along `route`."""
        if route is Route.SHORTCUT_ONLY:
            return self.after_add(self.shortcut.bypass(x))
        carried, added = self.addends(x)
        if route is Route.GRADIENT_BY_SHORTCUT:
            added = added.detach()
        elif route is Route.GRADIENT_BY_BRANCH:
            carried = carried.detach()
        return self.after_add(carried + added)
