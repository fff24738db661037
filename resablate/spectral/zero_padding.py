"""The largest singular value of a convolution with zero padding, which no Fourier transform makes diagonal."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def largest_singular_value_zero_padded(
    layer_weight: Tensor,
    *,
    size: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    generator: torch.Generator | None = None,
    tolerance: float = 1e-4,
) -> float:
    """The largest singular value of a convolution as the layer applies it, borders included; in float64.

    By the Lanczos process on A^T A, which keeps all directions of a power iteration and takes the best in their span:
    some thirty applications where the iteration alone takes several hundred, since the largest values of a
    convolution lie close together.

    Args:
        layer_weight: (out, in / groups, kh, kw), as `nn.Conv2d` keeps it; what follows is as there.
        size: (H, W) of the images that enter.
        stride: down and right.
        padding: zeros above and below, left and right.
        dilation: pixels from tap to tap.
        groups: the channels fall into so many that do not meet.
        generator: draws where the process starts.
        tolerance: the process stops once the square of the value is known to this part of itself.

    Source: Golub & Van Loan, "Matrix Computations", section 10.1.
    """
    weight = layer_weight.detach().double()
    left_over = [
        (side + 2 * pad - space * (taps - 1) - 1) % step
        for side, pad, space, taps, step in zip(size, padding, dilation, weight.shape[2:], stride, strict=True)
    ]

    def square(x: Tensor) -> Tensor:
        y = functional.conv2d(x, weight, None, stride, padding, dilation, groups)
        return functional.conv_transpose2d(y, weight, None, stride, padding, left_over, groups, dilation)

    start = torch.randn(1, weight.shape[1] * groups, *size, generator=generator, dtype=torch.float64).to(weight.device)
    basis = start.flatten(1) / start.norm()
    diagonal: list[float] = []
    beside: list[float] = []
    while True:
        image = square(basis[-1].view_as(start)).flatten()
        diagonal.append(float(image @ basis[-1]))
        for _ in range(2):  # once leaves rounding errors that grow
            image = image - (basis @ image) @ basis
        tridiagonal = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
        if beside:
            tridiagonal += torch.diag(torch.tensor(beside, dtype=torch.float64), -1)
        eigenvalues, vectors = torch.linalg.eigh(tridiagonal)  # reads the lower triangle
        beside.append(float(image.norm()))
        if len(basis) == start.numel() or beside[-1] * abs(float(vectors[-1, -1])) <= tolerance * eigenvalues[-1]:
            return float(eigenvalues[-1].clamp_min(0).sqrt())
        basis = torch.cat([basis, image[None] / beside[-1]])
