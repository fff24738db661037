"""The layers of a pack: each computes for K members side by side what its kind computes for one.

A tensor (B, K*C, H, W) holds the members' (B, C, H, W) one after the other along its channels. What acts on each
channel by itself needs no other form; parameters and statistics are stacked, with the member first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from resablate.model.member_draws import MemberDraws
from resablate.model.packed_convolution import CONVOLUTION_WAYS, Geometry
from resablate.shortcuts import LearnedScale, LearnedShift, Pad, Scaled


def _stacked(members: Sequence[Tensor | None]) -> nn.Parameter | None:
    known = [member.detach() for member in members if member is not None]
    return nn.Parameter(torch.stack(known)) if known else None


@final
class PackedConvolution(nn.Module):
    """K convolutions of one shape: (B, K*I, H, W) -> (B, K*O, H', W').

    Args:
        members: without groups, padded with a number of zeros.

    Attributes:
        weight: (K, O, I, kh, kw).
        bias: (K, O), or None.
        way: a row of CONVOLUTION_WAYS: how it is computed; the results differ in rounding alone.
    """

    def __init__(self, members: Sequence[nn.Conv2d]) -> None:
        super().__init__()
        first = members[0]
        self.weight = nn.Parameter(torch.stack([member.weight.detach() for member in members]))
        self.bias = _stacked([member.bias for member in members])
        self.geometry = Geometry(first.stride, cast(tuple[int, ...], first.padding), first.dilation)
        self.way = "grouped"

    def forward(self, x: Tensor) -> Tensor:
        """What the members' convolutions make of their channels."""
        return CONVOLUTION_WAYS[self.way].compute(x, self.weight, self.bias, self.geometry)


@final
class PackedBatchNorm(nn.Module):
    """K batch norms of C channels each: batch norm is per channel, and so are its statistics.

    Batches are counted by `PackedNetwork.count_batches`, not one by one.

    Args:
        members: of one number of channels, with parameters and running statistics.

    Attributes:
        weight: (K, C), as are bias, running_mean and running_var; num_batches_tracked is (K,).
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, members: Sequence[nn.BatchNorm2d]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([member.weight.detach() for member in members]))
        self.bias = nn.Parameter(torch.stack([member.bias.detach() for member in members]))
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            held = [cast(Tensor, getattr(member, name)) for member in members]
            self.register_buffer(name, torch.stack(held))
        self.momentum = cast(float, members[0].momentum)
        self.eps = members[0].eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalized by the statistics of the batch while training, else by the running ones."""
        return functional.batch_norm(
            x,
            self.running_mean.view(-1),
            self.running_var.view(-1),
            self.weight.flatten(),
            self.bias.flatten(),
            training=self.training,
            momentum=self.momentum,
            eps=self.eps,
        )


@final
class PackedLinear(nn.Module):
    """K linear layers: (B, K*I) -> (B, K*O), a product for each member.

    Args:
        members: of one shape.

    Attributes:
        weight: (K, O, I).
        bias: (K, O), or None.
    """

    def __init__(self, members: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([member.weight.detach() for member in members]))
        self.bias = _stacked([member.bias for member in members])

    def forward(self, x: Tensor) -> Tensor:
        """What the members' layers make of their features."""
        by_member = x.unflatten(1, (len(self.weight), -1)).transpose(0, 1)
        product = torch.bmm(by_member, self.weight.mT).transpose(0, 1)
        return (product if self.bias is None else product + self.bias).flatten(1)


@final
class PackedPad(nn.Module):
    """Option A for each member: its own new channels follow its own old ones.

    Args:
        members: of one shape.
    """

    def __init__(self, members: Sequence[Pad]) -> None:
        super().__init__()
        self.count = len(members)
        self.one = members[0]

    def forward(self, x: Tensor) -> Tensor:
        """`x` (B, K*C, H, W) in its new shape."""
        x, pad = self.one.subsample(x), self.one
        if not pad.missing:
            return x
        sides = (0, 0, 0, 0, pad.before, pad.missing - pad.before)
        return functional.pad(x.unflatten(1, (self.count, -1)), sides).flatten(1, 2)


