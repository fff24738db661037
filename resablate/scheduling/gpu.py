"""Several trials on one GPU: how large a part each gets, and that none takes more."""

from __future__ import annotations

import math

import torch

from resablate.errors import ResourceError

_GIB = 2**30
_RAY_PARTS = 10_000
"""Ray counts a GPU in parts of so many."""


def gpu_share(gpus: float, *, memory_gib: float | None, total_gib: float) -> float:
    """The GPUs, or the part of one, that a trial gets: what it asks for, and more where its memory does not fit in.

    Args:
        gpus: that a trial asks for.
        memory_gib: that a trial needs; not looked at where None.
        total_gib: of the smallest GPU there is.

    Raises:
        ResourceError: if a GPU has less memory than the trial needs.
    """
    if memory_gib is None or not gpus:
        return gpus
    if memory_gib > total_gib * max(1.0, gpus):
        raise ResourceError(
            f"resources.gpu_memory_gib: a trial asks for {memory_gib:g} GiB, but a GPU here has {total_gib:.1f} GiB"
        )
    if gpus >= 1:
        return gpus
    return max(gpus, math.ceil(memory_gib / total_gib * _RAY_PARTS) / _RAY_PARTS)


def gpu_memory_gib() -> float:
    """Memory of the smallest GPU that this process sees, in GiB; 0 where there is none."""
    sizes = (torch.cuda.get_device_properties(index).total_memory for index in range(torch.cuda.device_count()))
    return min(sizes, default=0) / _GIB


def limit_gpu_memory(share: float) -> None:
    """Have this process run out of memory at its part of the GPU, rather than take what another trial counts on."""
    if 0 < share < 1 and torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(share)
