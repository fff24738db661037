import pytest
import torch

from resablate.training import derived_generator, derived_seed, thread_count
from resablate.training.determinism import global_seed


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
