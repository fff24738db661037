"""SkipInit and ReZero: a learned number on the branch, 0 at the start."""

from torch import Tensor

from resablate.shortcuts.interface import Addends, Shortcut
from resablate.shortcuts.learned import LearnedScale


class SkipInit(Shortcut):
    """carried = x, added = a * F(x), with one learned number a for each block.

    At 0 the path through the branch is not there yet: nothing passes it in either direction but the gradient of a
    itself, so `adds` is false, a lesion changes nothing, and no path takes the branch.

    Args:
        in_channels: channels of x.
        out_channels: channels of the residual.
        stride: the branch's stride.
        initial: a before the first step.

    Source: De & Smith, arXiv 2002.10444, section 4 (SkipInit, in networks without normalization); Bachlechner et al.,
        arXiv 2003.04887 (ReZero).
    """

    packs = True

    def __init__(self, *, in_channels: int, out_channels: int, stride: int, initial: float = 0.0) -> None:
        super().__init__(in_channels=in_channels, out_channels=out_channels, stride=stride)
        self.scale = LearnedScale(initial=initial)

    @property
    def adds(self) -> bool:
        """Whether the learned number is not 0."""
        return not self.scale.is_zero

    def forward(self, x: Tensor, residual: Tensor) -> Addends:
        """The two addends."""
        return Addends(carried=self.match(x), added=self.scale(residual))

    def bypass(self, x: Tensor) -> Tensor:
        """X itself."""
        return self.match(x)
