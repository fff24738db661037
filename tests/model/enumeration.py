"""Every path of a network by itself: what the walks over all paths of a length are held against."""

import torch
from torch import Tensor
from torch.nn import functional

from resablate.model import Block, ResidualNetwork


def all_paths(network: ResidualNetwork, images: Tensor, labels: Tensor) -> Tensor:
    """The gradients (2^n, B, C, H, W) of all paths, that of path p through the branch of block i where bit i of p is 1.

    By plain autograd, one example of a batch for each path: every block doubles their number.
    """
    inputs = [network.stem(images).detach()]
    for block in network.chain:
        inputs.append(block(inputs[-1]).detach())
    end = inputs.pop().requires_grad_()
    loss = functional.cross_entropy(network.head(end), labels, reduction="sum")
    (found,) = torch.autograd.grad(loss, end)
    paths = found.unsqueeze(0)
    for block, x in zip(reversed(network.chain), reversed(inputs), strict=True):
        # The paths so far have the bits of the blocks behind; the new bit is the lowest.
        paths = torch.stack([_back(block, x, paths, side) for side in (0, 1)], dim=1).flatten(0, 1)
    leaf = images.repeat(len(paths), 1, 1, 1).requires_grad_()
    (found,) = torch.autograd.grad(network.stem(leaf), leaf, paths.flatten(0, 1))
    return found.view(len(paths), *images.shape)


def lengths_of(paths: Tensor) -> Tensor:
    """The length of each of `all_paths`."""
    return torch.tensor([path.bit_count() for path in range(len(paths))])


def sums_by_length(network: ResidualNetwork, images: Tensor, labels: Tensor) -> Tensor:
    """The gradients of all paths, summed by length: (n+1, B, C, H, W)."""
    paths = all_paths(network, images, labels)
    sums = paths.new_zeros(len(network.chain) + 1, *images.shape)
    return sums.index_add_(0, lengths_of(paths), paths)


def path_squares(network: ResidualNetwork, images: Tensor, labels: Tensor) -> list[float]:
    """The squared norms of the gradients of all paths, summed by length and over the examples: (n+1,)."""
    paths = all_paths(network, images, labels)
    squares = paths.new_zeros(len(network.chain) + 1)
    return squares.index_add_(0, lengths_of(paths), paths.flatten(1).square().sum(dim=1)).tolist()


def _back(block: Block, x: Tensor, paths: Tensor, side: int) -> Tensor:
    leaf = x.repeat(len(paths), 1, 1, 1).requires_grad_()
    carried, added = block.addends(leaf)
    total = block.after_add(carried.detach() + added if side else carried + added.detach())
    if not (added if side else carried).requires_grad:
        return torch.zeros(len(paths), *x.shape, dtype=x.dtype)
    return torch.autograd.grad(total, leaf, paths.flatten(0, 1))[0].view(len(paths), *x.shape)
