"""The sizes of packs, measured where the packs will run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import ray
import torch

from resablate.devices import choose_device, limit_gpu_memory
from resablate.failures import reason_of
from resablate.pack_size import best_pack_size
from resablate.scheduling.packing import Measure
from resablate.spec import TrainSpec

log = logging.getLogger(__name__)


def measure_on_ray(*, cpus: float, threads: int, gpus: float, stop: Callable[[], bool]) -> Measure:
    """A Measure whose tasks get what a pack gets, as many at a time as fit.

    Args:
        cpus: of a pack.
        threads: of a pack.
        gpus: of a pack.
        stop: asked all the time whether to measure no more: what is not measured is not packed.
    """
    task = ray.remote(_best_size).options(num_cpus=cpus, num_gpus=gpus)

    def measure(shapes: Sequence[tuple[TrainSpec, int]]) -> list[int]:
        tasks = [task.remote(spec, most, threads, gpus) for spec, most in shapes]
        left = tasks
        while left and not stop():
            _, left = ray.wait(left, num_returns=len(left), timeout=1)
        for reference in left:
            ray.cancel(reference)
        return [1 if reference in left else _size(reference) for reference in tasks]

    return measure


def _best_size(spec: TrainSpec, most: int, threads: int, gpus: float) -> int:
    torch.set_num_threads(threads)
    limit_gpu_memory(gpus)
    return best_pack_size(spec, most, device=choose_device(gpus))


def _size(reference: Any) -> int:
    try:
        return ray.get(reference)
    except Exception as error:  # whatever it is, a trial will meet it again and say so
        log.warning("the size of packs could not be measured: %s", reason_of(error))
        return 1
