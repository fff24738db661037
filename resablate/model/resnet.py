"""The CIFAR-type residual network of He et al., for every shortcut and ordering."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from resablate.model.block import Block
from resablate.model.layers import layers
from resablate.model.route import Route
from resablate.orderings import ORDERINGS, Ordering
from resablate.shortcuts import SHORTCUTS


class ResidualNetwork(nn.Module):
    """A stem, a chain of blocks and a head.

    Args:
        stem: images (B, C, H, W) -> input of the first block.
        blocks: the chain.
        head: output of the last block -> logits (B, classes).
    """

    def __init__(self, *, stem: nn.Module, blocks: Iterable[Block], head: nn.Module) -> None:
        super().__init__()
        self.stem = stem
        self.blocks = nn.ModuleList(blocks)
        self.head = head

    @property
    def chain(self) -> list[Block]:
        """The blocks, counted from 0 at the input."""
        return [cast(Block, block) for block in self.blocks]

    def forward(self, images: Tensor, routes: Sequence[Route] | None = None) -> Tensor:
        """Logits (B, classes) of `images` (B, C, H, W).

        Args:
            images: normalized images.
            routes: one for each block; all `Route.BOTH` where None.

        Raises:
            ValueError: if there is not one route for each block.
        """
        if routes is None:
            routes = [Route.BOTH] * len(self.blocks)
        if len(routes) != len(self.blocks):
            raise ValueError(f"one route for each of the {len(self.blocks)} blocks, got {len(routes)}")
        x = self.stem(images)
        for block, route in zip(self.chain, routes, strict=True):
            x = block(x, route)
        return self.head(x)


def build_network(
    *,
    shortcut: str = "identity",
    shortcut_args: Mapping[str, Any] | None = None,
    ordering: str = "original",
    depth: int = 20,
    width: int = 16,
    in_channels: int = 3,
    num_classes: int = 10,
    generator: torch.Generator | None = None,
) -> ResidualNetwork:
    """A residual network of `depth` = 6n+2 layers: three stages of n blocks of two 3x3 convolutions.

    The first stage has `width` channels; each later one doubles them and halves the resolution in its first block.
    Takes images of any size. Convolutions start as N(0, 2 / (9 * out_channels)), batch norm as 1 and 0.

    Args:
        shortcut: a row of SHORTCUTS.
        shortcut_args: keywords of that shortcut.
        ordering: a row of ORDERINGS.
        depth: weighted layers.
        width: channels of the first stage.
        in_channels: channels of the images.
        num_classes: number of logits.
        generator: source of the initial weights; torch's global one where None.

    Raises:
        UnknownName: for a shortcut or an ordering that is in no table.
        ValueError: if depth is not 6n+2.

    Source: He et al., arXiv 1512.03385, section 4.2; He et al. 2016, sections 3, 4 and appendix.
    """
    per_stage, rest = divmod(depth - 2, 6)
    if rest or per_stage < 1:
        raise ValueError(f"depth must be 6n+2, got {depth}")
    order = ORDERINGS[ordering]
    module = SHORTCUTS[shortcut]
    with torch.random.fork_rng(devices=[]):
        blocks: list[Block] = []
        channels = width
        for stage in range(3):
            for position in range(per_stage):
                stride = 2 if stage > 0 and position == 0 else 1
                shape = {"in_channels": channels, "out_channels": width * 2**stage, "stride": stride}
                first = not blocks
                blocks.append(
                    Block(
                        branch=layers(_branch_words(order, first=first), **shape),
                        shortcut=module(**shape, **(shortcut_args or {})),
                        after_add=layers(
                            order.after_add,
                            in_channels=shape["out_channels"],
                            out_channels=shape["out_channels"],
                        ),
                    )
                )
                channels = shape["out_channels"]
        stem = layers("conv bn relu", in_channels=in_channels, out_channels=width)
        head = nn.Sequential(
            layers(order.preactivation, in_channels=channels, out_channels=channels),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(channels, num_classes),
        )
    network = ResidualNetwork(stem=stem, blocks=blocks, head=head)
    _initialize(network, generator)
    return network


def _branch_words(order: Ordering, *, first: bool) -> str:
    """The branch's words; the first block leaves the pre-activation to the stem, before the paths split.

    Source: He et al. 2016, appendix.
    """
    return order.branch[len(order.preactivation) :].strip() if first else order.branch


def _initialize(network: nn.Module, generator: torch.Generator | None) -> None:
    """He initialization by fan-out; a gate keeps the bias that its shortcut gave it.

    Source: He et al., arXiv 1502.01852; fan-out as in the authors' code of He et al. 2016.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        elif isinstance(module, nn.Linear) and not module.weight.is_meta:
            bound = module.in_features**-0.5
            nn.init.uniform_(module.weight, -bound, bound, generator=generator)
            nn.init.zeros_(module.bias)
