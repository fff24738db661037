"""Small networks and examples: what tests of the library are about."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from resablate.component import Component, parse_component
from resablate.datasets import Examples
from resablate.model import Block, ResidualNetwork, Route, build_network
from resablate.shortcuts import Addends

ORDER_NAMES = (
    "original",
    "bn_after_add",
    "relu_before_add",
    "relu_only_preactivation",
    "full_preactivation",
)
"""Those of He et al. 2016, written out, so that a row that gets lost is noticed."""
SHORTCUT_NAMES = (
    "identity",
    "constant_scale",
    "exclusive_gate",
    "shortcut_only_gate",
    "conv1x1",
    "dropout",
    "none",
)
HALF_OPEN = {
    "exclusive_gate": {"bias": -0.5},
    "shortcut_only_gate": {"bias": -0.5},
    "skip_init": {"initial": 0.5},
    "layer_scale": {"initial": 0.5},
}
"""Arguments by which both sides of a block count for something."""
SMALLEST_DEPTHS = {"basic": 8, "bottleneck": 11, "single": 5}
"""Layers of a network of one block in each of its three stages, by block."""


def smallest_depth(block: str, transition: str) -> int:
    return SMALLEST_DEPTHS[block] + (2 if transition == "bare" else 0)


def make_generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_network(
    *, seed: int = 0, dtype: torch.dtype = torch.float64, width: int = 2, num_classes: int = 3, **keywords: Any
) -> ResidualNetwork:
    """A network of 8 layers in eval mode, as after training: no batch norm or bias is at its initial value.

    Gates are half open, and learned factors half of 1, so that both of a block's addends matter.
    """
    shortcut = parse_component(keywords.get("shortcut", "identity"))
    if shortcut.name in HALF_OPEN:
        shortcut = Component(shortcut.name, {**HALF_OPEN[shortcut.name], **shortcut.arguments})
    fields = {"depth": 8, "in_channels": 1, **keywords, "shortcut": shortcut}
    network = build_network(width=width, num_classes=num_classes, generator=make_generator(seed), **fields).to(dtype)
    draw_batch_norms(network, seed=seed + 1000)
    return network.eval()


def draw_batch_norms(network: nn.Module, *, seed: int = 1000) -> None:
    """Gives every batch norm a scale, a shift and statistics that are none of its initial values."""
    draw = make_generator(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            with torch.no_grad():
                for tensor, middle in (
                    (module.weight, 1.0),
                    (module.bias, 0.2),
                    (module.running_mean, 0.0),
                    (module.running_var, 1.0),
                ):
                    assert tensor is not None
                    noise = 2 * torch.rand(tensor.shape, generator=draw, dtype=tensor.dtype) - 1
                    tensor.copy_(middle + 0.2 * noise)


class ScaledGradient(Block):
    """The identity, whose two sides multiply a gradient on its way back by known factors."""

    def __init__(self, carried: float, added: float, *, changes_dimension: bool = False) -> None:
        super().__init__(after_add=nn.Sequential())
        self.factors = (carried, added)
        self.branch = nn.Identity()
        self._changes_dimension = changes_dimension

    @property
    def changes_dimension(self) -> bool:
        return self._changes_dimension

    def sides(self, x: Tensor) -> Addends:
        zero = self.branch(x) - x.detach()
        return Addends(carried=x.detach() + self.factors[0] * zero, added=self.factors[1] * zero)

    def bypass(self, x: Tensor) -> Tensor:
        return x


def make_scaling_network(blocks: Sequence[Block], *, dtype: torch.dtype = torch.float64) -> ResidualNetwork:
    """These blocks between a stem that does nothing and a linear head, for images of 1x2x2 and three classes."""
    network = ResidualNetwork(stem=nn.Identity(), blocks=blocks, head=nn.Sequential(nn.Flatten(), nn.Linear(4, 3)))
    with torch.no_grad():
        for parameter in network.head.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=make_generator(7)))
    return network.to(dtype)


def make_images(
    count: int = 4,
    *,
    channels: int = 1,
    size: tuple[int, int] = (8, 8),
    classes: int = 3,
    seed: int = 1,
    dtype: torch.dtype = torch.float64,
) -> tuple[Tensor, Tensor]:
    draw = make_generator(seed)
    images = torch.randn(count, channels, *size, generator=draw, dtype=dtype)
    return images, torch.randint(classes, (count,), generator=draw)


def make_examples(count: int = 12, **keywords: Any) -> Examples:
    """Examples that need no normalization."""
    images, labels = make_images(count, **keywords)
    return Examples(images, labels)


def lesion_routes(network: ResidualNetwork, block: int) -> list[Route]:
    """The whole network without one block's branch."""
    return [Route.SHORTCUT_ONLY if index == block else Route.BOTH for index in range(len(network.chain))]


def relative_gap(actual: Tensor, expected: Tensor) -> float:
    """The largest difference as a part of the largest expected value."""
    return float((actual - expected).abs().max() / expected.abs().max())
