"""Where a trial computes: on a GPU or a part of one, or on so many threads of the CPU. Chosen here and nowhere else."""

from __future__ import annotations

import logging
import math
import os
from functools import cache
from typing import Literal

import torch

from resablate.errors import ResourceError

log = logging.getLogger(__name__)

NO_MPS = "Apple's GPU (mps) is not used, because the analyses compute in float64, which it does not have"
_GIB = 2**30
_RAY_PARTS = 10_000
"""Ray counts a GPU in parts of so many."""


def choose_device(gpus: float | Literal["auto"] = "auto") -> torch.device:
    """The device that a trial of this process computes on: its CUDA GPU, or the CPU.

    Args:
        gpus: that the trial gets, or the part of one; 0 for the CPU; `auto` for a GPU where this process sees one.

    Raises:
        ResourceError: if the trial gets a GPU and this process sees none.
    """
    if gpus == 0:
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda")
    if gpus == "auto":
        if torch.backends.mps.is_available():
            _say_once(f"{NO_MPS}; computing on the CPU")
        return torch.device("cpu")
    raise ResourceError(f"resources.gpus: a trial asks for {gpus:g}, but this process sees none{_but_mps()}")


def take_device(gpus: float | Literal["auto"], *, memory_gib: float | None = None) -> torch.device:
    """The device of `choose_device`, with this process kept to its part of a GPU that it shares.

    Args:
        gpus: as for `choose_device`.
        memory_gib: that a trial needs of the GPU, in GiB; what `gpus` says where None.

    Raises:
        ResourceError: as `choose_device`, and if the GPU has less memory than the trial needs.
    """
    device = choose_device(gpus)
    if device.type == "cuda" and gpus != "auto":
        limit_gpu_memory(gpu_share(gpus, memory_gib=memory_gib, total_gib=gpu_memory_gib()))
    return device


def device_name(device: torch.device) -> str:
    """The model of the GPU, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def threads(cpus: float) -> int:
    """CPU threads of a trial that gets `cpus`: as many, rounded down, and at least one."""
    return max(1, int(cpus))


def check_machine(*, cpus: float, gpus: float | Literal["auto"]) -> None:
    """Check that this machine can give what one trial asks for.

    Raises:
        ResourceError: if it cannot; says what there is.
    """
    there, asked = (os.cpu_count() or 1, torch.cuda.device_count()), 0 if gpus == "auto" else gpus
    if cpus > there[0] or asked > there[1]:
        why = _but_mps() if asked > there[1] else ""
        raise ResourceError(
            f"resources: a trial asks for {cpus:g} CPUs and {asked:g} GPUs,"
            f" but this machine has {there[0]} CPUs and {there[1]} GPUs{why}"
        )


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


@cache
def _say_once(sentence: str) -> None:
    log.warning(sentence)


def _but_mps() -> str:
    return f" ({NO_MPS}; use gpus: 0 or auto)" if torch.backends.mps.is_available() else ""