@final
class PackedScale(nn.Module):
    """K learned scales, of one number or of one for each channel.

    Args:
        members: of one number of numbers.

    Attributes:
        weight: (K, n).
    """

    def __init__(self, members: Sequence[LearnedScale]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([member.weight.detach() for member in members]))

    def forward(self, x: Tensor) -> Tensor:
        """`x` (B, K*C, H, W), scaled."""
        return (x.unflatten(1, (len(self.weight), -1)) * self.weight[:, :, None, None]).flatten(1, 2)


@final
class PackedShift(nn.Module):
    """K learned shifts by one number.

    Args:
        members: shifts.

    Attributes:
        bias: (K, 1).
    """

    def __init__(self, members: Sequence[LearnedShift]) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.stack([member.bias.detach() for member in members]))

    def forward(self, x: Tensor) -> Tensor:
        """`x` (B, K*C, H, W), shifted."""
        return (x.unflatten(1, (len(self.bias), -1)) + self.bias[:, :, None, None]).flatten(1, 2)


@final
class PackedGroupNorm(nn.Module):
    """K group norms of C channels each: K times the groups.

    Args:
        members: of one number of channels and of groups, with parameters.

    Attributes:
        weight: (K, C), as is bias.
    """

    def __init__(self, members: Sequence[nn.GroupNorm]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([member.weight.detach() for member in members]))
        self.bias = nn.Parameter(torch.stack([member.bias.detach() for member in members]))
        self.groups = len(members) * members[0].num_groups
        self.eps = members[0].eps

    def forward(self, x: Tensor) -> Tensor:
        """`x` (B, K*C, H, W), normalized."""
        return functional.group_norm(x, self.groups, self.weight.flatten(), self.bias.flatten(), self.eps)


@final
class PackedDropout(nn.Module):
    """Dropout at each member's own rate, by its own draws: what it drops alone.

    Args:
        members: dropouts.
        draws: the source of the draws.
    """

    def __init__(self, members: Sequence[nn.Dropout], draws: MemberDraws) -> None:
        super().__init__()
        self.rates = [member.p for member in members]
        self._draws = draws

    def forward(self, x: Tensor) -> Tensor:
        """`x`, thinned while training."""
        if not self.training:
            return x
        kept: list[Tensor] = []
        for member, rate in enumerate(self.rates):
            ones = torch.ones_like(x[:, : x.shape[1] // len(self.rates)])
            with self._draws.of(member):
                kept.append(functional.dropout(ones, rate))
        return x * torch.cat(kept, dim=1)


def _of_each_channel(members: Sequence[nn.Module], draws: MemberDraws) -> nn.Module:
    return members[0]


PACKED_LAYERS: Mapping[type[nn.Module], Callable[[Sequence[Any], MemberDraws], nn.Module]] = {
    nn.Conv2d: lambda members, draws: PackedConvolution(members),
    nn.BatchNorm2d: lambda members, draws: PackedBatchNorm(members),
    nn.Linear: lambda members, draws: PackedLinear(members),
    nn.Dropout: PackedDropout,
    Pad: lambda members, draws: PackedPad(members),
    LearnedScale: lambda members, draws: PackedScale(members),
    LearnedShift: lambda members, draws: PackedShift(members),
    nn.GroupNorm: lambda members, draws: PackedGroupNorm(members),
    Scaled: _of_each_channel,
    nn.ReLU: _of_each_channel,
    nn.Identity: _of_each_channel,
    nn.Flatten: _of_each_channel,
    nn.MaxPool2d: _of_each_channel,
    nn.AdaptiveAvgPool2d: _of_each_channel,
}
"""Exact type of a layer -> the members' layers and the source of their draws -> the layer of their pack."""
