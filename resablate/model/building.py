"""The networks by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from resablate.model.imagenet import build_imagenet_resnet, check_imagenet_depth
from resablate.model.network import ResidualNetwork
from resablate.model.resnet import build_resnet, stage_length
from resablate.model.vgg import build_vgg, check_vgg_depth
from resablate.registry import Registry, accepted


@dataclass(frozen=True)
class NetworkKind:
    """A row of the table."""

    build: Callable[..., ResidualNetwork]
    """Keywords in_channels, num_classes, generator and the network's knobs -> the network."""
    check_depth: Callable[..., object]
    """Depth and the knobs that it depends on -> ValueError if there is no such network."""


NETWORKS: Registry[NetworkKind] = Registry(
    "network",
    "networks",
    {
        "resnet": NetworkKind(build_resnet, stage_length),
        "imagenet_resnet": NetworkKind(build_imagenet_resnet, check_imagenet_depth),
        "vgg": NetworkKind(build_vgg, check_vgg_depth),
    },
)


def build_network(
    *,
    network: str = "resnet",
    in_channels: int = 3,
    num_classes: int = 10,
    generator: torch.Generator | None = None,
    **knobs: Any,
) -> ResidualNetwork:
    """The network called `network`.

    Args:
        network: a row of NETWORKS.
        in_channels: channels of the images.
        num_classes: number of logits.
        generator: source of the initial weights; torch's global one where None.
        **knobs: keywords of that network, such as `depth`, `shortcut` and `ordering`; those it does not take are
            ignored, as a plain network ignores the shortcut.

    Raises:
        UnknownName: for a name that is in no table.
        ValueError: for a depth that does not fit.
    """
    build = NETWORKS[network].build
    return build(in_channels=in_channels, num_classes=num_classes, generator=generator, **accepted(build, knobs))
