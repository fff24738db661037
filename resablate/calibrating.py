"""Measure how fast this machine computes, by short pieces of what trials do: `resablate calibrate`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Any, NamedTuple, final

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from resablate.analyses import spectrum
from resablate.datasets import Examples
from resablate.devices import device_name
from resablate.estimates import pass_work, walked_vectors
from resablate.machine_speed import PLAIN, MachineSpeed, PassSpeed, Work, processor, regime
from resablate.model import NetworkCost, ResidualNetwork, Route, build_network, network_cost, path_gradients, path_norms
from resablate.training import MEMORY_FORMATS, PRECISIONS, Pack, Training, derived_generator, evaluate, thread_count

_STEPS = 2
"""Of an epoch that is timed."""
_ROUNDS = 4
_LONGEST_SECONDS = 40.0
"""No round begins later than that."""
_CLASSES = 10


class Shape(NamedTuple):
    """A network and what it is trained on."""

    depth: int
    width: int
    side: int
    """Of the square images, in pixels."""
    channels: int
    batch: int

    @property
    def cost(self) -> NetworkCost:
        """What the network costs for one image."""
        return network_cost(
            size=(self.side, self.side),
            in_channels=self.channels,
            depth=self.depth,
            width=self.width,
            num_classes=_CLASSES,
        )


SHAPES = (
    Shape(8, 8, 8, 1, 32),
    Shape(20, 8, 8, 1, 32),
    Shape(14, 8, 8, 1, 128),
    Shape(8, 8, 28, 1, 64),
    Shape(8, 16, 32, 3, 128),
    Shape(8, 16, 28, 1, 128),
    Shape(14, 16, 16, 3, 64),
    Shape(8, 32, 16, 3, 64),
    Shape(8, 64, 8, 3, 64),
    Shape(20, 16, 8, 1, 64),
)
"""Shallow networks that differ in what makes a step slow: calls, numbers, and products of few and of many channels."""
PACKS = (
    (Shape(8, 8, 8, 1, 32), 4),
    (Shape(20, 8, 8, 1, 32), 4),
    (Shape(14, 8, 8, 1, 128), 2),
    (Shape(8, 8, 28, 1, 32), 4),
    (Shape(14, 16, 16, 3, 32), 2),
    (Shape(8, 32, 16, 3, 32), 2),
    (Shape(8, 64, 8, 3, 32), 2),
    (Shape(20, 16, 8, 1, 64), 4),
)
"""Shapes, and how many networks of each train as one."""
_FEW = 8
"""Examples whose gradients are followed by path."""
_USUAL = Shape(8, 16, 32, 3, 128)
"""Whose singular values are measured."""
COMPARED = (Shape(14, 8, 8, 1, 32), Shape(8, 16, 8, 1, 64), _USUAL)
"""Shapes by which ways to compute are compared: from calls that take the time to products that do."""


@final
class _Clock:
    """Seconds of calls: of one core's processor time, which other processes hardly lengthen, or of a GPU."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            return time.perf_counter()
        return time.process_time()

    def seconds(self, run: Callable[[], object]) -> float:
        start = self.now()
        run()
        return self.now() - start


@dataclass
class _Piece:
    """Something that is timed again and again: the least counts."""

    run: Callable[[], object]
    per: int = 1
    """What one call does so often."""
    least: float = float("inf")

    def time(self, clock: _Clock) -> None:
        """One call more."""
        self.least = min(self.least, clock.seconds(self.run) / self.per)


def calibrate(
    device: torch.device,
    *,
    shapes: Sequence[Shape] = SHAPES,
    packs: Sequence[tuple[Shape, int]] = PACKS,
    usual: Shape = _USUAL,
    compared: Sequence[Shape] = COMPARED,
) -> MachineSpeed:
    """The speed of this machine's `device`; takes less than a minute where half a core is free.

    Everything is run in turn, some times over, and the least time of each counts: on one thread of a CPU its processor
    time, on a GPU the time on the wall.

    Args:
        device: a CPU or CUDA device.
        shapes: networks that are trained and evaluated for a moment, at least five different ones.
        packs: shapes of networks, and how many of them train as one for a moment, at least five different ones.
        usual: whose singular values are measured.
        compared: shapes by which ways to compute are compared.
    """
    clock = _Clock(device)
    with thread_count(1):
        steps = [_Piece(_epoch(shape, device), per=_STEPS) for shape in shapes]
        together = [_Piece(_pack_epoch(shape, members, device), per=_STEPS) for shape, members in packs]
        ways = {way: [_Piece(_epoch(shape, device, *way), per=_STEPS) for shape in compared] for way in _ways(device)}
        built = [_examples_of(shape, device) for shape in shapes]
        forwards = [_Piece(partial(evaluate, *each)) for each in built]
        few = [(network, examples.take(slice(_FEW))) for network, examples in built]
        passes = [_Piece(partial(evaluate, *each)) for each in few]
        walks = [_Piece(partial(path_norms, network, *_seen(examples))) for network, examples in few]
        sampled = [_Piece(_one_path(network, examples)) for network, examples in few]
        network, examples = _examples_of(usual, device, count=1)
        singular = _Piece(partial(spectrum, network, examples, generator=derived_generator(0, "calibration")))
        _in_turn([*steps, *together, *forwards, *chain(*ways.values()), *passes, *walks, *sampled, singular], clock)
    once = [pass_work(shape.cost, _FEW) for shape in shapes]
    vectors = [walked_vectors(shape.cost.blocks) for shape in shapes]
    # A walk begins with a forward pass, which is counted by itself.
    back = [max(walk.least - one.least, one.least / 10) for walk, one in zip(walks, passes, strict=True)]
    return MachineSpeed(
        step=_fit([_batch_work(shape) for shape in shapes], _seconds(steps)),
        packed=_fit([_batch_work(shape).of_images(members) for shape, members in packs], _seconds(together)),
        forward=_fit(
            [*(pass_work(shape.cost, shape.batch) for shape in shapes), *once], [*_seconds(forwards), *_seconds(passes)]
        ),
        walk=_fit([work.of_images(count) for work, count in zip(once, vectors, strict=True)], back),
        sampled=_fit(once, _seconds(sampled)),
        spectrum=singular.least / usual.cost.multiply_adds,
        regimes={
            regime(*way): {
                _batch_work(shape).of_a_layer: plain.least / piece.least
                for shape, plain, piece in zip(compared, ways[PLAIN], pieces, strict=True)
            }
            for way, pieces in ways.items()
        },
        measured=f"{processor()}, {device_name(device)}, torch {torch.__version__}, {datetime.now(UTC).date()}",
    )


