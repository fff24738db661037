"""Networks that nobody here wrote, seen as a stem, a chain of blocks and a head."""

from __future__ import annotations

import copy
from collections.abc import Mapping
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
    if f"{type(network).__module__}.{type(network).__name__}" == _V2:
        adapted = _adapt_v2(network)
    else:
        adapted = _adapt_v1(network)
    return adapted.train(network.training)


_V2 = "timm.models.resnetv2.ResNetV2"


def _adapt_v1(network: nn.Module) -> ResidualNetwork:
    missing = [name for name in ("conv1", "bn1", "maxpool", *_STAGE_NAMES, "fc") if not hasattr(network, name)]
    if missing:
        raise ResablateError(
            f"{type(network).__name__}: not a ResNet of torchvision or timm: it has no {', '.join(missing)}"
        )
    activation = getattr(network, "relu", None) or getattr(network, "act1", None)
    pool = getattr(network, "avgpool", None) or getattr(network, "global_pool", None)
    if not isinstance(activation, nn.Module) or not isinstance(pool, nn.Module):
        raise ResablateError(f"{type(network).__name__}: no activation after conv1, or no pooling before fc")
    part = network.get_submodule
    dropout = float(getattr(network, "drop_rate", 0))  # timm calls the function, torchvision has none
    return ResidualNetwork(
        stem=nn.Sequential(part("conv1"), part("bn1"), activation, part("maxpool")),
        blocks=[
            _adapt_block(f"{stage}.{place}", block, _LAYOUTS)
            for stage in _STAGE_NAMES
            for place, block in part(stage).named_children()
        ],
        head=nn.Sequential(pool, nn.Flatten(), *([nn.Dropout(dropout)] if dropout else []), part("fc")),
    )


def _adapt_v2(network: nn.Module) -> ResidualNetwork:
    part = network.get_submodule
    return ResidualNetwork(
        stem=part("stem"),
        blocks=[
            _adapt_block(f"stages.{stage}.blocks.{place}", block, _V2_LAYOUTS)
            for stage, _ in part("stages").named_children()
            for place, block in part(f"stages.{stage}.blocks").named_children()
        ],
        head=nn.Sequential(part("norm"), part("head")),
    )


def _adapt_block(place: str, block: nn.Module, layouts: Mapping[str, _Layout]) -> AdaptedBlock:
    kind = f"{type(block).__module__.partition('.')[0]}.{type(block).__name__}"
    if kind not in layouts:
        raise ResablateError(f"{place}: {kind} is no block that can be adapted (known: {', '.join(layouts)})")
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
