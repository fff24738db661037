"""The VGG-type control of Veit et al.: a plain network whose every layer can be removed."""

import torch
from torch import nn

from resablate.component import Component
from resablate.model.block import Block, ShortcutBlock
from resablate.model.initialization import initialize
from resablate.model.layers import Convolution, layers
from resablate.model.network import ResidualNetwork, pooling_head
from resablate.shortcuts import SHORTCUTS

_STAGES = 3


def check_vgg_depth(*, depth: int) -> None:
    """Raise ValueError for a network that has not a convolution for each stage, and a classifier."""
    if depth <= _STAGES:
        raise ValueError(f"{depth} is too shallow for a vgg, which has {_STAGES} stages and a classifier")


def build_vgg(
    *,
    in_channels: int,
    num_classes: int,
    generator: torch.Generator | None,
    initialization: Component,
    depth: int = 15,
    width: int = 128,
    batch_norm: bool = True,
) -> ResidualNetwork:
    """A plain network of 3x3 convolutions that all have `width` channels, each a block of its own.

    The convolutions are divided into three stages, the longer ones first; a 2x2 maximum precedes the second and third.
    Removing a block connects its neighbors, which fits everywhere, since all widths are equal; in front of the first
    layer the image's channels are padded with zeros.

    Args:
        in_channels: channels of the images.
        num_classes: number of logits.
        generator: source of the initial weights; torch's global one where None.
        initialization: a row of INITIALIZATIONS.
        depth: weighted layers, the classifier included: 15 in the paper, which does not say whether it counts it.
        width: channels of every convolution: 128 in the paper.
        batch_norm: between convolution and ReLU; the paper does not say.

    Raises:
        ValueError: for a network too shallow for its stages or narrower than its images.

    Source: Veit et al. 2016, section 4.1.
    """
    check_vgg_depth(depth=depth)
    count = depth - 1
    if in_channels > width:
        raise ValueError(f"a vgg must be no narrower than its images, but got {width=}, {in_channels=}")
    words = "conv bn relu" if batch_norm else "conv relu"
    starts = {-(-count * stage // _STAGES) for stage in range(1, _STAGES)}
    with torch.random.fork_rng(devices=[]):
        blocks: list[Block] = []
        for place in range(count):
            channels = in_channels if place == 0 else width
            blocks.append(
                ShortcutBlock(
                    entry=nn.MaxPool2d(2, ceil_mode=True) if place in starts else nn.Sequential(),
                    branch=layers(words, in_channels=channels, convolutions=[Convolution(3, width)]),
                    shortcut=SHORTCUTS["none"](in_channels=channels, out_channels=width, stride=1),
                    after_add=nn.Sequential(),
                    changes_dimension=place in starts or channels != width,
                )
            )
        network = ResidualNetwork(stem=nn.Sequential(), blocks=blocks, head=pooling_head(width, num_classes))
    initialize(network, initialization, generator)
    return network
