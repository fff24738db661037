"""Stages of blocks: the part that every residual network here shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from resablate.component import Component
from resablate.model.block import Block, ShortcutBlock
from resablate.model.layers import Convolution, layers
from resablate.orderings import Ordering
from resablate.registry import Registry
from resablate.shortcuts import SHORTCUTS


@dataclass(frozen=True)
class BlockKind:
    """The convolutions of a block's branch."""

    kernels: tuple[int, ...]
    expansion: int
    """Channels that leave the block, in units of the stage's width."""
    source: str

    def convolutions(self, width: int, *, stride: int, stride_at: int) -> list[Convolution]:
        """The branch's convolutions in a stage of `width`; the one at place `stride_at` takes the stride."""
        last = len(self.kernels) - 1
        return [
            Convolution(kernel, width * (self.expansion if place == last else 1), stride if place == stride_at else 1)
            for place, kernel in enumerate(self.kernels)
        ]


BLOCKS: Registry[BlockKind] = Registry(
    "block",
    "blocks",
    {
        "basic": BlockKind((3, 3), 1, "He et al., arXiv 1512.03385, section 4.2: depth 6n+2"),
        "bottleneck": BlockKind((1, 3, 1), 4, "He et al. 2016, section 4 and released code: depth 9n+2"),
        "single": BlockKind((3,), 1, "He et al. 2016, Table 3, 1-layer units: depth 3n+2"),
    },
)

TRANSITIONS: Registry[str] = Registry(
    "transition",
    "transitions",
    {
        "pad": "x takes the shape of a stage without parameters: option A of arXiv 1512.03385",
        "projection": "a strided 1x1 convolution on the shortcut: option B",
        "bare": "a strided 1x1 convolution between the stages, with no shortcut, batch norm or ReLU: the Procrustes"
        " ResNet of Zaeemzadeh et al. 2020",
    },
)

STAGE_PREACTIVATIONS: Registry[str] = Registry(
    "stage_preactivation",
    "stage_preactivations",
    {
        "projected": "where a stage begins with a projection, x is pre-activated before it splits: He et al. 2016",
        "shared": "at the start of every stage, as in the trainer by Facebook that the paper's code was run with",
        "own": "never: only the branch is pre-activated",
    },
)


@dataclass(frozen=True)
class StagePlan:
    """What is the same for every block of a network.

    Raises:
        UnknownName: if the shortcut, the transition or the pre-activation of stages is in no table.
    """

    shortcut: Component
    ordering: Ordering
    block: BlockKind
    transition: str
    stage_preactivation: str = "projected"
    stride_at: int = 0
    """Place of the branch's convolution that takes the stride."""

    def __post_init__(self) -> None:
        for table, name in (
            (SHORTCUTS, self.shortcut.name),
            (TRANSITIONS, self.transition),
            (STAGE_PREACTIVATIONS, self.stage_preactivation),
        ):
            table[name]


def build_stages(plan: StagePlan, *, in_channels: int, widths: Sequence[int], counts: Sequence[int]) -> list[Block]:
    """The blocks of all stages; every stage but the first halves the resolution.

    Args:
        plan: what is the same for every block.
        in_channels: channels that leave the stem.
        widths: of each stage.
        counts: blocks of each stage.
    """
    blocks: list[Block] = []
    channels = in_channels
    for stage, (width, count) in enumerate(zip(widths, counts, strict=True)):
        for place in range(count):
            stride = 2 if stage > 0 and place == 0 else 1
            blocks.append(_block(plan, in_channels=channels, width=width, stride=stride, place=(stage, place)))
            channels = width * plan.block.expansion
    return blocks


def _block(plan: StagePlan, *, in_channels: int, width: int, stride: int, place: tuple[int, int]) -> Block:
    out_channels = width * plan.block.expansion
    changes = stride > 1 or in_channels != out_channels
    entry: list[nn.Module] = []
    if plan.transition == "bare" and changes:
        entry.append(nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False))
        in_channels, stride = out_channels, 1
    kind = SHORTCUTS[plan.shortcut.name]
    projected = plan.transition == "projection" and changes and kind.projects
    words = plan.ordering.words(len(plan.block.kernels))
    before = plan.ordering.preactivation
    shared = before and place[1] == 0 and place != (0, 0) and _shares(plan, projected=projected)
    if shared:
        entry += layers(before, in_channels=in_channels)
    if shared or (place == (0, 0) and plan.transition != "bare"):
        # The stem, or the shared entry, has pre-activated x already (He et al. 2016, appendix).
        words = words[len(before) :].strip()
    shortcut = kind(in_channels=in_channels, out_channels=out_channels, stride=stride, **plan.shortcut.values)
    if projected:
        shortcut.match = _projection(plan, in_channels, out_channels, stride)
    convolutions = plan.block.convolutions(width, stride=stride, stride_at=plan.stride_at)
    return ShortcutBlock(
        entry=nn.Sequential(*entry),
        branch=layers(words, in_channels=in_channels, convolutions=convolutions),
        shortcut=shortcut,
        after_add=layers(plan.ordering.after_add, in_channels=out_channels),
        changes_dimension=changes,
    )


def _shares(plan: StagePlan, *, projected: bool) -> bool:
    return plan.stage_preactivation == "shared" or (plan.stage_preactivation == "projected" and projected)


def _projection(plan: StagePlan, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Option B: with batch norm, except before a pre-activated branch, where the authors' code has none."""
    words = "conv" if plan.ordering.preactivation else "conv bn"
    return layers(words, in_channels=in_channels, convolutions=[Convolution(1, out_channels, stride)])
