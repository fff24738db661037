"""Measure how fast this machine computes, by short pieces of what trials do: `resablate calibrate`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, final

import numpy as np
import torch
from scipy.optimize import nnls

from resablate.analyses import spectrum
from resablate.datasets import Examples
from resablate.devices import device_name
from resablate.estimates import pass_work
from resablate.machine_speed import MachineSpeed, PassSpeed, Work, processor, regime
from resablate.model import NetworkCost, ResidualNetwork, Route, build_network, network_cost, path_gradients, path_norms
from resablate.training import Training, derived_generator, evaluate, thread_count

_STEPS = 2
"""Of an epoch that is timed."""
_ROUNDS = 4
_LONGEST_SECONDS = 40.0
"""No round begins later than that."""
_CLASSES = 10
_FASTEST = ("bf16", "channels_last")


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
_USUAL = Shape(8, 16, 32, 3, 128)
"""Of which ways to compute are compared, and analyses measured."""


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


def calibrate(device: torch.device, *, shapes: Sequence[Shape] = SHAPES, usual: Shape = _USUAL) -> MachineSpeed:
    """The speed of this machine's `device`; takes less than a minute where half a core is free.

    Everything is run in turn, some times over, and the least time of each counts: on one thread of a CPU its processor
    time, on a GPU the time on the wall.

    Args:
        device: a CPU or CUDA device.
        shapes: networks that are trained and evaluated for a moment, at least five different ones.
        usual: of which ways to compute are compared, and analyses measured.
    """
    clock = _Clock(device)
    with thread_count(1):
        steps = [_Piece(_epoch(shape, device), per=_STEPS) for shape in shapes]
        forwards = [_Piece(partial(evaluate, *_examples_of(shape, device))) for shape in shapes]
        ways = {way: _Piece(_epoch(usual, device, *way), per=_STEPS) for way in (("float32", "contiguous"), _FASTEST)}
        network, examples = _examples_of(usual, device)
        few = examples.take(slice(8))
        images, labels = few.normalize(few.images), few.labels
        sides = (Route.GRADIENT_BY_SHORTCUT, Route.GRADIENT_BY_BRANCH)
        routes = [sides[place % 2] for place in range(len(network.chain))]
        analyses = {
            "forward": _Piece(partial(evaluate, network, few)),
            "walk": _Piece(partial(path_norms, network, images, labels)),
            "sampled": _Piece(partial(path_gradients, network, images, labels, routes=routes)),
            "spectrum": _Piece(partial(spectrum, network, few, generator=derived_generator(0, "calibration"))),
        }
        _in_turn([*steps, *forwards, *ways.values(), *analyses.values()], clock)
    passed = analyses["forward"].least
    plain, fast = (piece.least for piece in ways.values())
    return MachineSpeed(
        step=_fit([pass_work(s.cost, s.batch, batch=s.batch) for s in shapes], [piece.least for piece in steps]),
        forward=_fit([pass_work(shape.cost, shape.batch) for shape in shapes], [piece.least for piece in forwards]),
        walk=max(analyses["walk"].least / passed - 1, 0.0) / ((usual.cost.blocks + 1) / 2),
        sampled=analyses["sampled"].least / passed,
        spectrum=analyses["spectrum"].least / usual.cost.multiply_adds,
        regimes={regime("float32", "contiguous"): 1.0, regime(*_FASTEST): plain / fast},
        measured=f"{processor()}, {device_name(device)}, torch {torch.__version__}, {datetime.now(UTC).date()}",
    )


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
    network, examples = _examples_of(shape, device, count=_STEPS * shape.batch)
    training = Training(
        network,
        train=examples,
        val=None,
        epochs=10**6,
        batch_size=shape.batch,
        learning_rate=1e-4,
        augmentation="flip",
        precision=precision,
        memory_format=memory_format,
        seed=0,
    )
    return training.run_epoch


def _fit(work: Sequence[Work], seconds: Sequence[float]) -> PassSpeed:
    """The speeds, none below zero, by which the seconds are told with the least relative error."""
    rows = np.array(work) / np.array(seconds)[:, None]
    scale = rows.max(axis=0)
    scale[scale == 0] = 1.0
    found, _ = nnls(rows / scale, np.ones(len(seconds)))
    return PassSpeed(*(found / scale).tolist())
