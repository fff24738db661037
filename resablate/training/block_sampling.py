"""Training on a part of the blocks, another part for every batch.

Every row takes the number of blocks and returns, for each, the chance that it is kept; `draw` makes routes of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Interval
from torch import Tensor

from resablate.component import parse_component
from resablate.model import ComponentLike, ResidualNetwork, Route
from resablate.registry import Registry


@dataclass(frozen=True)
class BlockSampling:
    """A row of the table."""

    survival: Callable[..., list[float]]
    """Number of blocks, and arguments -> chance of each block to be kept in a batch; also its weight at test time."""
    draw: Callable[[Sequence[float], torch.Generator], list[Route]]
    """Those chances -> the routes of one batch."""

    @property
    def functions(self) -> tuple[Callable[..., list[float]], ...]:
        """Those whose keywords are the sampling's arguments."""
        return (self.survival,)


def all_blocks(blocks: int) -> list[float]:
    """Every block, always: the ordinary training."""
    return [1.0] * blocks


def linear_decay(blocks: int, *, final_survival: Annotated[float, Interval(gt=0, le=1)] = 0.5) -> list[float]:
    """Stochastic depth: block l of L is kept with chance 1 - l / L * (1 - final_survival), l counted from 1.

    Args:
        blocks: L.
        final_survival: chance of the last block.

    Source: Huang et al., arXiv 1603.09382, section 3, as lesioned by Veit et al. 2016, Figure 8.
    """
    return [1 - (block + 1) / blocks * (1 - final_survival) for block in range(blocks)]


def fixed_count(blocks: int, *, count: Annotated[int, Ge(1)] = 23) -> list[float]:
    """Exactly `count` of the blocks in every batch, each set as likely: effective paths only.

    With 23 of 54 blocks the lengths of paths center on 11.5, as those of the effective paths do.

    Args:
        blocks: of the network.
        count: of those that are kept.

    Raises:
        ValueError: if there are not so many blocks.

    Source: Veit et al. 2016, section 4.3.
    """
    if count > blocks:
        raise ValueError(f"count must be at most the number of blocks, {blocks}; got {count}")
    return [count / blocks] * blocks


def _keep_all(survival: Sequence[float], generator: torch.Generator) -> list[Route]:
    return [Route.BOTH] * len(survival)


def _independently(survival: Sequence[float], generator: torch.Generator) -> list[Route]:
    draws = torch.rand(len(survival), generator=generator).tolist()
    return [Route.BOTH if draw < chance else Route.SHORTCUT_ONLY for draw, chance in zip(draws, survival, strict=True)]


def _so_many(survival: Sequence[float], generator: torch.Generator) -> list[Route]:
    kept = set(torch.randperm(len(survival), generator=generator)[: round(sum(survival))].tolist())
    return [Route.BOTH if block in kept else Route.SHORTCUT_ONLY for block in range(len(survival))]


BLOCK_SAMPLINGS: Registry[BlockSampling] = Registry(
    "block_sampling",
    "block_samplings",
    {
        "all": BlockSampling(all_blocks, _keep_all),
        "stochastic_depth": BlockSampling(linear_decay, _independently),
        "fixed_count": BlockSampling(fixed_count, _so_many),
    },
)


class SampledBlocks:
    """The forward pass of a network on a part of its blocks; sets the blocks' `survival`.

    Args:
        network: whose blocks are sampled.
        sampling: a row of BLOCK_SAMPLINGS, by its name or with arguments.

    Attributes:
        generator: draws the routes of every pass.
        fixed: whether every pass takes every block.

    Raises:
        UnknownName: if there is no such row.
        ValueError: if the network has too few blocks.
    """

    def __init__(self, network: ResidualNetwork, sampling: ComponentLike) -> None:
        component = parse_component(sampling)
        self.generator = torch.Generator()
        self._network = network
        self._row = BLOCK_SAMPLINGS[component.name]
        self._survival = self._row.survival(len(network.chain), **component.values)
        self.fixed = all(survival == 1 for survival in self._survival)
        for block, survival in zip(network.chain, self._survival, strict=True):
            block.survival = survival

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of `images` (B, C, H, W)."""
        routes = None if self.fixed else self._row.draw(self._survival, self.generator)
        return self._network(images, routes)
