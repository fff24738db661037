"""What a network costs: parameters and multiply-adds, counted without computing anything."""

from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from resablate.component import Component, parse_component
from resablate.model.building import ComponentLike, build_network


class NetworkCost(NamedTuple):
    """Size of a network for one image."""

    parameters: int
    """Trainable numbers."""
    multiply_adds: int
    """Of all convolutions and linear layers in one forward pass of one image."""
    blocks: int
    layers: int = 0
    """Convolutions and linear layers."""
    activations: int = 0
    """Numbers that these layers put out for one image."""
    narrow_multiply_adds: int = 0
    """Of `multiply_adds`, those of layers that put out fewer than `NARROW` channels."""


NARROW = 16
"""Channels that fill a processor's widest vectors."""


def network_cost(
    *,
    size: tuple[int, int],
    network: ComponentLike = "resnet",
    shortcut: ComponentLike = "identity",
    ordering: ComponentLike = "original",
    norm: ComponentLike = "batch",
    initialization: ComponentLike = "he_fan_out",
    in_channels: int = 3,
    **keywords: Any,
) -> NetworkCost:
    """The cost of the network that `build_network` would build, for one image of `size` = (H, W).

    Args:
        size: of the images.
        network: as `build_network` takes it, and so are the next five.
        shortcut: a row of SHORTCUTS.
        ordering: a row of ORDERINGS.
        norm: a row of NORMS.
        initialization: without effect on the cost.
        in_channels: channels of the images.
        **keywords: everything else that `build_network` takes.

    Raises:
        UnknownName: for a name that is in no table.
        TypeError: for an argument that the network, the shortcut or the ordering does not take.
        ValueError: for a depth that does not fit.
    """
    rows = tuple(_hashable(row) for row in (network, shortcut, ordering, norm))
    return _cost(size, rows, in_channels, **keywords)


def _hashable(row: ComponentLike) -> Component:
    """The component with all that it knows as arguments, because defaults are no part of its hash."""
    component = parse_component(row)
    return Component(component.name, component.values)


@lru_cache(maxsize=4096)
def _cost(size: tuple[int, int], rows: tuple[Component, ...], in_channels: int, **keywords: Any) -> NetworkCost:
    network, shortcut, ordering, norm = rows
    with torch.device("meta"):
        built = build_network(
            network=network, shortcut=shortcut, ordering=ordering, norm=norm, in_channels=in_channels, **keywords
        ).eval()
    parameters = count_parameters(built)
    for name, part in list(built.named_modules()):
        if isinstance(part, nn.BatchNorm2d):  # half of the time, and neither a shape nor a multiply-add
            built.set_submodule(name, nn.Identity())
    # Outside of the context, which would take every operation through Python. Not by torch's counter, which imports a
    # compiler that nobody asked for, for seconds: all products of these networks are convolutions and linear layers.
    layers = _layers(built, torch.empty(1, in_channels, *size, device="meta"))
    return NetworkCost(
        parameters,
        sum(layer.multiply_adds for layer in layers),
        len(built.chain),
        layers=len(layers),
        activations=sum(layer.activations for layer in layers),
        narrow_multiply_adds=sum(layer.multiply_adds for layer in layers if layer.channels < NARROW),
    )


class _Layer(NamedTuple):
    channels: int
    """Put out."""
    activations: int
    multiply_adds: int


def _layers(network: nn.Module, image: torch.Tensor) -> list[_Layer]:
    """Every convolution and linear layer, as often as it is run for `image` (1, C, H, W), which may be on `meta`."""
    found: list[_Layer] = []

    def note(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        weights = layer.get_parameter("weight")
        found.append(_Layer(weights.shape[0], output.numel(), output.numel() * weights[0].numel()))

    hooks = [m.register_forward_hook(note) for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        network(image)
    for hook in hooks:
        hook.remove()
    return found


def count_parameters(network: nn.Module) -> int:
    """Trainable numbers in `network`."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def count_multiply_adds(network: nn.Module, images: torch.Tensor) -> int:
    """Multiply-adds of all convolutions and linear layers for `images` (B, C, H, W), which may be on `meta`."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(images)
    return counter.get_total_flops() // 2
