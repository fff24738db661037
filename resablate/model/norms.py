"""What stands wherever an ordering has batch norm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, cast, final

import torch
from annotated_types import Ge, Gt, Interval
from torch import Tensor, nn

from resablate.component import Component
from resablate.registry import Registry, with_arguments
from resablate.shortcuts import LearnedShift

BuildNorm = Callable[..., nn.Module]
"""Channels -> a layer (B, C, H, W) -> (B, C, H, W); arguments are keywords with defaults."""


def batch(
    channels: int,
    *,
    momentum: Annotated[float, Interval(gt=0, le=1)] = 0.1,
    eps: Annotated[float, Gt(0)] = 1e-5,
    ghost_batch_size: Annotated[int, Ge(2)] | None = None,
) -> nn.Module:
    """Batch norm.

    Args:
        channels: C.
        momentum: share of a batch in the running statistics.
        eps: added to variances.
        ghost_batch_size: most examples that are normalized together while training; the whole batch where None.

    Source: Ioffe & Szegedy, arXiv 1502.03167; Hoffer et al., arXiv 1705.08741, algorithm 1 for ghost batches.
    """
    if ghost_batch_size is None:
        return nn.BatchNorm2d(channels, eps=eps, momentum=momentum)
    return GhostBatchNorm(channels, eps=eps, momentum=momentum, ghost_batch_size=ghost_batch_size)


def group(channels: int, *, groups: Annotated[int, Ge(1)] = 8, eps: Annotated[float, Gt(0)] = 1e-5) -> nn.Module:
    """Group norm: each example's channels in groups, over all pixels.

    Args:
        channels: C.
        groups: their number, which every number of channels in the network is a multiple of.
        eps: added to variances.

    Raises:
        ValueError: if the channels cannot be divided so.

    Source: Wu & He, arXiv 1803.08494.
    """
    if channels % groups:
        raise ValueError(f"norm group: {channels} channels cannot be divided into {groups} groups")
    return nn.GroupNorm(groups, channels, eps=eps)


def layer(channels: int, *, eps: Annotated[float, Gt(0)] = 1e-5) -> nn.Module:
    """Layer norm: each example over all its channels and pixels, with a scale and a shift for each channel.

    Args:
        channels: C.
        eps: added to variances.

    Source: Ba et al., arXiv 1607.06450; as group norm with one group, Wu & He, arXiv 1803.08494, section 3.
    """
    return nn.GroupNorm(1, channels, eps=eps)


def bias(channels: int) -> nn.Module:
    """One learned number that is added, 0 at the start: what Fixup has in place of a norm behind a convolution.

    Source: Zhang, Dauphin & Ma, arXiv 1901.09321, section 3.
    """
    return LearnedShift()


def none(channels: int) -> nn.Module:
    """Nothing: the network has no normalization.

    Source: De & Smith, arXiv 2002.10444, among others.
    """
    return nn.Identity()


NORMS: Registry[BuildNorm] = Registry(
    "norm", "norms", {"batch": batch, "group": group, "layer": layer, "bias": bias, "none": none}
)


@final
class GhostBatchNorm(nn.BatchNorm2d):
    """Batch norm by the statistics of parts of a batch, as where several GPUs share it.

    A batch is cut into as few parts of about one size as have no more than `ghost_batch_size` examples. Each moves the
    running statistics, one after the other.
    """

    def __init__(self, channels: int, *, eps: float, momentum: float, ghost_batch_size: int) -> None:
        super().__init__(channels, eps=eps, momentum=momentum)
        self.ghost_batch_size = ghost_batch_size

    def forward(self, input: Tensor) -> Tensor:
        """`input` (B, C, H, W), normalized."""
        if not self.training:
            return super().forward(input)
        parts = -(-len(input) // self.ghost_batch_size)
        return torch.cat([super(GhostBatchNorm, self).forward(part) for part in input.tensor_split(parts)])


def put_norms(network: nn.Module, norm: Component) -> None:
    """Put a row of NORMS in the place of every batch norm of `network`.

    Raises:
        ValueError: if a number of channels does not fit it, or a batch norm holds what it could not.
    """
    if norm.name == "batch" and not norm.arguments:
        return
    build = with_arguments(NORMS, norm)
    for name, module in list(network.named_modules()):
        if type(module) is nn.BatchNorm2d:
            network.set_submodule(name, _instead_of(module, build(module.num_features)))


def _instead_of(before: nn.BatchNorm2d, after: nn.Module) -> nn.Module:
    """`after` with the parameters of `before`, which a gate may have set."""
    if before.weight.is_meta:
        return after
    own = dict(after.named_parameters(recurse=False))
    if bool(before.bias.any()) and not _alike(own.get("bias"), before.bias):
        raise ValueError("a gate's batch norm holds its bias: norm bias and none need shortcut.batch_norm false")
    for name in ("weight", "bias"):
        if _alike(own.get(name), getattr(before, name)):
            own[name].data.copy_(cast(Tensor, getattr(before, name)).detach())
    return after


def _alike(one: Tensor | None, other: Tensor) -> bool:
    return one is not None and one.shape == other.shape
