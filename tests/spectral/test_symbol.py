"""Symbols against the dense matrix of the convolution, built column by column."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from resablate.spectral import half_symbol, kernel_of_symbol, symbol
from tests.networks import make_generator

SHAPES = [
    (4, 3, 3, (8, 8), 1),
    (4, 3, 3, (8, 6), 2),
    (2, 5, 1, (8, 8), 2),
    (6, 2, 5, (6, 6), 1),
    (3, 3, 3, (7, 5), 1),
    (3, 2, 7, (8, 8), 2),
    (2, 2, 1, (5, 3), 1),
]


def make_kernel(out_channels: int, in_channels: int, side: int) -> Tensor:
    return torch.randn(out_channels, in_channels, side, side, generator=make_generator(), dtype=torch.float64)


def dense(kernel: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """The matrix of the circular convolution, a column for each input pixel."""
    pixels = kernel.shape[1] * size[0] * size[1]
    units = torch.eye(pixels, dtype=kernel.dtype).view(-1, kernel.shape[1], *size)
    before, after = kernel.shape[2] // 2, kernel.shape[2] - 1 - kernel.shape[2] // 2
    padded = functional.pad(units, (before, after, before, after), mode="circular")
    return functional.conv2d(padded, kernel, stride=stride).flatten(1).T


@pytest.mark.parametrize(("out_channels", "in_channels", "side", "size", "stride"), SHAPES)
def test_singular_values_are_those_of_the_dense_matrix(
    out_channels: int, in_channels: int, side: int, size: tuple[int, int], stride: int
) -> None:
    kernel = make_kernel(out_channels, in_channels, side)
    expected = torch.linalg.svdvals(dense(kernel, size, stride))
    actual = torch.linalg.svdvals(symbol(kernel, size=size, stride=stride)).flatten().sort(descending=True).values
    assert len(actual) == len(expected)
    assert float((actual - expected).abs().max() / expected[0]) < 1e-12


@pytest.mark.parametrize(("out_channels", "in_channels", "side", "size", "stride"), SHAPES)
def test_half_of_the_frequencies_say_everything(
    out_channels: int, in_channels: int, side: int, size: tuple[int, int], stride: int
) -> None:
    kernel = make_kernel(out_channels, in_channels, side)
    matrices, weights = half_symbol(kernel, size=size, stride=stride)
    values = torch.linalg.svdvals(matrices)
    everything = torch.linalg.svdvals(symbol(kernel, size=size, stride=stride))
    assert float(weights.sum()) == everything.shape[0] * everything.shape[1]
    for power in (1, 2, 4):
        assert float((values**power).sum(-1) @ weights) == pytest.approx(float((everything**power).sum()), rel=1e-12)


@pytest.mark.parametrize(("out_channels", "in_channels", "side", "size", "stride"), SHAPES)
def test_the_kernel_comes_back(
    out_channels: int, in_channels: int, side: int, size: tuple[int, int], stride: int
) -> None:
    kernel = make_kernel(out_channels, in_channels, side)
    back = kernel_of_symbol(symbol(kernel, size=size, stride=stride), kernel_size=(side, side), stride=stride)
    assert torch.allclose(back, kernel, atol=1e-14)


@pytest.mark.parametrize(("size", "stride"), [((2, 2), 1), ((2, 2), 2), ((1, 4), 1), ((2, 4), 2)])
def test_a_kernel_larger_than_its_image_wraps(size: tuple[int, int], stride: int) -> None:
    kernel = make_kernel(4, 3, 3)
    folded = torch.zeros(4, 3, *size, dtype=kernel.dtype)
    for down in range(3):
        for right in range(3):
            folded[:, :, down % size[0], right % size[1]] += kernel[:, :, down, right]
    values = symbol(kernel, size=size, stride=stride)
    small = tuple(min(3, side) for side in size)
    assert torch.allclose(values, symbol(folded[:, :, : small[0], : small[1]], size=size, stride=stride))
    back = kernel_of_symbol(values, kernel_size=(3, 3), stride=stride)
    assert torch.allclose(symbol(back, size=size, stride=stride), values), "the operator comes back"
    assert float(back.norm()) < float(kernel.norm()), "and of all its kernels the smallest"
    assert torch.allclose(
        back, kernel_of_symbol(symbol(back, size=size, stride=stride), kernel_size=(3, 3), stride=stride)
    )


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the stride must divide .* got stride=2, size=\(7, 8\)"):
        symbol(make_kernel(1, 1, 3), size=(7, 8), stride=2)
