"""Convolutions in the frequency domain.

A circular convolution of stride s maps (C_in, H, W) to (C_out, H/s, W/s) and falls apart into one small matrix per
coarse frequency: its symbol. The s^2 fine frequencies that subsampling makes equal stand side by side in it. The
singular values of the operator are those of all symbols together.

Source: Sedghi, Gupta & Long, "The Singular Values of Convolutional Layers", ICLR 2019, for stride 1; taps summed
frequency by frequency, without a Fourier transform of the image's size, as by van Betteray, Rottmann & Kahl,
arXiv 2506.05617.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def symbol(kernel: Tensor, *, size: tuple[int, int], stride: int = 1) -> Tensor:
    """The symbol of a convolution: (H/s, W/s, out, in * s * s), complex.

    Args:
        kernel: (out, in, kh, kw), real; one that is larger than the image wraps around.
        size: (H, W) of the images that enter.
        stride: s; must divide H and W.

    Raises:
        ValueError: if the stride does not divide the sides of the image.
    """
    rows, columns = _coarse(size, stride)
    everywhere = torch.ones(rows, columns, device=kernel.device).nonzero()
    return symbol_at(everywhere, kernel, size=size, stride=stride).unflatten(0, (rows, columns))


def symbol_at(frequencies: Tensor, kernel: Tensor, *, size: tuple[int, int], stride: int = 1) -> Tensor:
    """The symbol at some coarse frequencies: (F, out, in * s * s), complex.

    Taps that lie outside the image wrap around, as they do in the circular operator.

    Args:
        frequencies: (F, 2), whole numbers.
        kernel: (out, in, kh, kw), real.
        size: (H, W) of the images that enter.
        stride: s; must divide H and W.
    """
    waves = waves_at(frequencies, tuple(kernel.shape[2:]), size=size, stride=stride, dilation=1)
    return symbol_of(waves, kernel, stride=stride)


def symbol_of(waves: Tensor, kernel: Tensor, *, stride: int) -> Tensor:
    """The symbol (F, out, in * s * s) from the waves at its taps, by `waves_at`."""
    dtype = kernel.dtype.to_complex()
    taps = kernel.permute(2, 3, 0, 1).flatten(2).flatten(0, 1) / stride
    values = (waves.flatten(0, 1).to(dtype) @ taps.to(dtype)).view(-1, stride**2, *kernel.shape[:2])
    return values.transpose(1, 2).flatten(2)


def waves_at(
    frequencies: Tensor, kernel_size: tuple[int, ...], *, size: tuple[int, int], stride: int, dilation: int
) -> Tensor:
    """The waves of some coarse frequencies at every tap: (F, s * s, kh * kw), complex128."""
    vertical, horizontal = (
        _waves(frequencies[:, axis], kernel_size[axis], side=size[axis], stride=stride, dilation=dilation)
        for axis in (0, 1)
    )
    return torch.einsum("fap,fbq->fabpq", vertical, horizontal).flatten(3).flatten(1, 2)


def _waves(frequencies: Tensor, taps: int, *, side: int, stride: int, dilation: int) -> Tensor:
    """e^(2 pi i f t / side) at every tap t for the fine frequencies f of each coarse one: (F, s, taps).

    The layer correlates, hence the sign; where the kernel's middle lies only turns phases.
    """
    counted = torch.arange(max(stride, taps), device=frequencies.device)
    fine = frequencies[:, None] + side // stride * counted[:stride]
    turns = (fine[:, :, None] * dilation * counted[:taps] % side).double() / side
    return torch.polar(torch.ones_like(turns), 2 * math.pi * turns)


def kernel_of_symbol(values: Tensor, *, kernel_size: tuple[int, int], stride: int = 1) -> Tensor:
    """The kernel (out, in, kh, kw) whose symbol is nearest to `values`: the inverse of `symbol`, cropped.

    Where `values` is the symbol of no kernel that small, what lies outside the crop is lost: a projection. Of a kernel
    that is larger than the image the symbol tells only the sums of the taps that wrap to one pixel: each has an equal
    part of it, the kernel of least norm (the Moore-Penrose inverse).

    Args:
        values: (H/s, W/s, out, in * s * s), as `symbol` returns it.
        kernel_size: (kh, kw).
        stride: s.
    """
    rows, columns, out_channels, wide = values.shape
    in_channels = wide // stride**2
    fine = values.reshape(rows, columns, out_channels, stride, stride, in_channels).permute(3, 0, 4, 1, 2, 5) * stride
    fine = fine.reshape(rows * stride, columns * stride, out_channels, in_channels)
    kernel = torch.fft.fft2(fine.permute(2, 3, 0, 1), norm="forward").real
    down, right = (
        torch.arange(taps, device=values.device) % side for taps, side in zip(kernel_size, fine.shape[:2], strict=True)
    )
    sharing = _equal_to_each(down)[:, None] * _equal_to_each(right)
    return kernel[:, :, down[:, None], right] / sharing


def _equal_to_each(places: Tensor) -> Tensor:
    return (places[:, None] == places).sum(1)


def half_frequencies(
    size: tuple[int, int], *, stride: int = 1, device: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """One coarse frequency of each pair w, -w, and how many it stands for.

    A real kernel's symbol at -w is the conjugate of that at w, so that its singular values are the same.

    Returns:
        Frequencies (F, 2) and counts (F,), 1 where w = -w and else 2.

    Raises:
        ValueError: if the stride does not divide the sides of the image.
    """
    rows, columns = _coarse(size, stride)
    place = torch.arange(rows * columns, device=device).view(rows, columns)
    mirrored = place.flip(0, 1).roll((1, 1), (0, 1))
    kept = place <= mirrored
    return kept.nonzero(), torch.where(place == mirrored, 1, 2)[kept]


def half_symbol(kernel: Tensor, *, size: tuple[int, int], stride: int = 1) -> tuple[Tensor, Tensor]:
    """The matrices of half of the coarse frequencies, and how often each one counts.

    A 1x1 kernel's matrices are the same everywhere up to a phase, so one says everything.

    Args:
        kernel: (out, in, kh, kw), real.
        size: (H, W) of the images that enter.
        stride: s; must divide H and W, but for 1x1 kernels.

    Returns:
        Matrices (F, out, wide) and weights (F,), which sum to the number of coarse frequencies.

    Raises:
        ValueError: if the stride does not divide the sides of the image.
    """
    if kernel.shape[2:] == (1, 1):
        # Subsampling what no neighbor enters: rows of [W ... W] / s have the singular values of W.
        count = -(-size[0] // stride) * -(-size[1] // stride)
        return kernel[:, :, 0, 0].unsqueeze(0), kernel.new_full((1,), float(count))
    frequencies, counts = half_frequencies(size, stride=stride, device=kernel.device)
    return symbol_at(frequencies, kernel, size=size, stride=stride), counts.to(kernel.dtype)


def _coarse(size: tuple[int, int], stride: int) -> tuple[int, int]:
    if size[0] % stride or size[1] % stride:
        raise ValueError(f"the stride must divide the sides of the image, but got stride={stride}, size={size}")
    return size[0] // stride, size[1] // stride
