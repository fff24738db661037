"""Gradients by path: of one path, and of all paths of each length at once.

A network of n blocks is the sum of 2^n paths: at every block a path takes the carried side or the added side, and its
length is the number of added sides it takes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from resablate.model.block import Block
from resablate.model.modes import evaluation_mode
from resablate.model.network import ResidualNetwork
from resablate.model.pullback import Linearization, pull_back
from resablate.model.route import Route
from resablate.model.threads import on_threads

_WALK_NUMBERS = {"cpu": 2**27, "cuda": 2**29}
"""Numbers that the vectors of one walk may hold, by kind of device: bounds its memory (2^27 floats are 0.5 GiB)."""
_PIECE_NUMBERS = {"cpu": 2**19, "cuda": 2**25}
"""Numbers that go through a block at once: 2 MiB of floats stay in a processor's cache."""
_LARGEST_EXPONENT = 32
"""Coefficients whose largest number is not within 2^-32 and 2^32 are scaled back."""
_RESCALE_EVERY = 8
"""Blocks from one look at the coefficients' range to the next."""


def path_gradients(
    network: ResidualNetwork, images: Tensor, labels: Tensor, *, routes: Sequence[Route] | None
) -> Tensor:
    """Gradient (B, C, H, W) of each example's loss with respect to `images` (B, C, H, W), back along `routes`.

    Forward values are those of the whole network. Zero where no gradient comes through.

    Args:
        network: in whatever mode; batch norm is in eval mode here.
        images: normalized.
        labels: (B,).
        routes: one for each block, `GRADIENT_BY_BRANCH` or `GRADIENT_BY_SHORTCUT` for a single path; the ordinary
            gradient where None.

    Raises:
        ValueError: if labels are none, or one is none of the network's classes.

    Source: Veit et al. 2016, section 4.3.
    """
    with evaluation_mode(network), torch.enable_grad():
        leaf = images.detach().requires_grad_()
        loss = _loss(network(leaf, routes), labels)
        if not loss.requires_grad:
            return torch.zeros_like(leaf)
        return torch.autograd.grad(loss, leaf, materialize_grads=True)[0]


def gradients_by_length(network: ResidualNetwork, images: Tensor, labels: Tensor) -> Tensor:
    """The gradients of all 2^n paths, summed by length: (n+1, B, C, H, W), exact.

    Args:
        network: in whatever mode; batch norm is in eval mode here.
        images: (B, C, H, W), normalized.
        labels: (B,).

    Returns:
        At [k, b] the sum over all paths through exactly k branches, for example b; over k they sum to the ordinary
        gradient.

    Raises:
        ValueError: if labels are none, or one is none of the network's classes.
    """

    def scaled(sums: Tensor, exponents: Tensor) -> Tensor:
        if not exponents.any():
            return sums[:, 0]
        return torch.ldexp(sums[:, 0].double(), exponents.view(-1, *[1] * images.ndim)).to(images.dtype)

    return torch.cat(_walks(network, images, labels, signs=None, read=scaled), dim=1)


