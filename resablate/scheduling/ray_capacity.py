"""How much of a sweep fits on a Ray at a time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from resablate.devices import gpu_memory_gib, gpu_share
from resablate.errors import ResourceError

if TYPE_CHECKING:
    from resablate.sweep import Resources

MAX_NODES_VARIABLE = "RESABLATE_MAX_NODES"
"""Set where a cluster starts that grows with its work: how many nodes like its largest it may have. Ray keeps quiet."""
_RAY_UNITS = 10_000
"""Ray counts every resource in whole numbers of so small a part.

Source: ray 2.59, src/ray/common/scheduling/fixed_point.h (kResourceUnitScaling), which rounds.
"""


@dataclass(frozen=True)
class RayCapacity:
    """What the connected Ray can give to the trials of one sweep."""

    concurrent: int
    """Packs at a time; a trial by itself is a pack of one."""
    gpus_per_trial: float
    description: str

    def in_words(self, resources: Resources) -> str:
        """What there is, and how much of the sweep it holds at a time."""
        return f"{self.description}; {self.concurrent} {'trials' if resources.pack == 1 else 'packs'} at a time"


def ray_capacity(resources: Resources) -> RayCapacity:
    """How many trials fit on the connected Ray at a time, once it has grown to the size that MAX_NODES_VARIABLE says.

    Raises:
        ResourceError: if no node can ever give what one trial asks for; says what there is.
    """
    alive = [node for node in ray.nodes() if node["Alive"]]
    nodes: list[Mapping[str, float]] = [node["Resources"] for node in alive]
    largest_gpu = max((node.get("GPU", 0.0) for node in nodes), default=0.0)
    gpus = float(min(1.0, largest_gpu)) if resources.gpus == "auto" else resources.gpus
    if resources.gpu_memory_gib is not None and 0 < gpus <= largest_gpu:
        gpus = gpu_share(gpus, memory_gib=resources.gpu_memory_gib, total_gib=_smallest_gpu_gib(alive))
    fits = [trials_that_fit(node, cpus=resources.cpus, gpus=gpus) for node in nodes]
    there = ", ".join(f"{node.get('CPU', 0.0):g} CPUs and {node.get('GPU', 0.0):g} GPUs" for node in nodes)
    if not any(fits):
        raise ResourceError(
            f"resources: a trial asks for {resources.cpus:g} CPUs and {gpus:g} GPUs, which no node can give"
            f" (nodes: {there}); ask for less, or use resources: auto"
        )
    description = f"{len(nodes)} node{'s' if len(nodes) > 1 else ''} ({there})"
    grown = max(fits) * _max_nodes()
    if grown > sum(fits):
        return RayCapacity(grown, gpus, f"{description}, growing to {_max_nodes()} like the largest")
    return RayCapacity(sum(fits), gpus, description)


def trials_that_fit(node: Mapping[str, float], *, cpus: float, gpus: float) -> int:
    """How many trials a node holds at a time.

    A part of a GPU lies on one GPU, so what several GPUs have left over is of no use together.

    Args:
        node: Ray's names of resources -> how much the node has; `CPU` and `GPU` count.
        cpus: of one trial.
        gpus: of one trial: a part of one, or whole ones, or 0.
    """
    by_cpu = _units(node.get("CPU", 0.0)) // _units(cpus)
    if not gpus:
        return by_cpu
    there = node.get("GPU", 0.0)
    by_gpu = int(there) * (_RAY_UNITS // _units(gpus)) if gpus < 1 else _units(there) // _units(gpus)
    return min(by_cpu, by_gpu)


def _units(amount: float) -> int:
    """In Ray's units; the least that a trial may ask for is one of them."""
    return max(1, round(amount * _RAY_UNITS)) if amount else 0


def _max_nodes() -> int:
    """Of a cluster that grows; 0 where nothing is said."""
    given = os.environ.get(MAX_NODES_VARIABLE) or "0"
    if not given.isdecimal():
        raise ResourceError(f"${MAX_NODES_VARIABLE} is a whole number of nodes, got {given!r}")
    return int(given)


def _smallest_gpu_gib(nodes: Sequence[Mapping[str, Any]]) -> float:
    """Memory of the smallest GPU, as each node that has one finds it, in GiB."""
    looks = [
        ray.remote(gpu_memory_gib)
        .options(num_gpus=0.01, scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
        .remote()
        for node in nodes
        if node["Resources"].get("GPU")
    ]
    return min(ray.get(looks))
