"""The polar factor against the singular value decomposition."""

import pytest
import torch
from torch import Tensor

from resablate.spectral import polar_factor, polar_kernel, symbol
from tests.networks import make_generator


def conditioned(rows: int, columns: int, condition: float) -> Tensor:
    left, _, right = torch.linalg.svd(torch.randn(rows, columns, generator=make_generator(), dtype=torch.float64))
    rank = min(rows, columns)
    values = torch.logspace(0, -torch.log10(torch.tensor(condition)).item(), rank, dtype=torch.float64)
    return (left[:, :rank] * values) @ right[:rank]


@pytest.mark.parametrize("condition", [1.0, 10.0, 1e2, 1e3])
@pytest.mark.parametrize(("rows", "columns"), [(8, 8), (16, 8), (8, 16), (128, 64)])
def test_all_singular_values_are_one(rows: int, columns: int, condition: float) -> None:
    matrix = conditioned(rows, columns, condition)
    factor = polar_factor(matrix)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    assert float((torch.linalg.svdvals(factor) - 1).abs().max()) < 1e-6
    assert float((factor - left @ right).abs().max()) < 1e-6


def test_a_missing_direction_stays_missing() -> None:
    factor = polar_factor(torch.diag(torch.tensor([3.0, 1.0, 0.0])))
    assert torch.allclose(factor, torch.diag(torch.tensor([1.0, 1.0, 0.0])), atol=1e-6)
    assert torch.equal(polar_factor(torch.zeros(3, 2)), torch.zeros(3, 2))


def test_a_1x1_kernel_is_projected_exactly() -> None:
    kernel = torch.randn(8, 4, 1, 1, generator=make_generator(), dtype=torch.float64)
    through_spectrum = polar_factor(symbol(kernel, size=(4, 4)))
    projected = polar_kernel(kernel, size=(4, 4), stride=2)
    assert torch.allclose(through_spectrum, projected[:, :, 0, 0].to(torch.complex128).expand(4, 4, 8, 4), atol=1e-12)


def test_a_larger_kernel_comes_closer_with_every_call() -> None:
    kernel = torch.randn(8, 3, 3, 3, generator=make_generator(), dtype=torch.float64)
    gaps: list[float] = []
    for _ in range(10):
        kernel = polar_kernel(kernel, size=(16, 16))
        gaps.append(float((torch.linalg.svdvals(symbol(kernel, size=(16, 16))) - 1).abs().max()))
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 0.2 < gaps[0]


def test_the_published_sign_leaves_one_tap() -> None:
    """The released code conjugates the spectrum; four calls leave nearly all energy in tap (0, 0)."""
    published = corrected = torch.randn(64, 3, 3, 3, generator=make_generator(), dtype=torch.float64)
    for _ in range(4):
        published = polar_kernel(published, size=(32, 32), conjugate=True)
        corrected = polar_kernel(corrected, size=(32, 32))
    assert float(published[:, :, 0, 0].square().sum() / published.square().sum()) > 0.99
    assert float(corrected[:, :, 0, 0].square().sum() / corrected.square().sum()) < 0.3


@pytest.mark.parametrize("stride", [1, 2])
def test_a_kernel_larger_than_its_image_is_projected_exactly(stride: int) -> None:
    """It has taps everywhere, so that nothing is cropped."""
    kernel = torch.randn(8, 3, 3, 3, generator=make_generator(), dtype=torch.float64)
    values = torch.linalg.svdvals(symbol(polar_kernel(kernel, size=(2, 2), stride=stride), size=(2, 2), stride=stride))
    assert float((values - 1).abs().max()) < 1e-6
