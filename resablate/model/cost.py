"""What a network costs: parameters and multiply-adds, counted without computing anything."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from resablate.model.building import build_network


class NetworkCost(NamedTuple):
    """Size of a network for one image."""

    parameters: int
    """Trainable numbers."""
    multiply_adds: int
    """Of all convolutions and linear layers in one forward pass of one image."""
    blocks: int


def network_cost(*, size: tuple[int, int], shortcut_args: Mapping[str, object], **knobs: Any) -> NetworkCost:
    """The cost of the network that `build_network` would build, for one image of `size` = (H, W).

    Args:
        size: of the images.
        shortcut_args: as `build_network` takes them.
        **knobs: everything else that it takes.

    Raises:
        UnknownName: for a name that is in no table.
        ValueError: for a depth that does not fit.
    """
    return _cost(size, tuple(sorted(shortcut_args.items())), **knobs)


@lru_cache(maxsize=4096)
def _cost(size: tuple[int, int], shortcut_args: tuple[tuple[str, object], ...], **knobs: Any) -> NetworkCost:
    with torch.device("meta"):
        network = build_network(shortcut_args=dict(shortcut_args), **knobs).eval()
        image = torch.empty(1, knobs["in_channels"], *size)
    return NetworkCost(count_parameters(network), count_multiply_adds(network, image), len(network.chain))


def count_parameters(network: nn.Module) -> int:
    """Trainable numbers in `network`."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def count_multiply_adds(network: nn.Module, images: torch.Tensor) -> int:
    """Multiply-adds of all convolutions and linear layers for `images` (B, C, H, W), which may be on `meta`."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(images)
    return counter.get_total_flops() // 2