def path_norms(network: ResidualNetwork, images: Tensor, labels: Tensor, *, signs: Tensor | None = None) -> Tensor:
    """Euclidean norms of the gradients of all paths, summed by length, with and without random signs: float64.

    With an independent sign s at every block, c_k <- H^T c_k + s J^T c_(k-1), the cross terms between paths vanish in
    expectation: the mean over signs of |c_k|^2 is the sum over the paths of length k of |gradient of the path|^2.

    Args:
        network: in whatever mode; batch norm is in eval mode here.
        images: (B, C, H, W), normalized.
        labels: (B,).
        signs: (n, S, B), each 1 or -1: for every block, draw and example.

    Returns:
        (n+1, 1 + S, B): at [:, 0] without signs, that is of what `gradients_by_length` gives.

    Raises:
        ValueError: if labels are none, or one is none of the network's classes.
    """

    def norms(sums: Tensor, exponents: Tensor) -> Tensor:
        # In double precision, which holds the numbers of paths of 1,000 blocks, but not their squares.
        return torch.ldexp(sums.double().flatten(3).norm(dim=3), exponents.view(-1, 1, 1))

    return torch.cat(_walks(network, images, labels, signs=signs, read=norms), dim=2)


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy, summed over the examples."""
    if labels.shape != logits.shape[:1] or labels.dtype != torch.int64 or labels.device != logits.device:
        wanted = f"({len(logits)},) of torch.int64 on {logits.device}, a class for each image"
        raise ValueError(f"labels must be {wanted}; got {tuple(labels.shape)} of {labels.dtype} on {labels.device}")
    outside = labels[(labels < 0) | (labels >= logits.shape[1])]
    if len(outside):
        classes = f"0 to {logits.shape[1] - 1}"
        raise ValueError(f"labels must be the network's classes, {classes}, but got {outside.unique().tolist()}")
    return functional.cross_entropy(logits, labels, reduction="sum")


def _walks(
    network: ResidualNetwork,
    images: Tensor,
    labels: Tensor,
    *,
    signs: Tensor | None,
    read: Callable[[Tensor, Tensor], Tensor],
) -> list[Tensor]:
    """Walk with so many examples at a time as fit into memory, and keep what `read` makes of what `_walk` returns.

    On a CPU every thread walks with examples of its own: threads that share each operation would wait for one another
    thousands of times.
    """
    whole = images.new_ones(len(network.chain), 1, len(images))
    signs = whole if signs is None else torch.cat([whole, signs.to(whole)], dim=1)
    with evaluation_mode(network), warnings.catch_warnings():
        # Torch tells of each operation, attention among them, that it takes the vectors one by one.
        warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
        rows = (len(network.chain) + 1) * signs.shape[1]
        threads = min(len(images), torch.get_num_threads()) if images.device.type == "cpu" else 1
        fitting = _room(_WALK_NUMBERS, images) // (rows * threads * _largest(network, images[:2]))
        at_once = max(1, min(fitting, -(-len(images) // threads)))
        parts = zip(images.split(at_once), labels.split(at_once), signs.split(at_once, dim=2), strict=True)
        return on_threads(threads, lambda part: read(*_walk(network, *part)), list(parts))


def _largest(network: ResidualNetwork, images: Tensor) -> int:
    """Numbers in the largest tensor that goes between two blocks, for one of `images`."""
    with torch.no_grad():
        x = network.stem(images)
        largest = x[0].numel()
        for block in network.chain:
            if block.changes_dimension:
                x = block(x)
                largest = max(largest, x[0].numel())
    return largest


@dataclass
class _Polynomial:
    """A polynomial whose k-th coefficient belongs to the paths of length k so far.

    The coefficients lie one after another in a buffer that is as long as they will ever be, each as a row for every
    draw of signs: the walk works in place.
    """

    rows: Tensor
    """((n+1) draws, B, ...)."""
    draws: int
    exponents: Tensor
    """(n+1,), whole: the i-th coefficient in `rows` is to be multiplied by 2^exponents[i]."""
    shortest: int = 0
    """Length of the first coefficient in `rows`: those before it are zero."""
    count: int = 1
    """Coefficients in `rows`."""

    def pieces(self) -> list[tuple[int, int]]:
        """First and last row (exclusive) of what goes through a block at once; the longest paths first."""
        size = max(1, _room(_PIECE_NUMBERS, self.rows) // self.rows[0].numel())
        return [(max(0, stop - size), stop) for stop in range(self.count * self.draws, 0, -size)]

    def factors(self, signs: Tensor, *, longer: int) -> Tensor:
        """What each row is multiplied by where it is added to that of the coefficient which is `longer` farther on.

        That is its sign, of `signs` (draws, B), and the power of two between the two coefficients: (rows, B).
        """
        steps = self.exponents[: self.count] - self.exponents[longer : longer + self.count]
        return torch.ldexp(signs.expand(self.count, -1, -1), steps.view(-1, 1, 1)).flatten(0, 1)

    def rescale(self) -> None:
        """Multiply by powers of two, which is exact, what would soon leave the range of single precision."""
        rows = self.rows[: self.count * self.draws].view(self.count, self.draws, *self.rows.shape[1:])
        numbers = tuple(range(1, rows.ndim))
        largest = torch.maximum(rows.amax(numbers), -rows.amin(numbers))  # a tenth of the time of an infinity norm
        steps = torch.frexp(largest).exponent.clamp(-126, 126)  # the range of a power of two in single precision
        steps = torch.where(steps.abs() > _LARGEST_EXPONENT, steps, 0)
        if steps.any():
            rows *= torch.ldexp(torch.ones_like(largest), -steps).view(-1, *[1] * (rows.ndim - 1))
            self.exponents[: self.count] += steps


def _walk(network: ResidualNetwork, images: Tensor, labels: Tensor, signs: Tensor) -> tuple[Tensor, Tensor]:
    """Back through the network once, with a polynomial in t whose k-th coefficient belongs to the paths of length k.

    Returns:
        Gradients (n+1, draws, B, C, H, W), the k-th to be multiplied by 2^exponents[k]; exponents (n+1,).
    """
    # On a CPU, convolutions of few channels are faster where the channels of a pixel lie together.
    layout = torch.channels_last if images.device.type == "cpu" else torch.contiguous_format
    leaf = images.detach().contiguous(memory_format=layout).requires_grad_()
    with torch.enable_grad(), Linearization():
        stem = network.stem(leaf)
        x = stem.detach()
        blocks: list[_Linearized] = []
        for block in network.chain:
            blocks.append(_Linearized.at(x, block))
            x = blocks[-1].output.detach()
        x.requires_grad_()
        loss = _loss(network.head(x), labels)
        (gradient,) = torch.autograd.grad(loss, x, materialize_grads=True)
    lengths, draws = signs.shape[0] + 1, signs.shape[1]
    exponents = torch.zeros(lengths, dtype=torch.int32, device=x.device)
    sums = _Polynomial(_buffer(lengths * draws, x), draws, exponents)
    sums.rows[:draws] = gradient
    for place in reversed(range(len(blocks))):
        _through_block(blocks.pop(), sums, signs[place])
        if place and place % _RESCALE_EVERY == 0:
            sums.rescale()
    gradients = images.new_zeros(lengths * draws, *images.shape)
    for start, stop in sums.pieces():
        first = sums.shortest * draws + start
        gradients[first : first + stop - start] = pull_back(stem, leaf, sums.rows[start:stop])
    return gradients.unflatten(0, (lengths, draws)), sums.exponents.roll(sums.shortest).double()


@dataclass(frozen=True)
class _Linearized:
    """A block at its input, ready for vectors to come back through: each part ends where the next begins."""

    leaf: Tensor
    carried: Tensor
    added: Tensor
    total: Tensor
    """The sum of the two, a leaf again."""
    output: Tensor

    @classmethod
    def at(cls, x: Tensor, block: Block) -> _Linearized:
        """`block` at the input `x` (B, ...); inside `Linearization`."""
        leaf = x.detach().requires_grad_()
        carried, added = block.addends(leaf)
        total = (carried + added).detach().requires_grad_()
        return cls(leaf, carried, added, total, block.after_add(total))


def _through_block(block: _Linearized, sums: _Polynomial, signs: Tensor) -> None:
    """From behind a block to before it: c_k <- H^T c_k + s J^T c_(k-1), in place.

    H is the Jacobian of the block's carried side by its input, J of its added side, and s the sign.

    Args:
        block: in eval mode.
        sums: the coefficients behind the block.
        signs: (draws, B).
    """
    behind = sums.rows
    before = behind if block.total.shape == block.leaf.shape else _buffer(len(behind), block.leaf)
    # What takes the added side becomes part of the next coefficient, unless nothing is left to tell it from.
    longer = int(block.carried.requires_grad)
    if longer:
        sums.exponents[sums.count] = sums.exponents[sums.count - 1]
        before[sums.count * sums.draws : (sums.count + 1) * sums.draws].zero_()
    factors = sums.factors(signs, longer=longer)
    factors = factors.view(*factors.shape, *[1] * (before.ndim - 2))  # of what enters: tokens may be images before
    shift = longer * sums.draws
    for start, stop in sums.pieces():  # from the end: a piece writes on itself and on rows that have been read
        piece = behind[start:stop]
        vectors = pull_back(block.output, block.total, piece, overwrite=True)
        by_carried = pull_back(block.carried, block.leaf, vectors)
        by_added = pull_back(block.added, block.leaf, vectors)
        if by_carried is not piece or before is not behind:
            before[start:stop] = by_carried
        before[start + shift : stop + shift].addcmul_(by_added, factors[start:stop])
    sums.rows = before
    sums.count += longer
    sums.shortest += 1 - longer


def _room(numbers: Mapping[str, int], tensor: Tensor) -> int:
    return numbers.get(tensor.device.type, numbers["cpu"])


def _buffer(rows: int, x: Tensor) -> Tensor:
    """Room for so many tensors of the shape and layout of `x`."""
    packed = x.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if packed else torch.contiguous_format
    room = torch.empty((rows * len(x), *x.shape[1:]), dtype=x.dtype, device=x.device, memory_format=layout)
    return room.unflatten(0, (rows, len(x)))
