"""Convolutions in the frequency domain.

A circular convolution of stride s maps (C_in, H, W) to (C_out, H/s, W/s) and falls apart into one small matrix per
coarse frequency: its symbol. The s^2 fine frequencies that subsampling makes equal stand side by side in it. The
singular values of the operator are those of all symbols together.

Source: Sedghi, Gupta & Long, "The Singular Values of Convolutional Layers", ICLR 2019, for stride 1.
"""

from __future__ import annotations

import torch
from torch import Tensor


def symbol(kernel: Tensor, *, size: tuple[int, int], stride: int = 1) -> Tensor:
    """The symbol of a convolution: (H/s, W/s, out, in * s * s), complex.

    Args:
        kernel: (out, in, kh, kw), real.
        size: (H, W) of the images that enter.
        stride: s; must divide H and W.

    Raises:
        ValueError: if the kernel is larger than the image or the stride does not divide its sides.
    """
    height, width = size
    if kernel.shape[2] > height or kernel.shape[3] > width:
        raise ValueError(f"the kernel must fit into the image, but {tuple(kernel.shape[2:])} is larger than {size}")
    if height % stride or width % stride:
        raise ValueError(f"the stride must divide the sides of the image, but got stride={stride}, size={size}")
    # The layer correlates: tap k adds e^(+i w k). Where the kernel's middle lies only turns phases.
    fine = torch.fft.ifft2(kernel, s=size, norm="forward").permute(2, 3, 0, 1)
    if stride == 1:
        return fine
    rows, columns = height // stride, width // stride
    aliased = fine.reshape(stride, rows, stride, columns, *fine.shape[2:]).permute(1, 3, 4, 0, 2, 5)
    return aliased.reshape(rows, columns, kernel.shape[0], -1) / stride


def kernel_of_symbol(values: Tensor, *, kernel_size: tuple[int, int], stride: int = 1) -> Tensor:
    """The kernel (out, in, kh, kw) whose symbol is nearest to `values`: the inverse of `symbol`, cropped.

    Where `values` is the symbol of no kernel that small, what lies outside the crop is lost: a projection.

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
    return kernel[:, :, : kernel_size[0], : kernel_size[1]]


def half_symbol(kernel: Tensor, *, size: tuple[int, int], stride: int = 1) -> tuple[Tensor, Tensor]:
    """The matrices of half of the coarse frequencies, and how often each one counts.

    A real kernel's symbol at -w is the conjugate of that at w, so half of them say everything; a 1x1 kernel's is the
    same everywhere up to a phase, so one does.

    Args:
        kernel: (out, in, kh, kw), real.
        size: (H, W) of the images that enter.
        stride: s; must divide H and W, but for 1x1 kernels.

    Returns:
        Matrices (F, out, wide) and weights (F,), which sum to the number of coarse frequencies.

    Raises:
        ValueError: as `symbol`.
    """
    if kernel.shape[2:] == (1, 1):
        # Subsampling what no neighbor enters: rows of [W ... W] / s have the singular values of W.
        count = -(-size[0] // stride) * -(-size[1] // stride)
        return kernel[:, :, 0, 0].unsqueeze(0), kernel.new_full((1,), float(count))
    values = symbol(kernel, size=size, stride=stride)
    rows, columns = values.shape[:2]
    kept = columns // 2 + 1
    weights = kernel.new_full((rows, kept), 2.0)
    weights[:, 0] = 1
    if columns % 2 == 0:
        weights[:, -1] = 1
    return values[:, :kept].flatten(0, 1), weights.flatten()
