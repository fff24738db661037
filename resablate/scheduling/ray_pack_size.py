"""The sizes of packs, measured where the packs will run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import ray
import torch

from resablate.devices import choose_device, limit_gpu_memory, threads
from resablate.failures import reason_of
from resablate.pack_size import best_pack_size
from resablate.scheduling.packing import PackSizes
from resablate.scheduling.ray_capacity import RayCapacity
from resablate.searches.pruning import PAUSING
from resablate.spec import TrainSpec
from resablate.sweep import SweepSpec

log = logging.getLogger(__name__)


def pack_sizes_on_ray(
    sweep: SweepSpec, capacity: RayCapacity, *, say: Callable[[str], None], stop: Callable[[], bool]
) -> PackSizes:
    """What puts the trials of a sweep into packs, measured by tasks that get what a pack gets.

    Args:
        sweep: of the trials.
        capacity: of the connected Ray.
        say: told what is done.
        stop: asked all the time whether to measure no more: what is not measured is not packed.
    """
    resources = sweep.resources
    gpus = capacity.gpus_per_trial
    task = ray.remote(_best_size).options(num_cpus=resources.cpus, num_gpus=gpus)

    def measure(shapes: Sequence[tuple[TrainSpec, int]]) -> list[int]:
        tasks = [task.remote(spec, most, threads(resources.cpus), gpus) for spec, most in shapes]
        left = tasks
        while left and not stop():
            _, left = ray.wait(left, num_returns=len(left), timeout=1)
        for reference in left:
            ray.cancel(reference)
        return [1 if reference in left else _size(reference) for reference in tasks]

    asked = 1 if sweep.search.pruning in PAUSING else resources.pack
    return PackSizes(asked, slots=capacity.concurrent, measure=measure, say=say)


def _best_size(spec: TrainSpec, most: int, thread_count: int, gpus: float) -> int:
    torch.set_num_threads(thread_count)
    limit_gpu_memory(gpus)
    return best_pack_size(spec, most, device=choose_device(gpus))


def _size(reference: Any) -> int:
    try:
        return ray.get(reference)
    except Exception as error:  # whatever it is, a trial will meet it again and say so
        log.warning("the size of packs could not be measured: %s", reason_of(error))
        return 1
