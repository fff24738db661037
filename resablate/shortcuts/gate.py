"""The gate shared by the two gated shortcuts."""

from torch import nn


def gate_layer(channels: int, bias: float) -> nn.Conv2d:
    """The 1x1 convolution under the sigmoid of g(x) = sigmoid(W_g x + b_g), (B, C, H, W) -> (B, C, H, W).

    It carries no batch norm, which would make the initial bias meaningless; the paper leaves this open.

    Args:
        channels: C.
        bias: initial value of every b_g.

    Source: He et al. 2016, section 3.1.
    """
    layer = nn.Conv2d(channels, channels, kernel_size=1, bias=True)
    assert layer.bias is not None
    nn.init.constant_(layer.bias, bias)
    return layer
