"""The networks by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from resablate.component import Component, parse_component
from resablate.model.imagenet import build_imagenet_resnet, check_imagenet_depth
from resablate.model.initialization import INITIALIZATIONS
from resablate.model.network import ResidualNetwork
from resablate.model.norms import NORMS, put_norms
from resablate.model.resnet import build_resnet, stage_length
from resablate.model.vgg import build_vgg, check_vgg_depth
from resablate.orderings import ORDERINGS
from resablate.registry import Registry, filter_kwargs
from resablate.shortcuts import SHORTCUTS

ComponentLike = str | Mapping[str, Any] | Component
"""A row by its name, by a mapping of its name and arguments, or as a component."""


@dataclass(frozen=True)
class NetworkKind:
    """A row of the table.

    Args:
        build: keywords `in_channels`, `num_classes`, `generator`, those of `shortcut`, `ordering`, `initialization`
            (components), `depth` and `width` that the network has, and its own arguments -> the network.
        check_depth: keywords `depth` and the arguments that it depends on -> ValueError if there is no such network.
    """

    build: Callable[..., ResidualNetwork]
    check_depth: Callable[..., object]

    @property
    def functions(self) -> tuple[Callable[..., object], ...]:
        """The functions whose keywords are the row's arguments."""
        return (self.build,)


NETWORKS: Registry[NetworkKind] = Registry(
    "network",
    "networks",
    {
        "resnet": NetworkKind(build_resnet, stage_length),
        "imagenet_resnet": NetworkKind(build_imagenet_resnet, check_imagenet_depth),
        "vgg": NetworkKind(build_vgg, check_vgg_depth),
    },
    given=("shortcut", "ordering", "initialization", "depth", "width", "generator"),
)


def build_network(
    *,
    network: ComponentLike = "resnet",
    shortcut: ComponentLike = "identity",
    ordering: ComponentLike = "original",
    norm: ComponentLike = "batch",
    initialization: ComponentLike = "he_fan_out",
    depth: int | None = None,
    width: int | None = None,
    in_channels: int = 3,
    num_classes: int = 10,
    generator: torch.Generator | None = None,
    **arguments: Any,
) -> ResidualNetwork:
    """The network called `network`.

    Args:
        network: a row of NETWORKS.
        shortcut: a row of SHORTCUTS; ignored by a network that has no choice of shortcuts, such as a plain one.
        ordering: a row of ORDERINGS; ignored likewise.
        norm: a row of NORMS, which takes the place of every batch norm.
        initialization: a row of INITIALIZATIONS; ignored by a network that draws its weights by itself.
        depth: weighted layers; the network's own default where None.
        width: channels inside the first stage's blocks; the network's own default where None.
        in_channels: channels of the images.
        num_classes: number of logits.
        generator: source of the initial weights; torch's global one where None.
        **arguments: of the network, in addition to those in `network` itself.

    Raises:
        UnknownName: for a name that is in no table.
        TypeError: for an argument that a row does not take, and for one that is given twice.
        ValueError: for a depth that does not fit, or a value that an argument may not have.
    """
    component = parse_component(network)
    if twice := sorted(set(component.values) & set(arguments)):
        raise TypeError(f"network {component.name!r} is given {', '.join(twice)} twice: in itself and as a keyword")
    component = Component(component.name, {**component.values, **arguments})
    given = {"shortcut": shortcut, "ordering": ordering, "initialization": initialization, "norm": norm}
    sides = {name: parse_component(part) for name, part in given.items()}
    _refuse_unknown_arguments(NETWORKS, component)
    for table in (SHORTCUTS, ORDERINGS, INITIALIZATIONS, NORMS):
        _refuse_unknown_arguments(table, sides[table.kind])
    build = NETWORKS[component.name].build
    shape = {name: value for name, value in (("depth", depth), ("width", width)) if value is not None}
    built = build(
        in_channels=in_channels,
        num_classes=num_classes,
        generator=generator,
        **filter_kwargs(build, sides),
        **shape,
        **component.values,
    )
    put_norms(built, sides["norm"])
    return built


def _refuse_unknown_arguments(table: Registry[Any], component: Component) -> None:
    takes = table.arguments(component.name)
    if unknown := [f"{name}={value!r}" for name, value in component.values.items() if name not in takes]:
        choices = f"takes {', '.join(takes)}" if takes else "takes no argument"
        raise TypeError(f"{table.kind} {component.name!r} {choices}; got {', '.join(unknown)}")
