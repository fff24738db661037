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

    By the Lanczos process on A^T A: a power iteration that takes the best direction in the span of all it has passed.
    Some forty applications do where the iteration alone takes several hundred, since the largest values of a
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

    Source: Golub & Van Loan, "Matrix Computations", sections 10.1 and 10.3.
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
    before, now = torch.zeros_like(start), start / start.norm()
    diagonal: list[float] = []
    beside: list[float] = [0.0]
    while True:
        image = square(now) - beside[-1] * before
        diagonal.append(float((image * now).sum()))
        image = image - diagonal[-1] * now
        beside.append(float(image.norm()))
        # Rounding makes the directions forget that they are orthogonal: values come twice then, but none is wrong.
        tridiagonal = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
        tridiagonal += torch.diag(torch.tensor(beside[1:-1], dtype=torch.float64), -1)
        eigenvalues, vectors = torch.linalg.eigh(tridiagonal)  # reads the lower triangle
        if beside[-1] * abs(float(vectors[-1, -1])) <= tolerance * float(eigenvalues[-1]):
            return float(eigenvalues[-1].clamp_min(0).sqrt())
        before, now = now, image / beside[-1]
