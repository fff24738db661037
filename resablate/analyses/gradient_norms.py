"""Norms of the gradient before and behind the parts of a network."""

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from resablate.model import Call, ResidualNetwork, Route, evaluation_mode, recorded
from resablate.regularizers import chosen_convolutions

_IMAGE = 4
"""Sizes of images: (B, C, H, W)."""
PartKind = Literal["block", "behind_entry", "transition", "stem"]


class Part(NamedTuple):
    """A part of a network that a gradient comes back through.

    `block` is a whole block; `behind_entry` one without what acts on x before its two sides split, where something
    does; `transition` and `stem` are one convolution each, alone, whatever stands before, behind or beside it.
    """

    kind: PartKind
    block: int
    """Counted from 0; -1 for the stem."""


class Shape(NamedTuple):
    """What a block does to the shape of an image (B, C, H, W), by which blocks of different networks correspond.

    Of tokens (B, N, C), and of any other shape, the last size is that of the channels, and there is no height.
    """

    in_channels: int
    out_channels: int
    in_height: float
    out_height: float


def measured_convolutions(network: ResidualNetwork) -> dict[nn.Conv2d, Part]:
    """The first convolution of the stem, and of each block that which changes dimensions outside the branch.

    It is the bare convolution between two stages, the projection on the shortcut, or a shortcut that convolves;
    the first where a block has several.
    """
    moving = {name: layer for name, layer in chosen_convolutions(network, layers="transitions")}
    found: dict[nn.Conv2d, Part] = {}
    for name, layer in chosen_convolutions(network, layers="stem+transitions"):
        part = Part("transition", int(name.split(".")[1])) if name in moving else Part("stem", -1)
        if part not in found.values():
            found[layer] = part
    return found


def shapes(network: ResidualNetwork, images: Tensor) -> list[Shape]:
    """Of every block, for images (B, C, H, W); the network must be in eval mode."""
    with torch.no_grad():
        x = network.stem(images[:1])
        found: list[Shape] = []
        for block in network.chain:
            y = block(x)
            (before, entering), (behind, leaving) = (_channels_and_height(size) for size in (x.shape, y.shape))
            found.append(Shape(before, behind, entering, leaving))
            x = y
    return found


def _channels_and_height(shape: torch.Size) -> tuple[int, float]:
    return (shape[1], shape[2]) if len(shape) == _IMAGE else (shape[-1], math.nan)


def gradient_norms(
    network: ResidualNetwork, images: Tensor, labels: Tensor, *, convolutions: Mapping[nn.Conv2d, Part]
) -> dict[Part, Tensor]:
    """Norm of each example's gradient at the input and at the output of every part, (2, B) in double precision.

    One backward pass gives the gradients at all blocks and at the outputs of the convolutions, each of which is
    pulled back through its convolution alone once more: what comes at the input of a projection is only part of the
    gradient there.

    Args:
        network: in eval mode.
        images: (B, C, H, W), normalized.
        labels: (B,).
        convolutions: by `measured_convolutions`.
    """
    chain = network.chain
    with torch.enable_grad():
        with recorded([*(block.entry for block in chain), *convolutions]) as calls:
            boundaries, loss = _between_blocks(network, images, labels)
        # An entry that does nothing hands on x itself.
        entered = {
            index: call.output
            for index, block in enumerate(chain)
            if (call := calls.get(block.entry)) and call.input is boundaries[index] and call.output is not call.input
        }
        called = {part: (layer, calls[layer]) for layer, part in convolutions.items() if layer in calls}
        wanted = [*boundaries, *entered.values(), *(call.output for _, call in called.values())]
        gradients = list(torch.autograd.grad(loss, wanted, materialize_grads=True))
    ends = [_norms(gradient) for gradient in gradients]
    inside = dict(zip(entered, ends[len(boundaries) :], strict=False))
    norms = {Part("block", i): torch.stack([ends[i], ends[i + 1]]) for i in range(len(chain))}
    norms |= {Part("behind_entry", i): torch.stack([norm, ends[i + 1]]) for i, norm in inside.items()}
    behind = gradients[len(gradients) - len(called) :]
    for (part, (layer, call)), gradient in zip(called.items(), behind, strict=True):
        norms[part] = torch.stack([_norms(_pulled_back(layer, call, gradient)), _norms(gradient)])
    return norms


def direct_path_ratio(network: ResidualNetwork, images: Tensor, labels: Tensor) -> float:
    """What a block leaves of the gradient that comes along the shortcuts alone: the norm before it over that behind it.

    Of all examples together, in the geometric mean over the blocks that keep the dimension; 0 where nothing comes
    through, as in a network with a block without a shortcut; NaN where there is no such block.

    Args:
        network: in whatever mode; batch norm is in eval mode here.
        images: (B, C, H, W), normalized.
        labels: (B,).

    Source: He et al. 2016, equation 8: the geometric mean of constant factors, where nothing follows the addition.
    """
    if not all(block.carries for block in network.chain):
        return 0.0
    with evaluation_mode(network), torch.enable_grad():
        boundaries, loss = _between_blocks(network, images, labels, route=Route.GRADIENT_BY_SHORTCUT)
        gradients = torch.autograd.grad(loss, boundaries, materialize_grads=True)
    norms = [gradient.double().norm() for gradient in gradients]
    ratios = [norms[i] / norms[i + 1] for i, block in enumerate(network.chain) if not block.changes_dimension]
    if not ratios:
        return math.nan
    return float(torch.stack(ratios).nan_to_num(0).log().mean().exp())


def _between_blocks(
    network: ResidualNetwork, images: Tensor, labels: Tensor, *, route: Route = Route.BOTH
) -> tuple[list[Tensor], Tensor]:
    """What enters each block and leaves the last, and the loss, summed over the examples; with gradients."""
    boundaries = [network.stem(images.detach().requires_grad_())]
    for block in network.chain:
        boundaries.append(block(boundaries[-1], route))
    return boundaries, functional.cross_entropy(network.head(boundaries[-1]), labels, reduction="sum")


def _pulled_back(layer: nn.Conv2d, call: Call, gradient: Tensor) -> Tensor:
    x = call.input.detach().requires_grad_()
    with torch.enable_grad():
        return torch.autograd.grad(layer(x), x, gradient)[0]


def _norms(gradients: Tensor) -> Tensor:
    return gradients.double().flatten(1).norm(dim=1)
