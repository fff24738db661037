"""All singular values against those of the dense matrix, built by shifting unit images."""

from importlib import import_module

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from resablate.spectral import largest_singular_value_zero_padded, singular_values
from tests.networks import make_generator, relative_gap

GRAM = 1e-11
"""By eigenvalues of Gram matrices, which are known to 1e-15 of the largest, and above 1e-8 of it: 1e-15 / 2e-4."""
CASES = [
    # out, in, kernel, size, stride, dilation, groups
    (4, 3, 1, (6, 6), 1, 1, 1),
    (4, 3, 3, (6, 6), 1, 1, 1),
    (3, 4, 5, (7, 5), 1, 1, 1),
    (2, 3, 7, (8, 9), 1, 1, 1),
    (5, 5, 3, (1, 1), 1, 1, 1),
    (4, 2, 3, (8, 6), 2, 1, 1),
    (2, 4, 7, (8, 8), 2, 1, 1),
    (3, 2, 5, (9, 6), 3, 1, 1),
    # a 1x1 kernel of stride 2 looks at one pixel in four: more rows than it can reach
    (6, 3, 1, (8, 8), 2, 1, 1),
    (2, 5, 1, (8, 6), 2, 1, 1),
    (6, 3, 1, (7, 5), 2, 1, 1),
    # taps that wrap around
    (3, 2, 5, (3, 4), 1, 1, 1),
    (3, 2, 7, (4, 2), 2, 1, 1),
    # strides that do not divide the sides
    (4, 3, 3, (7, 7), 2, 1, 1),
    (2, 3, 5, (7, 6), 2, 1, 1),
    (3, 2, 7, (5, 3), 2, 1, 1),
    (4, 4, 3, (7, 8), 3, 1, 2),
    # dilated and grouped
    (3, 2, 3, (8, 6), 1, 2, 1),
    (4, 4, 3, (6, 4), 2, 3, 2),
    (6, 4, 3, (6, 6), 1, 1, 2),
    (4, 6, 1, (6, 6), 2, 1, 2),
    (4, 4, 5, (4, 6), 2, 1, 4),
]


