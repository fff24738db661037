"""A pack: K networks of one shape as one network of K times the channels."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast, final

import torch
from torch import Tensor, nn

from resablate.model.block import ShortcutBlock
from resablate.model.member_draws import MemberDraws
from resablate.model.network import ResidualNetwork
from resablate.model.packed_layers import PACKED_LAYERS, PackedBatchNorm, PackedDropout
from resablate.registry import per_member
from resablate.shortcuts import Shortcut

_CONTAINERS = (ResidualNetwork, ShortcutBlock, nn.Sequential, nn.ModuleList)
"""Modules that only pass tensors on to their parts."""


def unpackable_parts(network: nn.Module) -> list[str]:
    """Why networks of this shape cannot run as a pack: each reason once, with the first part that it is about.

    A part is known to be packable by its exact type, and a shortcut by its `packs`: what other packages' modules
    compute is not known.

    Args:
        network: may be on `meta`.
    """
    parts: dict[str, str] = {}
    for name, part in network.named_modules():
        if why := _refusal(part):
            parts.setdefault(why, name or "the network")
    return [f"{name}: {why}" for why, name in parts.items()]


def _refusal(part: nn.Module) -> str:
    named = f"{type(part).__module__}.{type(part).__name__}"
    if type(part) in PACKED_LAYERS:
        return _unusual(part)
    if isinstance(part, Shortcut) and not part.packs:
        return f"the shortcut {named} does not say that it packs"
    if not isinstance(part, Shortcut) and type(part) not in _CONTAINERS:
        return f"{named} is not known to be packable"
    if any(True for _ in part.parameters(recurse=False)) or any(True for _ in part.buffers(recurse=False)):
        return f"{named} has parameters of its own, outside of layers"
    return ""


def _unusual(layer: nn.Module) -> str:
    """What a layer does that the layer of a pack does not."""
    if isinstance(layer, nn.Conv2d):
        plain = layer.groups == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
        return "" if plain else f"a convolution of another kind: {layer}"
    if isinstance(layer, nn.BatchNorm2d) and not (layer.affine and layer.track_running_stats and layer.momentum):
        return "a batch norm without parameters, running statistics or momentum"
    if isinstance(layer, nn.Flatten) and (layer.start_dim, layer.end_dim) != (1, -1):
        return f"a flattening of axes {layer.start_dim} to {layer.end_dim}"
    return ""


@final
class PackedNetwork(nn.Module):
    """K networks of one shape as one, whose parameters they share.

    Each member stays what it was, an ordinary network, and a window on the pack's numbers: it can be asked, stored and
    loaded by itself, and what changes there changes here.

    Args:
        members: of one shape, on one device; `unpackable_parts` finds nothing. They may differ in their numbers, and
            in what their shortcuts mark PER_MEMBER.

    Attributes:
        members: those networks.
        flat: (N,), every parameter of every member: the pack's own parameters are windows on it, in their order.
        owner: (N,), the member that each number belongs to.
        draws: what a member draws while it trains.

    Raises:
        ValueError: if the networks have not one shape, or a part cannot be packed.
    """

    def __init__(self, members: Sequence[ResidualNetwork]) -> None:
        super().__init__()
        if refused := unpackable_parts(members[0]):
            raise ValueError("; ".join(refused))
        # In a tuple, which torch does not look into: their parameters are this module's already.
        self.members = tuple(members)
        self.draws = MemberDraws()
        self.network = _packed(members, self.draws)
        self.flat, self.owner = _flattened(self.network)
        for member, network in enumerate(self.members):
            self._open_window(member, network)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K, classes) of `images` (B, K*C, H, W), the members' own one after the other."""
        logits = cast(Tensor, self.network(images))
        return logits.unflatten(1, (len(self.members), -1))

    @property
    def draws_in_steps(self) -> bool:
        """Whether layers draw while they train, each member by itself."""
        return any(isinstance(layer, PackedDropout) for layer in self.network.modules())

    def count_batches(self, count: int) -> None:
        """Note in the batch norms that the members have trained on `count` batches."""
        for layer in self.network.modules():
            if isinstance(layer, PackedBatchNorm):
                layer.num_batches_tracked.add_(count)

    def _open_window(self, member: int, network: ResidualNetwork) -> None:
        for ours, theirs in zip(self.network.parameters(), network.parameters(), strict=True):
            theirs.data = ours.data[member]
        modules = dict(network.named_modules())
        for name, buffer in self.network.named_buffers():
            owner, _, attribute = name.rpartition(".")
            setattr(modules[owner], attribute, buffer[member])


def windows(flat: Tensor, parameters: Iterable[Tensor]) -> Iterator[Tensor]:
    """Windows on `flat` (N,) in the shapes of `parameters`, one after the other."""
    start = 0
    for parameter in parameters:
        yield flat[start : start + parameter.numel()].view(parameter.shape)
        start += parameter.numel()


def _flattened(network: nn.Module) -> tuple[Tensor, Tensor]:
    """All parameters in one tensor, on which they are windows from now on, and the member of each number."""
    parameters = list(network.parameters())
    flat = torch.cat([parameter.detach().flatten() for parameter in parameters])
    for parameter, window in zip(parameters, windows(flat, parameters), strict=True):
        parameter.data = window
    owner = [
        torch.arange(len(parameter), device=flat.device).repeat_interleave(parameter[0].numel())
        for parameter in parameters
    ]
    return flat, torch.cat(owner)


def _packed(members: Sequence[ResidualNetwork], draws: MemberDraws) -> ResidualNetwork:
    named: list[dict[str, Any]] = [dict(member.named_modules()) for member in members]
    if any(_shape(member) != _shape(members[0]) for member in members):
        raise ValueError("the networks of a pack must have one shape")
    packed = copy.deepcopy(members[0])
    numbers = next(packed.parameters()).detach()
    for name, part in list(packed.named_modules()):
        counterparts = [modules[name] for modules in named]
        if pack := PACKED_LAYERS.get(type(part)):
            packed.set_submodule(name, pack(counterparts, draws))
        elif isinstance(part, Shortcut):
            _spread_arguments(part, counterparts, like=numbers)
    return packed


def _shape(network: nn.Module) -> list[tuple[str, type, list[torch.Size]]]:
    return [
        (name, type(part), [parameter.shape for parameter in part.parameters(recurse=False)])
        for name, part in network.named_modules()
    ]


def _spread_arguments(shortcut: Shortcut, members: Sequence[Shortcut], *, like: Tensor) -> None:
    """Numbers by which the members differ, as tensors over their channels."""
    for name in per_member(type(shortcut)):
        values: list[float] = [getattr(member, name) for member in members if hasattr(member, name)]
        if len(set(values)) > 1:
            every = like.new_tensor(values).repeat_interleave(shortcut.out_channels)
            setattr(shortcut, name, every.view(-1, 1, 1))
