"""The 1x1 convolutional shortcut."""

from torch import Tensor, nn

from resablate.shortcuts.interface import Addends, Shortcut


class Conv1x1(Shortcut):
    """carried = W x, with one 1x1 convolution per block; added = F(x).

    In the blocks that change dimensions the convolution has the branch's stride, so nothing is padded.

    Args:
        in_channels: channels of x.
        out_channels: channels of the residual.
        stride: the branch's stride.
        batch_norm: follow the convolution by batch norm. The paper draws none, but its caption says that batch norm
            comes after every weight layer, so it is there by default.

    Source: He et al. 2016, Figure 2(e), section 3.1 (option C of arXiv 1512.03385).
    """

    projects = False  # it is one itself
    packs = True

    def __init__(self, *, in_channels: int, out_channels: int, stride: int, batch_norm: bool = True) -> None:
        super().__init__(in_channels=in_channels, out_channels=out_channels, stride=stride)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(out_channels) if batch_norm else nn.Identity()

    def forward(self, x: Tensor, residual: Tensor) -> Addends:
        """The two addends."""
        return Addends(carried=self.bypass(x), added=residual)

    def bypass(self, x: Tensor) -> Tensor:
        """The convolved x."""
        return self.norm(self.conv(x))