def make_kernel(out_channels: int, in_channels: int, side: int, groups: int = 1) -> Tensor:
    shape = (out_channels, in_channels // groups, side, side)
    return torch.randn(shape, generator=make_generator(), dtype=torch.float64)


def circular_matrix(
    kernel: Tensor, size: tuple[int, int], *, stride: int = 1, dilation: int = 1, groups: int = 1
) -> Tensor:
    """Rows 0, s, 2s, ... of the circular convolution, a column for each input pixel."""
    channels = kernel.shape[1] * groups
    units = torch.eye(channels * size[0] * size[1], dtype=kernel.dtype).view(-1, channels, *size)
    images = torch.zeros(len(units), len(kernel), *size, dtype=kernel.dtype)
    for down in range(kernel.shape[2]):
        for right in range(kernel.shape[3]):
            shifted = units.roll((-dilation * down, -dilation * right), (2, 3))
            images += functional.conv2d(shifted, kernel[:, :, down, right, None, None], groups=groups)
    return images[:, :, ::stride, ::stride].flatten(1).T


def relative_error(kernel: Tensor, size: tuple[int, int], **keywords: int) -> float:
    expected = torch.linalg.svdvals(circular_matrix(kernel, size, **keywords))
    actual = singular_values(kernel, size=size, **keywords)
    assert actual.dtype == torch.float64
    assert len(actual) == len(expected)
    return float((actual - expected).abs().max() / expected[0])


@pytest.mark.parametrize(("out_channels", "in_channels", "side", "size", "stride", "dilation", "groups"), CASES)
def test_they_are_those_of_the_dense_matrix(
    *, out_channels: int, in_channels: int, side: int, size: tuple[int, int], stride: int, dilation: int, groups: int
) -> None:
    kernel = make_kernel(out_channels, in_channels, side, groups)
    assert relative_error(kernel, size, stride=stride, dilation=dilation, groups=groups) < GRAM


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("smallest", [0.0, 1e-9, 1e-7, 1e-6, 1e-5, 1e-4, 3e-4, 1e-3])
def test_small_ones_are_exact_too(smallest: float, stride: int) -> None:
    """Where a Gram matrix knows half of the digits, its square root would be off by 1e-8."""
    kernel = make_kernel(4, 4, 3)
    left, _, right = torch.linalg.svd(torch.randn(4, 4, generator=make_generator(1), dtype=torch.float64))
    mixing = (left * torch.tensor([1.0, 1.0, 0.5, smallest], dtype=torch.float64)) @ right
    assert relative_error(torch.einsum("ab,bcpq->acpq", mixing, kernel), (8, 6), stride=stride) < GRAM


def test_a_kernel_of_zeros_has_only_zeros() -> None:
    values = singular_values(torch.zeros(3, 2, 3, 3), size=(4, 4))
    assert torch.equal(values, torch.zeros(32, dtype=torch.float64)), "sums and products of zeros are zero"


def test_large_layers_are_decomposed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = make_kernel(4, 3, 3)
    at_once = singular_values(kernel, size=(8, 8), stride=2)
    monkeypatch.setattr(import_module("resablate.spectral.singular_values"), "_NUMBERS_AT_ONCE", 1)
    # Products of many matrices and of one are other kernels.
    assert relative_gap(singular_values(kernel, size=(8, 8), stride=2), at_once) < GRAM


def test_an_operator_that_is_too_large_to_write_out_is_refused() -> None:
    rule = r"may have 8,388,608 numbers at most, but it has 272,498,688: kernel=\(64, 64, 3, 3\), size=\(21, 24\), str"
    with pytest.raises(ValueError, match=rule):
        singular_values(torch.zeros(64, 64, 3, 3), size=(21, 24), stride=2)


PADDED = [
    # out, in, kernel, size, stride, padding, dilation, groups
    (4, 3, (3, 3), (8, 6), (1, 1), (1, 1), (1, 1), 1),
    (3, 4, (3, 3), (7, 8), (2, 2), (1, 1), (1, 1), 1),
    (4, 2, (7, 7), (9, 8), (2, 2), (3, 3), (1, 1), 1),
    (2, 3, (1, 1), (7, 8), (2, 2), (0, 0), (1, 1), 1),
    (4, 6, (3, 5), (8, 9), (1, 2), (2, 1), (2, 1), 2),
    (1, 1, (3, 3), (3, 3), (3, 3), (0, 0), (1, 1), 1),
]


@pytest.mark.parametrize(
    ("out_channels", "in_channels", "sides", "size", "stride", "padding", "dilation", "groups"), PADDED
)
def test_the_largest_of_the_zero_padded_operator(
    *,
    out_channels: int,
    in_channels: int,
    sides: tuple[int, int],
    size: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
) -> None:
    weight = torch.randn(out_channels, in_channels // groups, *sides, generator=make_generator(), dtype=torch.float64)
    units = torch.eye(in_channels * size[0] * size[1], dtype=torch.float64).view(-1, in_channels, *size)
    dense = functional.conv2d(units, weight, None, stride, padding, dilation, groups).flatten(1)
    largest = largest_singular_value_zero_padded(
        weight,
        size=size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        generator=make_generator(),
        tolerance=1e-8,
    )
    assert largest == pytest.approx(float(torch.linalg.svdvals(dense)[0]), rel=1e-8)


def test_a_wide_layer_is_done_in_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = make_kernel(16, 16, 3)
    applied = 0
    whole = functional.conv_transpose2d

    def count(*arguments: object) -> Tensor:
        nonlocal applied
        applied += 1
        return whole(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(functional, "conv_transpose2d", count)
    largest = largest_singular_value_zero_padded(
        kernel, size=(32, 32), padding=(1, 1), generator=make_generator(), tolerance=1e-4
    )
    assert applied < 80
    circular = float(singular_values(kernel, size=(32, 32))[0])
    assert 0.99 * circular < largest < circular


def test_nothing_has_no_direction() -> None:
    assert largest_singular_value_zero_padded(torch.zeros(2, 2, 3, 3), size=(4, 4), generator=make_generator()) == 0
