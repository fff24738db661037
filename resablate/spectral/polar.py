"""The nearest operator whose singular values are all equal."""

from __future__ import annotations

import torch
from torch import Tensor

from resablate.spectral.symbol import kernel_of_symbol, symbol

_SMALLEST = 1e-20
"""Eigenvalues of the Gram matrix below this part of the largest belong to no direction of the matrix."""


def polar_factor(matrices: Tensor) -> Tensor:
    """U V^H of each matrix A = U S V^H: the nearest with all singular values one, where A has full rank.

    In closed form, A (A^H A)^(-1/2) by one Hermitian eigendecomposition on the shorter side, in double precision: all
    singular values are 1 to 1e-6 and better up to condition numbers of 1e3, where the ten Newton-Schulz steps of the
    method's released code stop short from 1e2 on. A direction that A does not have stays zero.

    Args:
        matrices: (..., m, n), real or complex.

    Returns:
        Of the shape and dtype of `matrices`.

    Source: Zaeemzadeh et al. 2020, the orthogonal Procrustes problem.
    """
    wide = matrices.to(torch.complex128 if matrices.is_complex() else torch.float64)
    tall = wide.shape[-2] >= wide.shape[-1]
    gram = wide.mH @ wide if tall else wide @ wide.mH
    # LAPACK refuses what is not finite; it comes back in the product below.
    eigenvalues, vectors = torch.linalg.eigh(gram.nan_to_num(0, 0, 0))
    floor = eigenvalues[..., -1:].clamp_min(torch.finfo(torch.float64).tiny) * _SMALLEST
    scale = torch.where(eigenvalues > floor, eigenvalues.clamp_min(floor).rsqrt(), 0.0)
    root = (vectors * scale.unsqueeze(-2)) @ vectors.mH
    return (wide @ root if tall else root @ wide).to(matrices.dtype)


def polar_kernel(kernel: Tensor, *, size: tuple[int, int], stride: int = 1, conjugate: bool = False) -> Tensor:
    """The kernel nearest to the polar factor of a convolution's operator.

    For a 1x1 kernel it is the polar factor of its matrix, exact. A larger kernel's polar factor has taps everywhere;
    what lies outside the kernel's size is cropped, so that repeated calls are an alternating projection. One that is
    larger than the image wraps around: taps that meet at a pixel have equal parts of the polar factor's tap there.

    Args:
        kernel: (out, in, kh, kw).
        size: (H, W) of the images that enter.
        stride: must divide H and W, but for 1x1 kernels.
        conjugate: conjugate the spectrum before it is transformed back, as the released code does by a wrong sign:
            the kernel is then reversed in space, and the crop keeps little more than one tap.

    Raises:
        ValueError: if the stride does not divide the sides of the image.
    """
    if kernel.shape[2:] == (1, 1):
        return polar_factor(kernel[:, :, 0, 0])[:, :, None, None]
    values = polar_factor(symbol(kernel.double(), size=size, stride=stride))
    cropped = kernel_of_symbol(
        values.conj() if conjugate else values,
        kernel_size=(kernel.shape[2], kernel.shape[3]),
        stride=stride,
    )
    return cropped.to(kernel.dtype)
