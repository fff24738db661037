"""Networks that nobody here wrote, seen as a stem, a chain of blocks and a head."""

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

_STAGE_NAMES = ("layer1", "layer2", "layer3", "layer4")


@dataclass(frozen=True)
class _Layout:
    """A residual block of torchvision or timm, by the names of its modules.

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


_LAYOUTS = {
    "torchvision.BasicBlock": _Layout(("conv1", "bn1", "relu", "conv2", "bn2"), "relu"),
    "torchvision.Bottleneck": _Layout(("conv1", "bn1", "relu", "conv2", "bn2", "relu", "conv3", "bn3"), "relu"),
    "timm.BasicBlock": _Layout(
        ("conv1", "bn1", "drop_block", "act1", "aa", "conv2", "bn2", "se", "drop_path"), "act2"
    ),
    "timm.Bottleneck": _Layout(
        ("conv1", "bn1", "act1", "conv2", "bn2", "drop_block", "act2", "aa", "conv3", "bn3", "se", "drop_path"), "act3"
    ),
}  # fmt: skip
"""Package and class of a block of a ResNet."""
_V2_LAYOUTS = {
    "timm.PreActBasic": _Layout(("conv1", "norm2", "conv2", "drop_path"), preactivation="norm1"),
    "timm.PreActBottleneck": _Layout(("conv1", "norm2", "conv2", "norm3", "conv3", "drop_path"), preactivation="norm1"),
}
"""Package and class of a block of a timm ResNetV2. Its `Bottleneck` is another class than that of timm's ResNet."""


@dataclass(frozen=True)
class _Architecture:
    """A network of torchvision or timm, by the names of its modules.

    Args:
        parts: all that it consists of, in the order of its own forward pass.
        methods: the forward pass, which a subclass must not have changed.
    """

    parts: tuple[str, ...]
    methods: tuple[str, ...]


_TIMM_METHODS = ("__call__", "forward", "forward_features", "forward_head")
_ARCHITECTURES = {
    "torchvision.models.resnet.ResNet": _Architecture(
        ("conv1", "bn1", "relu", "maxpool", *_STAGE_NAMES, "avgpool", "fc"), ("__call__", "forward", "_forward_impl")
    ),
    "timm.models.resnet.ResNet": _Architecture(
        ("conv1", "bn1", "act1", "maxpool", *_STAGE_NAMES, "global_pool", "fc"), _TIMM_METHODS
    ),
    "timm.models.resnetv2.ResNetV2": _Architecture(("stem", "stages", "norm", "head"), _TIMM_METHODS),
}
_SEQUENTIAL = "torch.nn.modules.container.Sequential"
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


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
        super().__init__(after_add=after_add)
        self.entry = entry
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


def adapt(network: nn.Module) -> ResidualNetwork:
    """A torchvision ResNet, Wide ResNet or ResNeXt, or a timm ResNet or ResNetV2, as a residual network of blocks.

    Parameters and buffers are shared with `network`, and the logits are equal bit for bit, so that every analysis
    works on pretrained weights.

    Args:
        network: the model; a `ResidualNetwork` is returned as it is.

    Raises:
        ResablateError: if the architecture does not fit; the message names the module and what was expected.
    """
    if isinstance(network, ResidualNetwork):
        return network
    parts = _check_architecture(network)
    adapted = _adapt_v2(network) if "stages" in parts else _adapt_v1(network, parts)
    return adapted.train(network.training)


def _check_architecture(network: nn.Module) -> tuple[str, ...]:
    """The names of the network's parts; an error where its output is not known to be that of these in a row."""
    name = type(network).__name__
    base = next((kind for kind in type(network).__mro__ if _qualified(kind) in _ARCHITECTURES), None)
    if base is None:
        first = next(iter(_ARCHITECTURES.values())).parts
        shared = [part for part in first if part not in ("relu", "avgpool")]  # timm calls these otherwise
        missing = [part for part in shared if not hasattr(network, part)]
        reason = f"it has no {', '.join(missing)}" if missing else f"its class is {_qualified(type(network))}"
        raise ResablateError(f"{name}: not a ResNet of torchvision or timm: {reason}")
    architecture = _ARCHITECTURES[_qualified(base)]
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


def _qualified(kind: type) -> str:
    return f"{kind.__module__}.{kind.__name__}"


def _check_without_hooks(place: str, module: nn.Module) -> None:
    """What is taken apart is not called any more, and neither are its hooks."""
    if any(getattr(module, hooks) for hooks in _HOOKS):
        raise ResablateError(f"{place}: it has hooks, which would not be called in an adapted network; remove them")
    if "forward" in vars(module):
        raise ResablateError(f"{place}: it has a forward of its own, whose output is unknown")


def _children(network: nn.Module, place: str, kind: str = _SEQUENTIAL) -> Iterator[tuple[str, nn.Module]]:
    """Name and module of what the container at `place` consists of, in its order."""
    container = network.get_submodule(place)
    if _qualified(type(container)) != kind:
        raise ResablateError(f"{place}: must be a {kind}, got {_qualified(type(container))}")
    _check_without_hooks(place, container)
    return container.named_children()


def _adapt_v1(network: nn.Module, parts: tuple[str, ...]) -> ResidualNetwork:
    part = network.get_submodule
    first = parts.index(_STAGE_NAMES[0])
    dropout = float(getattr(network, "drop_rate", 0))  # timm calls the function, torchvision has none
    return ResidualNetwork(
        stem=nn.Sequential(*map(part, parts[:first])),
        blocks=[
            _adapt_block(f"{stage}.{place}", block, _LAYOUTS)
            for stage in _STAGE_NAMES
            for place, block in _children(network, stage)
        ],
        head=nn.Sequential(part(parts[-2]), nn.Flatten(), *([nn.Dropout(dropout)] if dropout else []), part("fc")),
    )


def _adapt_v2(network: nn.Module) -> ResidualNetwork:
    part = network.get_submodule
    return ResidualNetwork(
        stem=part("stem"),
        blocks=[
            _adapt_block(f"stages.{stage}.blocks.{place}", block, _V2_LAYOUTS)
            for stage, _ in _children(network, "stages")
            for place, block in _blocks_of_stage(network, f"stages.{stage}")
        ],
        head=nn.Sequential(part("norm"), part("head")),
    )


def _blocks_of_stage(network: nn.Module, stage: str) -> Iterator[tuple[str, nn.Module]]:
    names = [name for name, _ in _children(network, stage, "timm.models.resnetv2.ResNetStage")]
    if names != ["blocks"]:
        raise ResablateError(f"{stage}: must have nothing but blocks, got {', '.join(names)}")
    return _children(network, f"{stage}.blocks")


def _adapt_block(place: str, block: nn.Module, layouts: Mapping[str, _Layout]) -> AdaptedBlock:
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


def _out_of_place(activation: nn.Module | None) -> nn.Module:
    """`activation` as it acts on the sum, whose gradient does not survive theirs; the bits are the same."""
    if activation is None:
        return nn.Identity()
    copied = copy.copy(activation)
    if hasattr(copied, "inplace"):
        vars(copied)["inplace"] = False
    return copied
