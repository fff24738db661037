"""Threads that compute beside each other, each on one core."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import torch

Part = TypeVar("Part")
Result = TypeVar("Result")


def on_threads(count: int, run: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
    """`run` of each part in order, on so many threads at once, each of which computes on one core.

    Args:
        count: of threads; with one, everything runs as it would without this.
        run: must not depend on what a thread of its own does not have, such as a grad mode that was set outside.
        parts: what there is to do.
    """
    if count == 1:
        return [run(part) for part in parts]
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(count, initializer=partial(torch.set_num_threads, 1)) as pool:
            return list(pool.map(run, parts))
    finally:
        torch.set_num_threads(before)  # from which threads of torch's own start
