"""Ways to compute K convolutions of one shape, each on its own channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from resablate.registry import Registry


class Geometry(NamedTuple):
    """How a kernel moves over the images."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]


class ConvolutionWay(NamedTuple):
    """A row of the table."""

    compute: Callable[[Tensor, Tensor, Tensor | None, Geometry], Tensor]
    """Images (B, K*I, H, W), weight (K, O, I, kh, kw) and bias (K, O) -> (B, K*O, H', W')."""
    separate: bool
    """Whether no number of one member meets another's: 0 times infinity is no number, so a member that diverges would
    take the others with it."""


def _grouped(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    flat = None if bias is None else bias.flatten()
    return functional.conv2d(x, weight.flatten(0, 1), flat, *geometry, groups=len(weight))


def _block_diagonal(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    members, out_channels, in_channels, height, width = weight.shape
    member = torch.arange(members, device=weight.device)
    square = weight.new_zeros(members, out_channels, members, in_channels, height, width)
    square[member, :, member] = weight
    kernel = square.view(members * out_channels, members * in_channels, height, width)
    return functional.conv2d(x, kernel, None if bias is None else bias.flatten(), *geometry)


def _beside(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    parts = x.chunk(len(weight), dim=1)
    shifts = [None] * len(weight) if bias is None else bias.unbind()
    return torch.cat(
        [
            functional.conv2d(part, kernel, shift, *geometry)
            for part, kernel, shift in zip(parts, weight.unbind(), shifts, strict=True)
        ],
        dim=1,
    )


CONVOLUTION_WAYS: Registry[ConvolutionWay] = Registry(
    "convolution_way",
    "convolution_ways",
    {
        "grouped": ConvolutionWay(_grouped, separate=True),
        "block_diagonal": ConvolutionWay(_block_diagonal, separate=False),
        "beside": ConvolutionWay(_beside, separate=True),
    },
)
