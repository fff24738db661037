"""All singular values of a convolution on circular images."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from resablate.spectral.symbol import half_frequencies, symbol_of, waves_at


class OperatorTooLarge(ValueError):
    """An operator that does not fall apart into frequencies and has too many numbers to be decomposed whole."""


_NUMBERS_AT_ONCE = 2**15
"""Of the matrices that are decomposed together: 512 KiB, which stay in a core's cache."""
_SMALLEST = 1e-8
"""Eigenvalues of a Gram matrix are off by about 1e-15 of the largest; a singular value, their square root, of above
1e-4 of the largest then by less than 1e-11 of it, and those of matrices with smaller ones are computed without."""
_LARGEST_DENSE = 2**23
"""Numbers in an operator that is written out: 64 MiB, seconds."""


def singular_values(
    kernel: Tensor, *, size: tuple[int, int], stride: int = 1, dilation: int = 1, groups: int = 1
) -> Tensor:
    """Every singular value of a convolution as an operator on circular images, descending: (K,), float64.

    K is the smaller of out * ceil(H/s) * ceil(W/s) and in * H * W. They are right to 1e-10 of the largest.

    Args:
        kernel: (out, in / groups, kh, kw), real, as `nn.Conv2d` keeps it; a kernel that is larger than the image
            wraps around.
        size: (H, W) of the images that enter.
        stride: s; rows and columns 0, s, 2s, ... are kept. Where it does not divide H and W, the operator does not
            fall apart into frequencies and is decomposed whole.
        dilation: pixels from tap to tap.
        groups: the channels fall into so many that do not meet.

    Raises:
        OperatorTooLarge: if the stride does not divide the image's sides and the operator has too many numbers.
    """
    kernel = kernel.detach().double()
    out_pixels = -(-size[0] // stride) * -(-size[1] // stride)
    total = min(len(kernel) * out_pixels, kernel.shape[1] * groups * size[0] * size[1])
    if kernel.shape[2:] == (1, 1):
        # Up to a phase the matrix is the same at every frequency: [W ... W] / s, which has the singular values of W.
        values = torch.linalg.svdvals(kernel[:, :, 0, 0].unflatten(0, (groups, -1))).flatten()
        counts = torch.full_like(values, out_pixels, dtype=torch.long)
    elif size[0] % stride or size[1] % stride:
        values = _dense_values(kernel, size=size, stride=stride, dilation=dilation, groups=groups)
        counts = torch.ones_like(values, dtype=torch.long)
    else:
        frequencies, counts = half_frequencies(size, stride=stride, device=kernel.device)
        waves = waves_at(frequencies, tuple(kernel.shape[2:]), size=size, stride=stride, dilation=dilation)
        chunk = max(1, _NUMBERS_AT_ONCE // (kernel[:, :, 0, 0].numel() * stride**2))
        symbols = (symbol_of(part, kernel, stride=stride) for part in waves.split(chunk))
        values = torch.cat([_matrix_values(part.unflatten(1, (groups, -1))).flatten(1) for part in symbols])
        counts = counts[:, None].expand_as(values).flatten()
        values = values.flatten()
    values, order = values.sort(descending=True)
    values = values.repeat_interleave(counts[order])
    return functional.pad(values, (0, total - len(values)))


def _matrix_values(matrices: Tensor) -> Tensor:
    """Singular values of (..., m, n): by Gram matrices on the shorter side, three times faster than directly."""
    tall = matrices.shape[-2] > matrices.shape[-1]
    squares = torch.linalg.eigvalsh(matrices.mH @ matrices if tall else matrices @ matrices.mH)
    values = squares.clamp_min(0).sqrt()
    inexact = squares[..., 0] < _SMALLEST * squares[..., -1]
    if bool(inexact.any()):
        values[inexact] = torch.linalg.svdvals(matrices[inexact])
    return values


def _dense_values(kernel: Tensor, *, size: tuple[int, int], stride: int, dilation: int, groups: int) -> Tensor:
    """Singular values of the operator written out, group by group."""
    height, width = size
    rows, columns = (torch.arange(0, side, stride, device=kernel.device) for side in size)
    out_channels, in_channels = len(kernel) // groups, kernel.shape[1]
    numbers = out_channels * in_channels * len(rows) * len(columns) * height * width
    if numbers > _LARGEST_DENSE:
        raise OperatorTooLarge(
            f"where the stride does not divide the sides of the image, the operator may have {_LARGEST_DENSE:,} numbers"
            f" at most, but it has {numbers:,}: kernel={tuple(kernel.shape)}, size={size}, stride={stride}"
        )
    above, left = torch.arange(len(rows))[:, None], torch.arange(len(columns))
    values: list[Tensor] = []
    for group in kernel.chunk(groups):
        operator = kernel.new_zeros(len(rows), len(columns), height, width, out_channels, in_channels)
        for down in range(kernel.shape[2]):
            for right in range(kernel.shape[3]):
                at = ((rows + dilation * down) % height)[:, None], (columns + dilation * right) % width
                operator[above, left, *at] += group[:, :, down, right]
        values.append(torch.linalg.svdvals(operator.permute(0, 1, 4, 2, 3, 5).flatten(3).flatten(0, 2)))
    return torch.cat(values)
