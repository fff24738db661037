"""A residual network as a stem, a chain of blocks and a head."""

from collections.abc import Iterable, Sequence
from typing import cast, final

from torch import Tensor, nn

from resablate.model.block import Block
from resablate.model.route import Route


@final
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


def pooling_head(channels: int, num_classes: int, *before: nn.Module) -> nn.Sequential:
    """`before`, the mean over all pixels, and one linear layer: (B, channels, H, W) -> (B, num_classes)."""
    return nn.Sequential(*before, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))
