"""A block of another network's modules."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from resablate.model.block import Block
from resablate.shortcuts import Addends


@final
class AdaptedBlock(Block):
    """after_add(match(entry(x)) + branch(entry(x))), of modules that are another network's.

    Args:
        entry: acts on x before the two sides split.
        branch: behind the entry.
        match: behind the entry, gives the shape of the branch's output; the identity where that is x's own.
        after_add: acts on the sum, out of place.
        changes_dimension: whether the output has another shape than x.
        place: the name, in the network, of the module that adds.
    """

    def __init__(
        self,
        *,
        entry: nn.Module,
        branch: nn.Module,
        match: nn.Module,
        after_add: nn.Module,
        changes_dimension: bool,
        place: str,
    ) -> None:
        super().__init__(after_add=after_add, entry=entry)
        self.branch = branch
        self.match = match
        self.place = place
        self._changes_dimension = changes_dimension

    @property
    def changes_dimension(self) -> bool:
        """Whether the block changes the number of channels or the resolution."""
        return self._changes_dimension

    def sides(self, x: Tensor) -> Addends:
        """Their shortcut and their branch."""
        x = self.entry(x)
        return Addends(carried=self.match(x), added=self.branch(x))

    def bypass(self, x: Tensor) -> Tensor:
        """The carried side alone."""
        return self.match(self.entry(x))
