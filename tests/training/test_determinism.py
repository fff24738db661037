"""Seeds, threads and flags: set inside, and outside as they were."""

from collections.abc import Iterator

import pytest
import torch

from resablate.training import derived_generator, derived_seed, thread_count
from resablate.training.determinism import deterministic_kernels, global_seed


def test_a_purpose_has_its_own_numbers() -> None:
    seeds = {derived_seed(seed, *purpose) for seed in range(5) for purpose in [("a",), ("b",), ("a", 1), ("a", 2)]}
    assert len(seeds) == 20
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_derived_seeds_never_change() -> None:
    """Stored results depend on them."""
    assert derived_seed(0, "weights") == 1_042_513_217_767_021
    assert derived_seed(3, "order", 7) == 65_651_077_104_130_766


def test_a_generator_starts_anew_each_time() -> None:
    draws = [torch.rand(3, generator=derived_generator(1, "x")).tolist() for _ in range(2)]
    assert draws[0] == draws[1]


def test_the_global_generator_is_as_before() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    with global_seed(5, torch.device("cpu")):
        inside = torch.rand(2)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(RuntimeError, match="inside"), global_seed(5, torch.device("cpu")):
        assert torch.equal(torch.rand(2), inside)
        raise RuntimeError("inside")
    assert torch.equal(torch.get_rng_state(), before)


def test_threads_are_as_before() -> None:
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="inside"), thread_count(before + 1):
        assert torch.get_num_threads() == before + 1
        raise RuntimeError("inside")
    assert torch.get_num_threads() == before


@pytest.fixture(params=[(False, False), (False, True), (True, False), (True, True)])
def cudnn_flags(request: pytest.FixtureRequest) -> Iterator[tuple[bool, bool]]:
    """Deterministic and benchmark, as somebody has set them."""
    before = _flags()
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = request.param
    yield request.param
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = before


def _flags() -> tuple[bool, bool]:
    return torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark


def test_cudnn_is_deterministic_inside_and_as_before_outside(cudnn_flags: tuple[bool, bool]) -> None:
    with deterministic_kernels():
        assert _flags() == (True, False)
        with deterministic_kernels():
            assert _flags() == (True, False)
        assert _flags() == (True, False)
    assert _flags() == cudnn_flags


def test_cudnn_is_as_before_after_an_error(cudnn_flags: tuple[bool, bool]) -> None:
    with pytest.raises(RuntimeError, match="inside"), deterministic_kernels():
        raise RuntimeError("inside")
    assert _flags() == cudnn_flags


@pytest.mark.gpu
def test_a_gpu_s_convolutions_repeat() -> None:
    """The gradient of the weights is where cuDNN adds with atomic operations."""
    generator = derived_generator(0, "convolution")
    images = torch.randn(64, 16, 32, 32, generator=generator).cuda()
    kernel = torch.randn(16, 16, 3, 3, generator=generator).cuda().requires_grad_()

    def gradient() -> torch.Tensor:
        out = torch.nn.functional.conv2d(images, kernel, padding=1)
        return torch.autograd.grad(out.square().sum(), kernel)[0]

    with deterministic_kernels():
        first = gradient()
        assert all(torch.equal(first, gradient()) for _ in range(20))
