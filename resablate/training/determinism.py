"""Randomness as an argument, and a known number of threads."""

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
