"""What the convolutions of a network do with their kernels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from resablate.model.network import ResidualNetwork
from resablate.registry import Registry

CONVOLUTIONS: Registry[str] = Registry(
    "convolution",
    "convolutions",
    {
        "plain": "their kernels as they are",
        "standardized": "each kernel with mean 0 and a learned deviation, so that variances are known without a norm:"
        " Brock, De & Smith, arXiv 2101.08692",
    },
)

_RELU_GAIN = (2 / (1 - 1 / torch.pi)) ** 0.5
"""One over the deviation of a rectified normal variable: the paper's gamma for ReLU."""


@final
class StandardizedConvolution(nn.Conv2d):
    """A convolution with W' = gamma * gain * (W - mean(W)) / (std(W) * sqrt(N)), N = k^2 * in_channels / groups.

    Mean and deviation are those of each output channel's N weights, at every step; the gain is learned, one number for
    each output channel, and 1 at the start.

    Args:
        plain: whose weights and bias become this one's.
        gamma: 1 over the deviation of what enters, where its variance before a ReLU was 1.

    Source: Brock, De & Smith, arXiv 2101.08692, Scaled Weight Standardization; the lower bound of the variance is that
        of the authors' code.
    """

    def __init__(self, plain: nn.Conv2d, *, gamma: float) -> None:
        super().__init__(
            plain.in_channels,
            plain.out_channels,
            (plain.kernel_size[0], plain.kernel_size[1]),
            stride=(plain.stride[0], plain.stride[1]),
            padding=plain.padding if isinstance(plain.padding, str) else (plain.padding[0], plain.padding[1]),
            groups=plain.groups,
            bias=plain.bias is not None,
            device="meta",
        )
        self.weight, self.bias = plain.weight, plain.bias
        self.gain = nn.Parameter(torch.ones_like(plain.weight[:, :1, :1, :1]))
        self.gamma = gamma

    @property
    def kernel(self) -> Tensor:
        """The kernel (out, in / groups, k, k) that is convolved with."""
        count = self.weight[0].numel()
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), correction=0, keepdim=True)
        return self.gamma * self.gain * (self.weight - mean) * (variance * count).clamp_min(_LEAST).rsqrt()

    def forward(self, input: Tensor) -> Tensor:
        """`input` (B, C, H, W), convolved."""
        return functional.conv2d(input, self.kernel, self.bias, self.stride, self.padding, self.dilation, self.groups)


_LEAST = 1e-4
"""Of N times the variance of a kernel: one that is the same everywhere stays 0."""


def put_convolutions(network: ResidualNetwork, convolution: str) -> None:
    """Put a row of CONVOLUTIONS in the place of the convolutions of stem, branches, transitions and projections.

    What a shortcut has of its own, such as a gate, keeps its kernel. A convolution behind a ReLU has a gamma that makes
    up for it: all in branches, and a projection where the block pre-activates x before it splits.

    Raises:
        UnknownName: if there is no such row.
    """
    CONVOLUTIONS[convolution]
    if convolution == "plain":
        return
    for part, gamma in _parts(network):
        for name, layer in list(part.named_modules()):
            if type(layer) is nn.Conv2d and name:
                part.set_submodule(name, StandardizedConvolution(layer, gamma=gamma))


def _parts(network: ResidualNetwork) -> Iterator[tuple[nn.Module, float]]:
    yield network.stem, 1.0
    for block in network.chain:
        yield block.entry, 1.0
        yield block.get_submodule("branch"), _RELU_GAIN
        activated = any(isinstance(layer, nn.ReLU) for layer in block.entry.modules())
        yield block.get_submodule("shortcut.match"), _RELU_GAIN if activated else 1.0
