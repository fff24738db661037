"""The CIFAR-type residual networks of the three papers."""

from typing import Annotated

import torch

from resablate.component import Component
from resablate.model.layers import Convolution, layers
from resablate.model.network import ResidualNetwork, initialize, pooling_head
from resablate.model.stages import BLOCKS, STAGE_PREACTIVATIONS, TRANSITIONS, StagePlan, build_stages
from resablate.orderings import ORDERINGS

_STAGES = 3


def stage_length(*, depth: int, block: str = "basic", transition: str = "pad") -> int:
    """Blocks in each of the three stages of a network of `depth` layers.

    Raises:
        ValueError: if no network of these blocks has that depth; the message names the nearest two that do.
        UnknownName: for a block or a transition that is in no table.
    """
    TRANSITIONS[transition]
    per_block = _STAGES * len(BLOCKS[block].kernels)
    # The first convolution and the classifier; bare transitions are layers of their own.
    rest = 4 if transition == "bare" else 2
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
    depth: int = 20,
    width: int = 16,
    block: Annotated[str, BLOCKS] = "basic",
    transition: Annotated[str, TRANSITIONS] = "pad",
    stage_preactivation: Annotated[str, STAGE_PREACTIVATIONS] = "projected",
) -> ResidualNetwork:
    """A residual network of three stages with a 3x3 convolution before them.

    The first stage has `width` channels inside its blocks; each later one doubles them and halves the resolution in
    its first block. Takes images of any size. Convolutions start as N(0, 2 / (k^2 * out_channels)).

    Args:
        in_channels: channels of the images.
        num_classes: number of logits.
        generator: source of the initial weights; torch's global one where None.
        shortcut: a row of SHORTCUTS with its arguments.
        ordering: a row of ORDERINGS.
        depth: weighted layers: 6n+2 for basic blocks, 9n+2 for bottlenecks, 3n+2 for single convolutions; two more
            with bare transitions.
        width: channels of the first stage.
        block: a row of BLOCKS.
        transition: how x gets the shape of a stage: a row of TRANSITIONS. With `bare` the network is a Procrustes
            ResNet: the first convolution has the first stage's width already and is followed by neither batch norm
            nor ReLU.
        stage_preactivation: a row of STAGE_PREACTIVATIONS.

    Raises:
        UnknownName: for a name that is in no table.
        ValueError: for a depth that does not fit.

    Source: He et al., arXiv 1512.03385, section 4.2; He et al. 2016, sections 3, 4 and appendix; Zaeemzadeh et al.
        2020 and its released code for `bare`.
    """
    count = stage_length(depth=depth, block=block, transition=transition)
    order = ORDERINGS[ordering.name]
    plan = StagePlan(
        shortcut=shortcut,
        ordering=order,
        block=BLOCKS[block],
        transition=transition,
        stage_preactivation=stage_preactivation,
    )
    bare = transition == "bare"
    stem_width = width * (BLOCKS[block].expansion if bare else 1)
    with torch.random.fork_rng(devices=[]):
        blocks = build_stages(
            plan,
            in_channels=stem_width,
            widths=[width * 2**stage for stage in range(_STAGES)],
            counts=[count] * _STAGES,
        )
        channels = width * 2 ** (_STAGES - 1) * BLOCKS[block].expansion
        words = "conv" if bare and order.preactivation else "conv bn relu"
        network = ResidualNetwork(
            stem=layers(words, in_channels=in_channels, convolutions=[Convolution(3, stem_width)]),
            blocks=blocks,
            head=pooling_head(channels, num_classes, layers(order.preactivation, in_channels=channels)),
        )
    initialize(network, generator)
    return network
