"""Stages of blocks: the part that every residual network here shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from resablate.component import Component
from resablate.model.block import Block, ShortcutBlock
from resablate.model.layers import Convolution, layers
from resablate.orderings import Ordering
from resablate.registry import Registry
from resablate.shortcuts import SHORTCUTS, Pad, Place, Scaled, build_shortcut


@dataclass(frozen=True)
class BlockKind:
    """The convolutions of a block's branch."""

    kernels: tuple[int, ...]
    expansion: int
    """Channels that leave the block, in units of the stage's width."""
    source: str

    def convolutions(
        self, width: int, *, stride: int, stride_at: int, cardinality: int, bias: bool
    ) -> list[Convolution]:
        """The branch's convolutions in a stage of `width`.

        Args:
            width: of the stage.
            stride: of the convolution at place `stride_at`.
            stride_at: counted from 0.
            cardinality: groups of the convolutions between the first and the last.
            bias: whether they have one.
        """
        last = len(self.kernels) - 1
        return [
            Convolution(
                kernel,
                width * (self.expansion if place == last else 1),
                stride=stride if place == stride_at else 1,
                groups=cardinality if 0 < place < last else 1,
                bias=bias,
            )
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
        "pad_average": "the same, with means of 2x2 pixels: Huang et al., arXiv 1603.09382, released code",
        "pad_both": "option A with half of the new channels before the old ones, as in public CIFAR code",
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

STEMS: Registry[str] = Registry(
    "stem",
    "stems",
    {
        "activated": "normalized and rectified, in place of the first block's pre-activation: He et al. 2016, appendix",
        "doubled": "the same, and the first block pre-activates once more: Zaeemzadeh et al. 2020 in PyTorch",
        "raw": "a convolution alone, and the first block as any other: public CIFAR code of pre-activated networks",
    },
)

PROJECTIONS: Registry[str] = Registry(
    "projection",
    "projections",
    {
        "by_ordering": "with batch norm, except where the branch is pre-activated: the code of He et al. 2016",
        "plain": "a convolution alone",
        "normalized": "a convolution, and batch norm behind it",
        "preactivated": "batch norm and ReLU of its own before the convolution: Zaeemzadeh et al. 2020 in PyTorch",
    },
)

BOTTLENECK_STRIDES: Registry[str] = Registry(
    "bottleneck_stride",
    "bottleneck_strides",
    {
        "first": "the first 1x1 convolution: He et al. 2016, released code",
        "middle": "the 3x3 convolution: the trainer by Facebook, and torchvision",
    },
)
_PROJECTION_WORDS = {"plain": "conv", "normalized": "conv bn", "preactivated": "bn relu conv"}


@dataclass(frozen=True)
class StagePlan:
    """What is the same for every block of a network.

    Raises:
        UnknownName: if a name is in no table.
    """

    shortcut: Component
    ordering: Ordering
    block: BlockKind
    transition: str
    stage_preactivation: str = "projected"
    stem: str = "activated"
    projection: str = "by_ordering"
    bottleneck_stride: str = "first"
    """Which convolution of a bottleneck takes the stride; other blocks have it in their first one."""
    cardinality: int = 1
    """Groups of the convolutions between others."""
    branch_dropout: float = 0.0
    """Part of the values set to zero before a branch's last convolution."""
    convolution_bias: bool = False

    def __post_init__(self) -> None:
        for table, name in (
            (SHORTCUTS, self.shortcut.name),
            (TRANSITIONS, self.transition),
            (STAGE_PREACTIVATIONS, self.stage_preactivation),
            (STEMS, self.stem),
            (PROJECTIONS, self.projection),
            (BOTTLENECK_STRIDES, self.bottleneck_stride),
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
        for in_stage in range(count):
            since = in_stage or (counts[stage - 1] if stage else 0)
            place = Place(block=len(blocks), blocks=sum(counts), in_stage=in_stage, blocks_since_change=since)
            stride = 2 if stage > 0 and in_stage == 0 else 1
            blocks.append(_block(plan, in_channels=channels, width=width, stride=stride, place=place))
            channels = width * plan.block.expansion
    return blocks


def _block(plan: StagePlan, *, in_channels: int, width: int, stride: int, place: Place) -> Block:
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
    activated = place.block == 0 and plan.stem == "activated"
    shared = bool(before) and place.in_stage == 0 and not activated and _shares(plan, place, projected=projected)
    if shared:
        entry += layers(before, in_channels=in_channels)
    if shared or (activated and plan.transition != "bare"):
        # The stem, or the shared entry, has pre-activated x already (He et al. 2016, appendix).
        words = words[len(before) :].strip()
    shortcut = build_shortcut(
        plan.shortcut, in_channels=in_channels, out_channels=out_channels, stride=stride, place=place
    )
    if projected:
        shortcut.match = _projection(plan, in_channels, out_channels, stride)
    elif plan.transition in _PADDINGS:
        shortcut.match = _PADDINGS[plan.transition](in_channels, out_channels, stride)
    branch = layers(
        _with_dropout(words) if plan.branch_dropout else words,
        in_channels=in_channels,
        convolutions=_convolutions(plan, width, stride),
        dropout=plan.branch_dropout,
    )
    return ShortcutBlock(
        entry=nn.Sequential(*entry),
        branch=branch if shortcut.input_factor == 1 else nn.Sequential(Scaled(shortcut.input_factor), *branch),
        shortcut=shortcut,
        after_add=layers(plan.ordering.after_add, in_channels=out_channels),
        changes_dimension=changes,
    )


_PADDINGS: Mapping[str, Callable[[int, int, int], nn.Module]] = {
    "pad_average": lambda inside, outside, stride: Pad(
        in_channels=inside, out_channels=outside, stride=stride, subsampling="average"
    ),
    "pad_both": lambda inside, outside, stride: Pad(
        in_channels=inside, out_channels=outside, stride=stride, before=(outside - inside) // 2
    ),
}
"""Transition -> how x gets another shape, where that is not the shortcut's own way."""


def _convolutions(plan: StagePlan, width: int, stride: int) -> list[Convolution]:
    middle = plan.bottleneck_stride == "middle" and plan.block is BLOCKS["bottleneck"]
    return plan.block.convolutions(
        width, stride=stride, stride_at=int(middle), cardinality=plan.cardinality, bias=plan.convolution_bias
    )


def _with_dropout(words: str) -> str:
    """`words` with dropout before the last convolution."""
    before, _, after = words.rpartition("conv")
    return f"{before}drop conv{after}"


def _shares(plan: StagePlan, place: Place, *, projected: bool) -> bool:
    if place.block == 0 and plan.stem == "doubled":
        return False
    return plan.stage_preactivation == "shared" or (plan.stage_preactivation == "projected" and projected)


def _projection(plan: StagePlan, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Option B."""
    by_ordering = "plain" if plan.ordering.preactivation else "normalized"
    words = _PROJECTION_WORDS[by_ordering if plan.projection == "by_ordering" else plan.projection]
    convolution = Convolution(1, out_channels, stride, bias=plan.convolution_bias)
    return layers(words, in_channels=in_channels, convolutions=[convolution])
