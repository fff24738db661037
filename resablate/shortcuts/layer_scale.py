"""LayerScale: a learned number for each channel of the branch."""

from torch import Tensor

from resablate.shortcuts.interface import Addends, Shortcut
from resablate.shortcuts.learned import LearnedScale


class LayerScale(Shortcut):
    """carried = x, added = g * F(x), with a learned vector g of one number for each channel.

    With a small g at the start the network is nearly one without branches: a lesion changes little before training,
    and paths through many branches have gradients as small as the power of g.

    Args:
        in_channels: channels of x.
        out_channels: channels of the residual.
        stride: the branch's stride.
        initial: each number before the first step: 0.1 to 1e-6 in the paper, less in deeper networks.

    Source: Touvron et al., arXiv 2103.17239, section 2.
    """

    packs = True

    def __init__(self, *, in_channels: int, out_channels: int, stride: int, initial: float = 1e-5) -> None:
        super().__init__(in_channels=in_channels, out_channels=out_channels, stride=stride)
        self.scale = LearnedScale(out_channels, initial=initial)

    @property
    def adds(self) -> bool:
        """Whether not all numbers are 0."""
        return not self.scale.is_zero

    def forward(self, x: Tensor, residual: Tensor) -> Addends:
        """The two addends."""
        return Addends(carried=self.match(x), added=self.scale(residual))

    def bypass(self, x: Tensor) -> Tensor:
        """X itself."""
        return self.match(x)
