"""Parts of a GPU: how large, and what is out of bounds."""

import pytest
import torch

from resablate.errors import ResourceError
from resablate.scheduling.failures import reason_of
from resablate.scheduling.gpu import gpu_memory_gib, gpu_share, limit_gpu_memory


@pytest.mark.parametrize(
    ("gpus", "memory_gib", "share", "at_a_time"),
    [
        (0.25, None, 0.25, 4),
        (0.25, 10, 0.25, 4),
        (0.25, 30, 0.375, 2),
        (0.01, 26.7, 0.3338, 2),
        (0.25, 80, 1, 1),
        (1, 30, 1, 1),
        (2, 100, 2, 0),
        (0, 30, 0, 0),
    ],
)
def test_a_share_is_what_is_asked_for_or_what_the_memory_needs(
    gpus: float, memory_gib: float | None, share: float, at_a_time: int
) -> None:
    found = gpu_share(gpus, memory_gib=memory_gib, total_gib=80)
    assert found == share
    assert not share or int(1 / found) == at_a_time
    assert not share or at_a_time * (memory_gib or 0) <= 80


def test_more_memory_than_a_gpu_has() -> None:
    with pytest.raises(ResourceError, match=r"gpu_memory_gib: a trial asks for 96 GiB, but a GPU here has 80\.0 GiB"):
        gpu_share(0.25, memory_gib=96, total_gib=80)


@pytest.mark.gpu
def test_a_process_runs_out_of_memory_at_its_share() -> None:
    share = 0.1
    limit_gpu_memory(share)
    try:
        torch.empty(int(0.05 * gpu_memory_gib() * 2**30), dtype=torch.uint8, device="cuda")
        with pytest.raises(torch.OutOfMemoryError) as caught:
            torch.empty(int(0.2 * gpu_memory_gib() * 2**30), dtype=torch.uint8, device="cuda")
        assert reason_of(caught.value).startswith("out of GPU memory: OutOfMemoryError: ")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
