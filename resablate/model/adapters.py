"""Networks that nobody here wrote, seen as a stem, a chain of blocks and a head."""

from __future__ import annotations

import copy
from typing import final

from torch import Tensor, nn

from resablate.errors import ResablateError
from resablate.model.block import Block
from resablate.model.network import ResidualNetwork
from resablate.shortcuts import Addends

_STAGE_NAMES = ("layer1", "layer2", "layer3", "layer4")
_HANDLED = {
    "conv1", "bn1", "relu", "conv2", "bn2", "conv3", "bn3", "downsample",
    "act1", "act2", "act3", "drop_block", "aa", "se", "drop_path",
}  # fmt: skip
"""Submodules of torchvision's and timm's residual blocks whose place is known."""
_BRANCHES = {
    "torchvision.BasicBlock": ("conv1", "bn1", "relu", "conv2", "bn2"),
    "torchvision.Bottleneck": ("conv1", "bn1", "relu", "conv2", "bn2", "relu", "conv3", "bn3"),
    "timm.BasicBlock": ("conv1", "bn1", "drop_block", "act1", "aa", "conv2", "bn2", "se", "drop_path"),
    "timm.Bottleneck": (
        "conv1", "bn1", "act1", "conv2", "bn2", "drop_block", "act2", "aa", "conv3", "bn3", "se", "drop_path",
    ),
}  # fmt: skip
"""Package and class of a block -> its branch in the order of its own forward pass."""


@final
class AdaptedBlock(Block):
    """A post-activation block of torchvision or timm: relu(downsample(x) + branch(x)), sharing its weights.

    Args:
        original: the block.
        branch: its layers up to the addition.
    """

    def __init__(self, original: nn.Module, *, branch: nn.Sequential) -> None:
        # Their ReLU works in place, which the sum's gradient does not survive; out of place it gives the same bits.
        super().__init__(after_add=nn.ReLU())
        self.branch = branch
        downsample = getattr(original, "downsample", None)
        self.match: nn.Module = nn.Identity() if downsample is None else downsample

    @property
    def changes_dimension(self) -> bool:
        """Whether the block changes the number of channels or the resolution."""
        return not isinstance(self.match, nn.Identity)

    def sides(self, x: Tensor) -> Addends:
        """Their downsample and their branch."""
        return Addends(carried=self.match(x), added=self.branch(x))

    def bypass(self, x: Tensor) -> Tensor:
        """The carried side alone."""
        return self.match(x)


def adapt(network: nn.Module) -> ResidualNetwork:
    """A torchvision ResNet, Wide ResNet or ResNeXt, or a timm ResNet, as a residual network of blocks.

    Parameters and buffers are shared with `network`, and the logits are equal bit for bit, so that every analysis
    works on pretrained weights.

    Args:
        network: the model; a `ResidualNetwork` is returned as it is.

    Raises:
        ResablateError: if the architecture does not fit; the message names the module and what was expected.
    """
    if isinstance(network, ResidualNetwork):
        return network
    missing = [name for name in ("conv1", "bn1", "maxpool", *_STAGE_NAMES, "fc") if not hasattr(network, name)]
    if missing:
        raise ResablateError(
            f"{type(network).__name__}: not a ResNet of torchvision or timm: it has no {', '.join(missing)}"
        )
    activation = getattr(network, "relu", None) or getattr(network, "act1", None)
    pool = getattr(network, "avgpool", None) or getattr(network, "global_pool", None)
    if not isinstance(activation, nn.Module) or not isinstance(pool, nn.Module):
        raise ResablateError(f"{type(network).__name__}: no activation after conv1, or no pooling before fc")
    blocks = [
        _adapt_block(f"{stage}.{place}", block)
        for stage in _STAGE_NAMES
        for place, block in enumerate(network.get_submodule(stage).children())
    ]
    part = network.get_submodule
    adapted = ResidualNetwork(
        stem=nn.Sequential(part("conv1"), part("bn1"), activation, part("maxpool")),
        blocks=blocks,
        head=nn.Sequential(pool, nn.Flatten(), part("fc")),
    )
    return adapted.train(network.training)


def _adapt_block(place: str, block: nn.Module) -> AdaptedBlock:
    kind = f"{type(block).__module__.partition('.')[0]}.{type(block).__name__}"
    if kind not in _BRANCHES:
        raise ResablateError(f"{place}: {kind} is no block that can be adapted (known: {', '.join(_BRANCHES)})")
    strange = [name for name, _ in block.named_children() if name not in _HANDLED]
    if strange:
        raise ResablateError(f"{place}: {kind} has modules of its own, whose place is unknown: {', '.join(strange)}")
    layers: list[nn.Module] = []
    for name in _BRANCHES[kind]:
        layer = getattr(block, name, None)
        if isinstance(layer, nn.Module):
            layers.append(copy.copy(layer) if layer in layers else layer)
    return AdaptedBlock(block, branch=nn.Sequential(*layers))
