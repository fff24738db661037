"""Whether trainings of a shape can run as one network, and how many of them run fastest so.

That is measured, for it depends on every size and on the device.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, final

import torch

from resablate.component_tables import TABLES
from resablate.datasets import DATASETS, Examples
from resablate.failures import free_memory
from resablate.model import build_network, unpackable_parts
from resablate.network_shape import NetworkShape, built
from resablate.packs import shape_key
from resablate.spec import TrainSpec
from resablate.torch_errors import is_out_of_memory
from resablate.training import BLOCK_SAMPLINGS, Pack, Training, keep_freed_memory, why_alone
from resablate.trial import network_fields, training_fields

log = logging.getLogger(__name__)

_SIZES = (2, 4, 8, 16, 32)
_GAIN = 0.96
"""A pack is worth it where a member takes no more than this part of the time: measurements err by a few hundredths."""
_WORSE = 1.02
"""Larger packs are not tried where a member takes this much longer than in the best one."""
_ROUNDS = 3
_SECONDS_OF_A_ROUND = 0.15
"""What a single network is timed for in a round, or one step where that takes longer."""
_LONGEST_COMPARISON = 10.0
"""Seconds; a size that would take longer to time is not tried."""


class _Place(NamedTuple):
    shape: str
    device: str
    threads: int


_MEASURED: dict[_Place, dict[int, float]] = {}
"""What was measured in this process: size of the pack -> a member's time as a part of what it takes alone."""


def unpackable(spec: TrainSpec) -> str:
    """Why trainings of this shape cannot train as a pack, all reasons in one line; empty where they can.

    Args:
        spec: canonical.
    """
    network = built(NetworkShape.of(spec))
    survival = BLOCK_SAMPLINGS[spec.block_sampling.name].chances(len(network.chain), spec.block_sampling)
    choices = spec.components()
    reasons = why_alone(choices, every_block=all(chance == 1 for chance in survival), compile=spec.compile)
    dataset = DATASETS[spec.dataset.name]
    if dataset.streamed:
        reasons.append(f"dataset {spec.dataset}: each member decodes images of its own, and the network waits for them")
    parts = network_fields(spec)
    for field, component in choices.items():
        foreign = field == "optimizer" and bool(component.identity)
        if field not in parts and not getattr(TABLES[field][component.name], "packs", not foreign):
            reasons.append(f"{field} {component}: does not say that it packs")
    reasons += [f"network {spec.network}: {part}" for part in unpackable_parts(network)]
    return "; ".join(dict.fromkeys(reasons))


def best_pack_size(spec: TrainSpec, at_most: int, *, device: torch.device) -> int:
    """How many trainings of the shape of `spec` train fastest as one on `device`, of at most so many.

    Whole steps on random images are timed, packs in turn with single networks, for some seconds; what was measured is
    kept for the process, for each shape, device and number of threads. 1 where nothing is gained, where trainings of
    this shape cannot be packed, and where a step takes so long that its calls cannot cost much.

    Args:
        spec: canonical.
        at_most: trainings that there are.
        device: that they train on.
    """
    if at_most < _SIZES[0] or unpackable(spec):
        return 1
    return fastest_size(pack_times(spec, at_most, device=device))


def fastest_size(times: Mapping[int, float]) -> int:
    """The size whose members take the least of the time that they take alone; 1 where too little is gained.

    Args:
        times: size of a pack -> that part.
    """
    best = min(times, key=lambda size: (times[size], size))
    return best if times[best] <= _GAIN else 1


def sizes_to_try(at_most: int) -> list[int]:
    """The sizes of packs that are compared, where so many trainings may train as one."""
    return sorted({*(size for size in _SIZES if size <= at_most), min(at_most, _SIZES[-1])})


def pack_times(spec: TrainSpec, at_most: int, *, device: torch.device) -> dict[int, float]:
    """Size of a pack -> a member's time in a step as a part of what it takes alone; those that were worth a try.

    Args:
        spec: canonical, of a shape that can be packed.
        at_most: the largest size.
        device: where they are timed.
    """
    if device.type == "cpu":
        keep_freed_memory()
    shape = shape_key(spec.replace(epochs=1, iterations=None))
    known = _MEASURED.setdefault(_Place(shape, str(device), torch.get_num_threads()), {1: 1.0})
    sizes = [size for size in sizes_to_try(at_most) if size not in known]
    alone = _Timed(spec, 1, device) if sizes else None
    for size in sizes:
        if alone is None or known[max(known)] > _WORSE * min(known.values()):
            break
        if (_ROUNDS + 1) * (size + 1) * alone.step_seconds > _LONGEST_COMPARISON:
            break
        try:
            known[size] = _compare(alone, _Timed(spec, size, device))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            log.info("a pack of %d does not fit into memory", size)
            break
        free_memory()
    return {size: part for size, part in known.items() if size <= at_most}


def _compare(alone: _Timed, pack: _Timed) -> float:
    """A member's time in a pack as a part of what it takes alone: of each the least of some rounds, in turn."""
    repeats = max(1, round(_SECONDS_OF_A_ROUND / alone.step_seconds))
    rounds = [(alone.seconds(repeats), pack.seconds(repeats)) for _ in range(_ROUNDS)]
    return min(of_pack for _, of_pack in rounds) / pack.size / min(of_one for of_one, _ in rounds)


@final
class _Timed:
    """A pack of trainings on random images, or one training alone, whose steps are timed.

    Args:
        spec: their shape.
        size: how many.
        device: where they train.

    Attributes:
        step_seconds: of one step.
    """

    def __init__(self, spec: TrainSpec, size: int, device: torch.device) -> None:
        self.size = size
        self._device = device
        trainings = [_training(spec, member, device) for member in range(size)]
        plans = [training.plan() for training in trainings]
        if size == 1:
            self._step: Callable[[], None] = partial(trainings[0].run_steps, plans[0])
        else:
            self._step = partial(Pack(trainings).run_steps, plans)
        self.seconds(1)  # the first one also prepares what the later ones use
        self.step_seconds = self.seconds(1)

    def seconds(self, steps: int) -> float:
        """Seconds that so many steps take."""
        start = self._now()
        for _ in range(steps):
            self._step()
        return self._now() - start

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        elif torch.get_num_threads() == 1:
            return time.thread_time()  # which other processes do not lengthen
        return time.perf_counter()


def _training(spec: TrainSpec, member: int, device: torch.device) -> Training:
    dataset = DATASETS[spec.dataset.name]
    draw = torch.Generator().manual_seed(member)
    network = build_network(
        **network_fields(spec), in_channels=dataset.channels, num_classes=dataset.num_classes, generator=draw
    ).to(device)
    count = min(spec.batch_size, dataset.train_count)
    images = torch.randn(count, dataset.channels, *dataset.size, generator=draw)
    labels = torch.randint(dataset.num_classes, (count,), generator=draw)
    examples = Examples(images, labels).to(device)
    return Training(network, train=examples, val=examples, **training_fields(spec.replace(seed=member)))
