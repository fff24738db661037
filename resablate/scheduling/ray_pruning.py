"""The process that decides which members of packs are pruned: it hears of every epoch of every trial of the sweep."""

from __future__ import annotations

from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from resablate.measurement import EpochMetrics
from resablate.searches.member_pruning import MemberPruning
from resablate.session import Prune


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class PruningActor:
    """A MemberPruning for all packs; one that dies begins anew, with less to compare by."""

    def __init__(self, pruning: str, epochs: int) -> None:
        self._pruning = MemberPruning(pruning, epochs=epochs)

    def reason(self, key: str, epoch: int, val_error: float) -> str:
        """As `MemberPruning.reason`."""
        return self._pruning.reason(key, epoch, val_error)


def start_pruning(pruning: str, *, epochs: int) -> Any:
    """A PruningActor on this node."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return PruningActor.options(scheduling_strategy=here).remote(pruning, epochs)


def asking(actor: Any) -> Prune:
    """What a session asks after each epoch: the actor, which it waits for."""

    def reason(key: str, metrics: EpochMetrics) -> str:
        assert metrics.val_error is not None, "a sweep that prunes holds out images"
        return ray.get(actor.reason.remote(key, metrics.epoch, metrics.val_error))

    return reason