def _ways(device: torch.device) -> list[tuple[str, str]]:
    """Precisions and memory formats that differ on a device."""
    precisions = [name for name, row in PRECISIONS.items() if device.type == "cuda" or not row.tf32]
    return [(precision, memory_format) for precision in precisions for memory_format in MEMORY_FORMATS]


def _seconds(pieces: Sequence[_Piece]) -> list[float]:
    return [piece.least for piece in pieces]


def _batch_work(shape: Shape) -> Work:
    return pass_work(shape.cost, shape.batch, batch=shape.batch)


def _seen(examples: Examples) -> tuple[Tensor, Tensor]:
    return examples.normalize(examples.images), examples.labels


def _one_path(network: ResidualNetwork, examples: Examples) -> Callable[[], object]:
    """A call that takes the gradient of the path that goes through every other block's branch."""
    sides = (Route.GRADIENT_BY_SHORTCUT, Route.GRADIENT_BY_BRANCH)
    routes = [sides[place % 2] for place in range(len(network.chain))]
    return partial(path_gradients, network, *_seen(examples), routes=routes)


def _in_turn(pieces: Sequence[_Piece], clock: _Clock) -> None:
    """Some rounds over everything, the first of which does not count."""
    begun = time.monotonic()
    for piece in pieces:
        piece.run()
    for finished in range(_ROUNDS):
        if finished and time.monotonic() - begun > _LONGEST_SECONDS:
            return
        for piece in pieces:
            piece.time(clock)


def _examples_of(shape: Shape, device: torch.device, *, count: int | None = None) -> tuple[ResidualNetwork, Examples]:
    """A network that has not trained, and random bytes to run it on."""
    draw = torch.Generator().manual_seed(0)
    network = build_network(
        depth=shape.depth, width=shape.width, in_channels=shape.channels, num_classes=_CLASSES, generator=draw
    )
    size = (count or shape.batch, shape.channels, shape.side, shape.side)
    images = torch.randint(256, size, dtype=torch.uint8, generator=draw)
    labels = torch.randint(_CLASSES, size[:1], generator=draw)
    middle = torch.full((shape.channels, 1, 1), 0.5)
    return network.to(device), Examples(images, labels, middle, middle / 2).to(device)


def _epoch(
    shape: Shape, device: torch.device, precision: str = "float32", memory_format: str = "contiguous"
) -> Callable[[], object]:
    """A call that trains a network for an epoch of `_STEPS`."""
    return _training(shape, device, precision=precision, memory_format=memory_format).run_epoch


def _pack_epoch(shape: Shape, members: int, device: torch.device) -> Callable[[], object]:
    """A call that trains so many networks as one for an epoch of `_STEPS`."""
    return Pack([_training(shape, device) for _ in range(members)]).run_epoch


def _training(shape: Shape, device: torch.device, **way: str) -> Training:
    network, examples = _examples_of(shape, device, count=_STEPS * shape.batch)
    fields: dict[str, Any] = {"batch_size": shape.batch, "learning_rate": 1e-4, "augmentation": "flip", **way}
    return Training(network, train=examples, val=None, epochs=10**6, seed=0, **fields)


def _fit(work: Sequence[Work], seconds: Sequence[float]) -> PassSpeed:
    """The speeds, none below zero, by which the seconds are told with the least relative error."""
    rows = np.array(work) / np.array(seconds)[:, None]
    scale = rows.max(axis=0)
    scale[scale == 0] = 1.0
    found, _ = nnls(rows / scale, np.ones(len(seconds)))
    return PassSpeed(*(found / scale).tolist())
