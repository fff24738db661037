"""A learned weighted sum of both sides."""

from torch import Tensor

from resablate.shortcuts.interface import Addends, Shortcut
from resablate.shortcuts.learned import LearnedScale


class LearnedSum(Shortcut):
    """carried = a * x, added = b * F(x), with two learned numbers for each block.

    A side whose number is 0 is no path: neither is there at the start where its initial number is 0.

    Args:
        in_channels: channels of x.
        out_channels: channels of the residual.
        stride: the branch's stride.
        carried_initial: a before the first step.
        added_initial: b before the first step.

    Source: Shen & Zeng, arXiv 1605.08831, for a learned number on the branch; here on both sides.
    """

    packs = True

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        stride: int,
        carried_initial: float = 1.0,
        added_initial: float = 1.0,
    ) -> None:
        super().__init__(in_channels=in_channels, out_channels=out_channels, stride=stride)
        self.carried_scale = LearnedScale(initial=carried_initial)
        self.added_scale = LearnedScale(initial=added_initial)

    @property
    def carries(self) -> bool:
        """Whether a is not 0."""
        return not self.carried_scale.is_zero

    @property
    def adds(self) -> bool:
        """Whether b is not 0."""
        return not self.added_scale.is_zero

    def forward(self, x: Tensor, residual: Tensor) -> Addends:
        """The two addends."""
        return Addends(carried=self.bypass(x), added=self.added_scale(residual))

    def bypass(self, x: Tensor) -> Tensor:
        """The scaled x."""
        return self.carried_scale(self.match(x))
