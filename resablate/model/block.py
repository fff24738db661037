"""The residual block: a carried and an added side, an addition and what follows it."""

from abc import ABC, abstractmethod
from typing import final

from torch import Tensor, nn

from resablate.model.route import Route
from resablate.shortcuts import Addends, Shortcut


class Block(nn.Module, ABC):
    """y = after_add(carried + added): what analyses need to know of a block, whoever wrote it.

    Args:
        after_add: acts on the sum, out of place; keeps its shape.
        entry: acts on x before the two sides split; nothing where None.

    Attributes:
        survival: chance that the block was kept in a batch while it trained; in eval mode the added side is scaled by
            it (Huang et al., arXiv 1603.09382, equation 5).
    """

    def __init__(self, *, after_add: nn.Module, entry: nn.Module | None = None) -> None:
        super().__init__()
        self.after_add = after_add
        self.entry = nn.Identity() if entry is None else entry
        self.survival = 1.0

    @property
    @abstractmethod
    def changes_dimension(self) -> bool:
        """Whether the block changes the number of channels or the resolution."""

    @property
    def carries(self) -> bool:
        """Whether a path can take the carried side."""
        return True

    @property
    def adds(self) -> bool:
        """Whether a path can take the added side, in eval mode."""
        return self.survival != 0

    def addends(self, x: Tensor) -> Addends:
        """What the block adds, for input `x`."""
        carried, added = self.sides(x)
        if self.survival != 1 and not self.training:
            added = self.survival * added
        return Addends(carried, added)

    @abstractmethod
    def sides(self, x: Tensor) -> Addends:
        """The two addends for input `x`, before `survival` scales one."""

    @abstractmethod
    def bypass(self, x: Tensor) -> Tensor:
        """What stands for the sum when the branch is removed, for input `x`; the branch is not computed."""

    def forward(self, x: Tensor, route: Route = Route.BOTH) -> Tensor:
        """The block's output for input `x` along `route`."""
        if route is Route.SHORTCUT_ONLY:
            return self.after_add(self.bypass(x))
        carried, added = self.addends(x)
        if route is Route.GRADIENT_BY_SHORTCUT:
            added = added.detach()
        elif route is Route.GRADIENT_BY_BRANCH:
            carried = carried.detach()
        return self.after_add(carried + added)


@final
class ShortcutBlock(Block):
    """A block made of a shortcut and a branch.

    Args:
        entry: acts on x before the two sides split: nothing, a shared pre-activation, or the bare convolution between
            two stages.
        branch: behind the entry, (B, C, H, W) -> residual.
        shortcut: what the entry gives and the residual -> addends of the residual's shape.
        after_add: acts on the sum; keeps its shape.
        changes_dimension: whether the block, its entry included, changes channels or resolution.
    """

    def __init__(
        self,
        *,
        entry: nn.Module,
        branch: nn.Module,
        shortcut: Shortcut,
        after_add: nn.Module,
        changes_dimension: bool,
    ) -> None:
        super().__init__(after_add=after_add, entry=entry)
        self.branch = branch
        self.shortcut = shortcut
        self._changes_dimension = changes_dimension

    @property
    def changes_dimension(self) -> bool:
        """Whether the block changes the number of channels or the resolution."""
        return self._changes_dimension

    @property
    def carries(self) -> bool:
        """Whether a path can take the carried side: a plain network's blocks have none."""
        return self.shortcut.carries

    @property
    def adds(self) -> bool:
        """Whether a path can take the added side, in eval mode."""
        return self.shortcut.adds and super().adds

    def sides(self, x: Tensor) -> Addends:
        """The shortcut's addends behind the entry."""
        x = self.entry(x)
        return self.shortcut(x, self.branch(x))

    def bypass(self, x: Tensor) -> Tensor:
        """What remains without the branch: the entry and the shortcut."""
        return self.shortcut.bypass(self.entry(x))
