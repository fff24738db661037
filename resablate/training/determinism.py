"""Randomness as an argument, a known number of threads, and kernels that repeat their results."""

import hashlib
from collections.abc import Generator
from contextlib import contextmanager

import torch

_SEED_BYTES = 7  # torch takes seeds below 2^63


def derived_seed(seed: int, *purpose: str | int) -> int:
    """A seed for one purpose of one trial; other purposes do not shift it."""
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:_SEED_BYTES], "big")


def derived_generator(seed: int, *purpose: str | int, device: torch.device | None = None) -> torch.Generator:
    """A generator for one purpose of one trial, on the CPU unless `device` says otherwise."""
    return torch.Generator(device or torch.device("cpu")).manual_seed(derived_seed(seed, *purpose))


@contextmanager
def global_seed(seed: int, device: torch.device) -> Generator[None]:
    """Torch's global generators, which dropout draws from, set to `seed` inside and as they were outside."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextmanager
def thread_count(threads: int) -> Generator[None]:
    """`threads` CPU threads inside and as many as before outside: sums, and so results, depend on them."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def deterministic_kernels() -> Generator[None]:
    """Deterministic algorithms of cuDNN inside, not chosen by timing; outside as before.

    What this promises: on one type of device, with the same versions of torch, CUDA and cuDNN and the same number of
    CPU threads, a network of this package trains to the same bits each time, whether or not it was interrupted.
    Convolutions need the two switches: cuDNN has faster algorithms that add with atomic operations, in an order that
    changes, and its benchmark may choose another algorithm in another process. Products (cuBLAS) repeat by themselves
    as long as they run on one stream, as they do here. On the CPU everything repeats.

    What it does not promise: that a layer of another package repeats. `torch.use_deterministic_algorithms` lists the
    operations that do not, among them the gradients of interpolation, of reflection padding, and of adaptive pooling
    to more than one value. That switch is not set here: it raises an error at such an operation, needs
    CUBLAS_WORKSPACE_CONFIG in the environment before the process first uses the GPU, and fills every new tensor.
    Triton kernels of `compile` repeat within a process; another process may tune them differently.

    Source: the note "Reproducibility" in the documentation of torch 2.14.
    """
    flags = torch.backends.cudnn
    before = flags.deterministic, flags.benchmark
    flags.deterministic, flags.benchmark = True, False
    try:
        yield
    finally:
        flags.deterministic, flags.benchmark = before
