"""The gate shared by the two gated shortcuts."""

from torch import nn


def gate_layer(channels: int, *, bias: float, batch_norm: bool) -> nn.Module:
    """What stands under the sigmoid of g(x) = sigmoid(W_g x + b_g), (B, C, H, W) -> (B, C, H, W).

    Args:
        channels: C.
        bias: initial value of every b_g.
        batch_norm: normalize W_g x, with b_g as the shift of batch norm, so that the initial bias keeps its meaning.
            The paper leaves open whether there is one.

    Source: He et al. 2016, section 3.1; the 1x1 convolution as realized there.
    """
    conv = nn.Conv2d(channels, channels, kernel_size=1, bias=not batch_norm)
    norm = nn.BatchNorm2d(channels) if batch_norm else None
    shift = norm.bias if norm else conv.bias
    assert shift is not None
    nn.init.constant_(shift, bias)
    return nn.Sequential(conv, norm) if norm else conv
