"""The CIFAR-type residual networks of the three papers."""

from typing import Annotated

import torch
from annotated_types import Ge, Interval
from torch import nn

from resablate.component import Component
from resablate.model.convolutions import CONVOLUTIONS, put_convolutions
from resablate.model.initialization import initialize
from resablate.model.layers import Convolution, layers
from resablate.model.network import ResidualNetwork, pooling_head
from resablate.model.stages import (
    BLOCKS,
    BOTTLENECK_STRIDES,
    PROJECTIONS,
    STAGE_PREACTIVATIONS,
    STEMS,
    TRANSITIONS,
    StagePlan,
    build_stages,
)
from resablate.orderings import ORDERINGS

StageCount = Annotated[int, Interval(ge=1, le=8)]


def stage_length(*, depth: int, block: str = "basic", transition: str = "pad", stages: int = 3) -> int:
    """Blocks in each of the stages of a network of `depth` layers.

    Raises:
        ValueError: if no network of these blocks has that depth; the message names the nearest two that do.
        UnknownName: for a block or a transition that is in no table.
    """
    TRANSITIONS[transition]
    per_block = stages * len(BLOCKS[block].kernels)
    # The first convolution and the classifier; bare transitions are layers of their own.
    rest = 2 + (stages - 1 if transition == "bare" else 0)
    count = (depth - rest) // per_block
    below = count * per_block + rest
    if below != depth or count < 1:
        choices = [d for d in (below, below + per_block) if d > rest]
        raise ValueError(
            f"{depth} is not {per_block}n+{rest} for {block} blocks with transition {transition};"
            f" nearest: {', '.join(map(str, choices))}"
        )
    return count


def build_resnet(
    *,
    in_channels: int,
    num_classes: int,
    generator: torch.Generator | None,
    shortcut: Component,
    ordering: Component,
    initialization: Component,
    depth: int = 20,
    width: int = 16,
    block: Annotated[str, BLOCKS] = "basic",
    transition: Annotated[str, TRANSITIONS] = "pad",
    stage_preactivation: Annotated[str, STAGE_PREACTIVATIONS] = "projected",
    stages: StageCount = 3,
    stem: Annotated[str, STEMS] = "activated",
    stem_width: Annotated[int, Ge(1)] | None = None,
    projection: Annotated[str, PROJECTIONS] = "by_ordering",
    bottleneck_stride: Annotated[str, BOTTLENECK_STRIDES] = "first",
    cardinality: Annotated[int, Ge(1)] = 1,
    branch_dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.0,
    convolution_bias: bool = False,
    convolution: Annotated[str, CONVOLUTIONS] = "plain",
) -> ResidualNetwork:
    """A residual network of some stages with a 3x3 convolution before them.

    The first stage has `width` channels inside its blocks; each later one doubles them and halves the resolution in
    its first block. Takes images of any size.

    Args:
        in_channels: channels of the images.
        num_classes: number of logits.
        generator: source of the initial weights; torch's global one where None.
        shortcut: a row of SHORTCUTS with its arguments.
        ordering: a row of ORDERINGS.
        initialization: a row of INITIALIZATIONS.
        depth: weighted layers: with three stages 6n+2 for basic blocks, 9n+2 for bottlenecks, 3n+2 for single
            convolutions; two more with bare transitions.
        width: channels of the first stage.
        block: a row of BLOCKS.
        transition: how x gets the shape of a stage: a row of TRANSITIONS. With `bare` the network is a Procrustes
            ResNet: the first convolution has the first stage's width already and is followed by neither batch norm
            nor ReLU.
        stage_preactivation: a row of STAGE_PREACTIVATIONS.
        stages: how many.
        stem: what follows the first convolution: a row of STEMS; as above with `bare`.
        stem_width: channels that leave the first convolution, `width` where None; wide residual networks have 16 before
            a wider stage. Without effect with `bare`.
        projection: the layers of option B: a row of PROJECTIONS.
        bottleneck_stride: which convolution of a bottleneck has the stride: a row of BOTTLENECK_STRIDES.
        cardinality: groups of the 3x3 convolutions of bottlenecks (ResNeXt); `width` counts the channels of all.
        branch_dropout: part of the values set to zero before the last convolution of a branch, while training.
        convolution_bias: whether convolutions have biases, which are 0 at the start.
        convolution: what convolutions do with their kernels: a row of CONVOLUTIONS.

    Raises:
        UnknownName: for a name that is in no table.
        ValueError: for a depth that does not fit, and a width that groups do not divide.

    Source: He et al., arXiv 1512.03385, section 4.2; He et al. 2016, sections 3, 4 and appendix; Zaeemzadeh et al.
        2020 and its released code for `bare`; Zagoruyko & Komodakis, arXiv 1605.07146, for `branch_dropout`; Xie et
        al., arXiv 1611.05431, for `cardinality`.
    """
    count = stage_length(depth=depth, block=block, transition=transition, stages=stages)
    bare = transition == "bare"
    if block == "bottleneck" and width % cardinality:
        raise ValueError(f"cardinality must divide the width, {width}; got {cardinality}")
    order = ORDERINGS[ordering.name]
    plan = StagePlan(
        shortcut=shortcut,
        ordering=order,
        block=BLOCKS[block],
        transition=transition,
        stage_preactivation=stage_preactivation,
        stem="activated" if bare else stem,
        projection=projection,
        bottleneck_stride=bottleneck_stride,
        cardinality=cardinality,
        branch_dropout=branch_dropout,
        convolution_bias=convolution_bias,
    )
    stem_width = width * BLOCKS[block].expansion if bare else stem_width or width
    with torch.random.fork_rng(devices=[]):
        blocks = build_stages(
            plan,
            in_channels=stem_width,
            widths=[width * 2**stage for stage in range(stages)],
            counts=[count] * stages,
        )
        channels = width * 2 ** (stages - 1) * BLOCKS[block].expansion
        network = ResidualNetwork(
            stem=_stem(plan, in_channels, stem_width),
            blocks=blocks,
            head=pooling_head(channels, num_classes, layers(order.preactivation, in_channels=channels)),
        )
    initialize(network, initialization, generator)
    put_convolutions(network, convolution)
    return network


def _stem(plan: StagePlan, in_channels: int, out_channels: int) -> nn.Sequential:
    """The first convolution, and what follows it."""
    alone = plan.stem == "raw" or (plan.transition == "bare" and plan.ordering.preactivation)
    first = Convolution(3, out_channels, bias=plan.convolution_bias)
    return layers("conv" if alone else "conv bn relu", in_channels=in_channels, convolutions=[first])
