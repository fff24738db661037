"""Training on a part of the blocks, another part for every batch.

Every row takes the number of blocks and returns, for each, the chance that it is kept; `draw` makes routes of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Interval
from torch import Tensor

from resablate.component import Component, parse_component
from resablate.model import ComponentLike, ResidualNetwork, Route
from resablate.registry import Registry, filter_kwargs, keyword_defaults

UNDRAWN: Registry[str] = Registry(
    "undrawn",
    "undrawns",
    {
        "decay": "updated by a gradient of 0, so that momentum and weight decay go on: Huang et al., released code",
        "keep": "left as it is, as if the batch had not been",
    },
)


@dataclass(frozen=True)
class BlockSampling:
    """A row of the table."""

    survival: Callable[..., list[float]]
    """Number of blocks, and arguments -> chance of each block to be kept in a batch; also its weight at test time."""
    draw: Callable[[Sequence[float], torch.Generator], list[Route]]
    """Those chances -> the routes of one batch."""

    update: Callable[..., bool] | None = None
    """Arguments -> whether blocks that are left out of a batch are updated by a gradient of 0."""

    @property
    def functions(self) -> tuple[Callable[..., object], ...]:
        """Those whose keywords are the sampling's arguments."""
        return (self.survival, self.update) if self.update else (self.survival,)

    def chances(self, blocks: int, component: Component) -> list[float]:
        """`survival` of so many blocks, with the arguments of `component` that are its own."""
        others = keyword_defaults(self.update) if self.update else {}
        return self.survival(blocks, **{name: part for name, part in component.values.items() if name not in others})


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


def updates_undrawn(*, undrawn: Annotated[str, UNDRAWN] = "decay") -> bool:
    """Whether the parameters of a block that is left out of a batch are updated by a gradient of 0.

    Args:
        undrawn: a row of UNDRAWN.
    """
    return undrawn == "decay"


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
        "stochastic_depth": BlockSampling(linear_decay, _independently, updates_undrawn),
        "fixed_count": BlockSampling(fixed_count, _so_many, updates_undrawn),
    },
)


class SampledBlocks:
    """The forward pass of a network on a part of its blocks; sets the blocks' `survival`.

    Args:
        network: whose blocks are sampled.
        sampling: a row of BLOCK_SAMPLINGS, by its name or with arguments.

    Attributes:
        choice: the row, as it is named.
        generator: draws the routes of every pass.
        fixed: whether every pass takes every block.
        updates_undrawn: whether blocks that a pass leaves out are updated by a gradient of 0.

    Raises:
        UnknownName: if there is no such row.
        ValueError: if the network has too few blocks.
    """

    def __init__(self, network: ResidualNetwork, sampling: ComponentLike) -> None:
        self.choice = component = parse_component(sampling)
        self.generator = torch.Generator()
        self._network = network
        self._row = BLOCK_SAMPLINGS[component.name]
        self._survival = self._row.chances(len(network.chain), component)
        self.fixed = all(survival == 1 for survival in self._survival)
        update = self._row.update
        self.updates_undrawn = update is not None and update(**filter_kwargs(update, component.values))
        for block, survival in zip(network.chain, self._survival, strict=True):
            block.survival = survival

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of `images` (B, C, H, W)."""
        routes = None if self.fixed else self._row.draw(self._survival, self.generator)
        return self._network(images, routes)
