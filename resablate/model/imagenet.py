"""Residual networks in the shapes that are used on ImageNet."""

from collections.abc import Mapping
from typing import Annotated

import torch
from torch import nn

from resablate.component import Component
from resablate.model.initialization import initialize
from resablate.model.layers import Convolution, layers
from resablate.model.network import ResidualNetwork, pooling_head
from resablate.model.stages import BLOCKS, BOTTLENECK_STRIDES, TRANSITIONS, StagePlan, build_stages
from resablate.orderings import ORDERINGS

STAGES: Mapping[int, tuple[str, tuple[int, int, int, int]]] = {
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
    200: ("bottleneck", (3, 24, 36, 3)),
}
"""Depth -> block and blocks per stage: arXiv 1512.03385, Table 1; 200 as in the trainer by Facebook."""


def check_imagenet_depth(*, depth: int) -> None:
    """Raise ValueError for a depth that no ImageNet ResNet has; the message names those there are."""
    if depth not in STAGES:
        raise ValueError(f"{depth} is no depth of an imagenet_resnet; there are {', '.join(map(str, STAGES))}")


def build_imagenet_resnet(
    *,
    in_channels: int,
    num_classes: int,
    generator: torch.Generator | None,
    shortcut: Component,
    ordering: Component,
    initialization: Component,
    depth: int = 50,
    width: int = 64,
    transition: Annotated[str, TRANSITIONS] = "projection",
    bottleneck_stride: Annotated[str, BOTTLENECK_STRIDES] = "middle",
) -> ResidualNetwork:
    """A residual network of four stages behind a strided 7x7 convolution and a 3x3 maximum.

    Args:
        in_channels: channels of the images.
        num_classes: number of logits.
        generator: source of the initial weights; torch's global one where None.
        shortcut: a row of SHORTCUTS with its arguments.
        ordering: a row of ORDERINGS.
        initialization: a row of INITIALIZATIONS.
        depth: 18, 34, 50, 101, 152 or 200.
        width: channels inside the first stage's blocks.
        transition: how x gets the shape of a stage: a row of TRANSITIONS; the paper has `projection`, its option B.
        bottleneck_stride: which convolution of a bottleneck has the stride: a row of BOTTLENECK_STRIDES. Torchvision's
            have it in the middle, the paper's in the first one.

    Raises:
        UnknownName: for a name that is in no table.
        ValueError: for another depth.

    Source: He et al., arXiv 1512.03385, Table 1; He et al. 2016, section 4 for pre-activation.
    """
    check_imagenet_depth(depth=depth)
    block, counts = STAGES[depth]
    order = ORDERINGS[ordering.name]
    kind = BLOCKS[block]
    plan = StagePlan(
        shortcut=shortcut,
        ordering=order,
        block=kind,
        transition=transition,
        bottleneck_stride=bottleneck_stride,
    )
    channels = width * 2 ** (len(counts) - 1) * kind.expansion
    with torch.random.fork_rng(devices=[]):
        stem = layers("conv bn relu", in_channels=in_channels, convolutions=[Convolution(7, width, 2)])
        network = ResidualNetwork(
            stem=nn.Sequential(*stem, nn.MaxPool2d(3, stride=2, padding=1)),
            blocks=build_stages(
                plan, in_channels=width, widths=[width * 2**stage for stage in range(len(counts))], counts=counts
            ),
            head=pooling_head(channels, num_classes, layers(order.preactivation, in_channels=channels)),
        )
    initialize(network, initialization, generator)
    return network
