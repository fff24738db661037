"""Four trainings as one network against the same one after the other, whole steps, on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from resablate.check import check_trial
from resablate.datasets import Examples
from resablate.model import build_network
from resablate.pack_size import best_pack_size
from resablate.spec import TrainSpec
from resablate.training import Pack, Packs, Training, keep_freed_memory, thread_count
from tests.benchmarks.measuring import Row, spent_in_turn

MEMBERS = 4
CHOICES = 8
"""Trainings that there are where the size of the pack is left to a measurement."""
ROUNDS = 5
CLOSE = 1e-4
"""Of the losses of the first steps, relative: what a network makes of single precision's rounding."""
CPU = torch.device("cpu")


def rows() -> Iterator[Row]:
    """Two networks of width 8, and the sizes that a measurement chooses, of width 16 too."""
    keep_freed_memory()
    with thread_count(1):
        yield _pack_of_four(depth=20, side=8, batch_size=32, steps=4, asked=1.9)
        yield _pack_of_four(depth=56, side=8, batch_size=128, steps=1, asked=1.2)
        yield _pack_of_four(depth=56, side=28, batch_size=64, steps=1, asked=1.2)
        yield _chosen_size(width=8, dataset="digits", batch_size=32, steps=4)
        yield _chosen_size(width=16, dataset="digits", batch_size=128, steps=2)
        yield _chosen_size(width=16, dataset="fashion_mnist", batch_size=64, steps=1)


def _pack_of_four(*, depth: int, side: int, batch_size: int, steps: int, asked: float) -> Row:
    what = f"a pack of {MEMBERS}: ResNet-{depth} of width 8 on {side}x{side}, batch {batch_size}, 1 thread, whole steps"
    return _compared(what, MEMBERS, depth=depth, width=8, side=side, batch_size=batch_size, steps=steps, asked=asked)


def _chosen_size(*, width: int, dataset: str, batch_size: int, steps: int) -> Row:
    """What `resources: {pack: auto}` chooses, and that it is no slower than none."""
    spec = TrainSpec.parse({"dataset": dataset, "depth": 20, "width": width, "batch_size": batch_size})
    size = best_pack_size(check_trial(spec), CHOICES, device=CPU)
    side = {"digits": 8, "fashion_mnist": 28}[dataset]
    what = (
        f"packs of {size}, as `pack: auto` chooses of {CHOICES}: ResNet-20 of width {width} on {side}x{side}, batch"
        f" {batch_size}, 1 thread, whole steps"
    )
    return _compared(what, size, depth=20, width=width, side=side, batch_size=batch_size, steps=steps, asked=0.98)


def _compared(
    what: str, size: int, *, depth: int, width: int, side: int, batch_size: int, steps: int, asked: float
) -> Row:
    shape = {"depth": depth, "width": width, "side": side, "batch_size": batch_size, "steps": steps}
    alone, packed = ([_training(seed, **shape) for seed in range(size)] for _ in range(2))
    plans = [training.plan() for training in alone]
    for training in alone:
        training.run_epoch()
    Packs().run_epoch(packed)
    for one, member in zip(alone, packed, strict=True):
        theirs, ours = one.history[0].train_loss, member.history[0].train_loss
        assert abs(ours - theirs) <= CLOSE * abs(theirs), f"{what}: a loss of {ours}, {theirs} alone"
    each = [partial(training.run_steps, plan) for training, plan in zip(alone, plans, strict=True)]
    together = partial(Pack(packed).run_steps, plans) if size > 1 else partial(packed[0].run_steps, plans[0])
    spent = spent_in_turn(lambda: [run() for run in each], together, rounds=ROUNDS)
    return Row.of(what, "one after the other", spent, asked=asked)


def _training(seed: int, *, depth: int, width: int, side: int, batch_size: int, steps: int) -> Training:
    draw = torch.Generator().manual_seed(seed)
    network = build_network(depth=depth, width=width, in_channels=1, generator=draw)
    images = torch.randn(steps * batch_size, 1, side, side, generator=draw)
    examples = Examples(images, torch.randint(10, (len(images),), generator=draw))
    settings: dict[str, Any] = {"learning_rate": 1e-3, "schedule": "constant", "seed": seed}
    return Training(network, train=examples, val=examples, epochs=2, batch_size=batch_size, **settings)
