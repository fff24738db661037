"""How a network of another package is taken apart: by the names of its modules, where its class is known."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import final

from torch import Tensor, nn

from resablate.errors import ResablateError
from resablate.model.block import Block
from resablate.model.network import ResidualNetwork
from resablate.shortcuts import Addends

STAGE_NAMES = ("layer1", "layer2", "layer3", "layer4")
"""What torchvision and timm call the stages of a ResNet."""
_SEQUENTIAL = "torch.nn.modules.container.Sequential"
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@dataclass(frozen=True)
class Layout:
    """A residual block of another package, by the names of its modules.

    Args:
        branch: in the order of its own forward pass, up to the addition.
        after_add: acts on the sum; empty where nothing does.
        preactivation: acts on x before anything else, and before a downsample too.
    """

    branch: tuple[str, ...]
    after_add: str = ""
    preactivation: str = ""

    @property
    def names(self) -> set[str]:
        """Those whose place is known."""
        return {*self.branch, self.after_add, self.preactivation, "downsample"}


@dataclass(frozen=True)
class Architecture:
    """A network of another package, by the names of its modules.

    Args:
        parts: all that it consists of, in the order of its own forward pass.
        methods: the forward pass, which a subclass must not have changed.
    """

    parts: tuple[str, ...]
    methods: tuple[str, ...]


@final
class AdaptedBlock(Block):
    """after_add(match(entry(x)) + branch(entry(x))), of modules that are another network's.

    Args:
        entry: acts on x before the two sides split.
        branch: behind the entry.
        match: behind the entry, gives the shape of the branch's output; the identity where that is x's own.
        after_add: acts on the sum, out of place.
    """

    def __init__(self, *, entry: nn.Module, branch: nn.Module, match: nn.Module, after_add: nn.Module) -> None:
        super().__init__(after_add=after_add, entry=entry)
        self.branch = branch
        self.match = match

    @property
    def changes_dimension(self) -> bool:
        """Whether the block changes the number of channels or the resolution."""
        return not isinstance(self.match, nn.Identity)

    def sides(self, x: Tensor) -> Addends:
        """Their downsample and their branch."""
        x = self.entry(x)
        return Addends(carried=self.match(x), added=self.branch(x))

    def bypass(self, x: Tensor) -> Tensor:
        """The carried side alone."""
        return self.match(self.entry(x))


def class_among(network: nn.Module, architectures: Mapping[str, Architecture]) -> type | None:
    """The class of `network`, or the nearest that it inherits from, that is one of `architectures` by name."""
    return next((kind for kind in type(network).__mro__ if _qualified(kind) in architectures), None)


def check_architecture(network: nn.Module, architectures: Mapping[str, Architecture]) -> tuple[str, ...]:
    """The names of the network's parts, where its output is known to be that of these in a row.

    Args:
        network: of one of the classes in `architectures`.
        architectures: by the full name of the class.

    Raises:
        ResablateError: if it is not.
    """
    name = type(network).__name__
    base = class_among(network, architectures)
    if base is None:
        raise ResablateError(f"{name}: its class {_qualified(type(network))} is none of {', '.join(architectures)}")
    architecture = architectures[_qualified(base)]
    for method in architecture.methods:
        if getattr(type(network), method) is not getattr(base, method) or method in vars(network):
            raise ResablateError(f"{name}: it has a {method} of its own, whose output is unknown")
    children = dict(network.named_children())
    if strange := [part for part in children if part not in architecture.parts]:
        raise ResablateError(f"{name}: it has modules of its own, whose place is unknown: {', '.join(strange)}")
    if missing := [part for part in architecture.parts if part not in children]:
        raise ResablateError(f"{name}: it has no {', '.join(missing)}")
    _check_without_hooks(name, network)
    return architecture.parts


def adapt_resnet(
    network: nn.Module, architectures: Mapping[str, Architecture], layouts: Mapping[str, Layout]
) -> ResidualNetwork:
    """A network of four stages between a stem and a head of pooling and one linear layer.

    Args:
        network: of one of the classes in `architectures`.
        architectures: by the full name of the class; their last two parts are the pooling and the linear layer.
        layouts: by package and class of a block.

    Raises:
        ResablateError: if its output is not known to be that of its parts in a row.
    """
    parts = check_architecture(network, architectures)
    part = network.get_submodule
    first = parts.index(STAGE_NAMES[0])
    dropout = float(getattr(network, "drop_rate", 0))  # timm calls the function, torchvision has none
    return ResidualNetwork(
        stem=nn.Sequential(*map(part, parts[:first])),
        blocks=[
            adapt_block(f"{stage}.{place}", block, layouts)
            for stage in STAGE_NAMES
            for place, block in children_of(network, stage)
        ],
        head=nn.Sequential(part(parts[-2]), nn.Flatten(), *([nn.Dropout(dropout)] if dropout else []), part(parts[-1])),
    )


def children_of(network: nn.Module, place: str, kind: str = _SEQUENTIAL) -> Iterator[tuple[str, nn.Module]]:
    """Name and module of what the container at `place` consists of, in its order.

    Raises:
        ResablateError: if its class is not `kind`, or it does more than run them one after the other.
    """
    container = network.get_submodule(place)
    if _qualified(type(container)) != kind:
        raise ResablateError(f"{place}: must be a {kind}, got {_qualified(type(container))}")
    _check_without_hooks(place, container)
    return container.named_children()


def adapt_block(place: str, block: nn.Module, layouts: Mapping[str, Layout]) -> AdaptedBlock:
    """A block of another package, of the same modules.

    Args:
        place: its name in its network.
        block: the block.
        layouts: by package and class.

    Raises:
        ResablateError: if its class is none of them, or it has modules or a forward pass of its own.
    """
    kind = f"{type(block).__module__.partition('.')[0]}.{type(block).__name__}"
    if kind not in layouts:
        raise ResablateError(f"{place}: {kind} is no block that can be adapted (known: {', '.join(layouts)})")
    _check_without_hooks(place, block)
    layout = layouts[kind]
    modules = dict(block.named_children())
    if strange := [name for name in modules if name not in layout.names]:
        raise ResablateError(f"{place}: {kind} has modules of its own, whose place is unknown: {', '.join(strange)}")
    layers: list[nn.Module] = []
    for name in layout.branch:
        if layer := modules.get(name):
            layers.append(copy.copy(layer) if layer in layers else layer)
    entry, match = modules.get(layout.preactivation), modules.get("downsample")
    if entry and not match:  # then x itself is carried, and only the branch is pre-activated
        layers.insert(0, entry)
        entry = None
    return AdaptedBlock(
        entry=entry or nn.Identity(),
        branch=nn.Sequential(*layers),
        match=match or nn.Identity(),
        after_add=_out_of_place(modules.get(layout.after_add)),
    )


def _qualified(kind: type) -> str:
    return f"{kind.__module__}.{kind.__name__}"


def _check_without_hooks(place: str, module: nn.Module) -> None:
    """What is taken apart is not called any more, and neither are its hooks."""
    if any(getattr(module, hooks) for hooks in _HOOKS):
        raise ResablateError(f"{place}: it has hooks, which would not be called in an adapted network; remove them")
    if "forward" in vars(module):
        raise ResablateError(f"{place}: it has a forward of its own, whose output is unknown")


def _out_of_place(activation: nn.Module | None) -> nn.Module:
    """`activation` as it acts on the sum, whose gradient does not survive theirs; the bits are the same."""
    if activation is None:
        return nn.Identity()
    copied = copy.copy(activation)
    if hasattr(copied, "inplace"):
        vars(copied)["inplace"] = False
    return copied
