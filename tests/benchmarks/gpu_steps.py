"""Training steps on a GPU: as they are usually written, compiled, captured, and of several networks at once.

Images are random bytes on the device: neither times nor launches depend on what they show.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch

from resablate.datasets import Examples
from resablate.model import ResidualNetwork, build_network, network_cost
from resablate.training import Training, derived_generator
from tests.benchmarks.eager_loop import EagerLoop

Row = dict[str, Any]
Task = tuple[str, Callable[[], Row]]
"""What a row is of, and how it is measured."""
EPOCH = 50_000
"""Images of CIFAR's training set, which an epoch is scaled to."""
FAST: Mapping[str, Any] = {"precision": "bf16", "memory_format": "channels_last"}
_BYTES = 2
"""Of a number in bfloat16."""
_PASSES = 21 / 2
"""Times that a step reads or writes what a convolution puts out, where all is fused that can be: 21 in a basic block,
of two convolutions, forward and back."""
_PUBLISHED_STEPS = 64_000
_SEEDS = 5
TABLE_1: Mapping[str, dict[str, Any]] = {
    "identity": {"name": "identity"},
    "constant scaling 0.5, 0.5": {"name": "constant_scale", "added_factor": 0.5},
    "constant scaling 0.5, 1": {"name": "constant_scale", "added_factor": 1.0},
    **{f"exclusive gate {bias}": {"name": "exclusive_gate", "bias": bias} for bias in (0, -6, -7)},
    **{f"shortcut-only gate {bias}": {"name": "shortcut_only_gate", "bias": bias} for bias in (0, -6, -7)},
    "1x1 convolution": {"name": "conv1x1"},
    "dropout": {"name": "dropout"},
    "none": {"name": "none"},
}
"""The cells of He et al. 2016, Table 1, as sweeps/he_table1.yaml has them."""


class Way(Protocol):
    """A way to train."""

    first_seconds: float
    """From nothing to the end of the first steps."""
    steps: int
    """That one call takes."""

    def __call__(self) -> None: ...


@dataclass(frozen=True)
class Place:
    """Where steps are taken, and how many."""

    device: torch.device
    batch: int
    steps: int
    """In a call that is timed."""
    rounds: int = 3

    def wait(self) -> None:
        """Until the device has done everything."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, run: Callable[[], object]) -> float:
        """Of one call."""
        self.wait()
        start = time.perf_counter()
        run()
        self.wait()
        return time.perf_counter() - start

    def step_seconds(self, *ways: Way) -> list[float]:
        """The least seconds of a step of each way, taken in turn."""
        found = [float("inf")] * len(ways)
        for _ in range(self.rounds):
            for place, way in enumerate(ways):
                found[place] = min(found[place], self.seconds(way) / way.steps)
        return found

    def examples(self) -> Examples:
        """As many random images as the steps of a call see."""
        draw = torch.Generator(self.device).manual_seed(0)
        count = self.batch * self.steps
        images = torch.randint(256, (count, 3, 32, 32), dtype=torch.uint8, device=self.device, generator=draw)
        labels = torch.randint(10, (count,), device=self.device, generator=draw)
        middle = torch.full((3, 1, 1), 0.5, device=self.device)
        return Examples(images, labels, middle, middle / 2)

    def network(self, depth: int, shortcut: Mapping[str, Any] | str = "identity") -> ResidualNetwork:
        """A ResNet for CIFAR: basic blocks, and bottlenecks at 164 layers, as He et al. 2016 have them."""
        bottlenecks = {"name": "resnet", "block": "bottleneck", "transition": "projection"}
        network = build_network(
            network=bottlenecks if depth == 164 else "resnet",
            depth=depth,
            shortcut=dict(shortcut) if isinstance(shortcut, Mapping) else shortcut,
            generator=derived_generator(0, "weights"),
        )
        return network.to(self.device)


class Usual:
    """The loop of `EagerLoop`.

    Args:
        place: where.
        network: that is trained.
        compiled: how torch.compile is asked; not at all where None.
    """

    def __init__(self, place: Place, network: ResidualNetwork, *, compiled: str | None = None) -> None:
        self.steps = place.steps
        self._loop = EagerLoop(network, place.examples(), batch_size=place.batch, mode=compiled)
        self.first_seconds = place.seconds(self)

    def __call__(self) -> None:
        self._loop.run_epoch()


class Ours:
    """Our training, whose steps a GPU replays.

    Args:
        place: where.
        networks: that are trained; as a pack where there are several.
        compile: whether blocks are compiled.
    """

    def __init__(self, place: Place, *networks: ResidualNetwork, compile: bool = False) -> None:
        self.steps = place.steps
        examples = place.examples()
        trainings = [
            Training(
                network,
                train=examples,
                val=None,
                epochs=10**6,
                batch_size=place.batch,
                learning_rate=0.1,
                augmentation="flip",
                seed=seed,
                compile=compile,
                **FAST,
            )
            for seed, network in enumerate(networks)
        ]
        self._run: Callable[[], object] = trainings[0].run_epoch if len(trainings) == 1 else packed(trainings)
        self.first_seconds = place.seconds(self)

    def __call__(self) -> None:
        self._run()


def packed(trainings: list[Training]) -> Callable[[], object]:
    """A call that trains them as one for an epoch."""
    from resablate.training import Pack

    return Pack(trainings).run_epoch


def epoch_of_resnet110(place: Place, *, depth: int, compiled: str | None) -> Iterator[Task]:
    """Seconds of an epoch of ResNet-110 of 50,000 images, bf16: eager, compiled as a whole, and ours."""
    build = partial(place.network, depth)
    ways: dict[str, Callable[[], Way]] = {
        "eager: autocast, channels_last": lambda: Usual(place, build()),
        "ours": lambda: Ours(place, build()),
        "ours, blocks compiled": lambda: Ours(place, build(), compile=compiled is not None),
    }
    if compiled is not None:
        ways[f"torch.compile, {compiled}"] = lambda: Usual(place, build(), compiled=compiled)
    eager: list[Way] = []

    def measure(name: str) -> Row:
        if not eager:
            eager.append(ways["eager: autocast, channels_last"]())
        way = ways[name]()
        baseline, ours = place.step_seconds(eager[0], way)
        again = ways[name]() if name.startswith("ours") else None
        epoch = EPOCH / place.batch
        return {
            "way": name,
            "epoch (s)": ours * epoch,
            "eager beside it (s)": baseline * epoch,
            "times faster": baseline / ours,
            "to the end of the first steps (s)": way.first_seconds,
            "the same, next training of this shape (s)": again.first_seconds if again else float("nan"),
        }

    for name in ways:
        yield name, partial(measure, name)


def packs(place: Place, *, depth: int, members: int) -> Iterator[Task]:
    """A step of each member of a pack, against the same trainings one after the other."""

    def measure() -> Row:
        usual, alone = Usual(place, place.network(depth)), Ours(place, place.network(depth))
        pack = Ours(place, *(place.network(depth) for _ in range(members)))
        eager, captured, together = place.step_seconds(usual, alone, pack)
        return {
            "network": f"ResNet-{depth}",
            "members": members,
            "eager, one after the other (ms)": 1e3 * eager,
            "ours, one after the other (ms)": 1e3 * captured,
            "pack, a member's step (ms)": 1e3 * together / members,
            "times faster than eager": eager * members / together,
            "times faster than ours": captured * members / together,
        }

    yield f"ResNet-{depth}, {members} members", measure


def ceilings(place: Place, *, side: int) -> tuple[float, float]:
    """Bytes copied (read and written) and multiply-adds of bf16 products in a second: the most of some tries."""
    numbers = torch.empty(side * side, dtype=torch.bfloat16, device=place.device)
    target = torch.empty_like(numbers)
    matrix = torch.randn(side, side, device=place.device).to(torch.bfloat16)
    product = torch.empty_like(matrix)
    for run in (partial(target.copy_, numbers), partial(torch.mm, matrix, matrix, out=product)):
        run()
    copied = min(place.seconds(partial(target.copy_, numbers)) for _ in range(5))
    multiplied = min(place.seconds(partial(torch.mm, matrix, matrix, out=product)) for _ in range(5))
    return 2 * _BYTES * numbers.numel() / copied, side**3 / multiplied


def depths(place: Place, *, chosen: tuple[int, ...], members: int, compiled: bool, side: int) -> Iterator[Task]:
    """Images a second of each network, and the most that the device's memory and its arithmetic would allow."""
    known: list[tuple[float, float]] = []

    def measure(depth: int) -> Row:
        if not known:
            known.append(ceilings(place, side=side))
        copied, multiplied = known[0]
        network = {"name": "resnet", "block": "bottleneck", "transition": "projection"} if depth == 164 else "resnet"
        cost = network_cost(size=(32, 32), network=network, depth=depth)
        ways = [Usual(place, place.network(depth)), Ours(place, place.network(depth))]
        if compiled:
            ways.append(Ours(place, place.network(depth), compile=True))
        seconds = place.step_seconds(*ways)
        rates = [place.batch / each for each in seconds]
        return {
            "network": f"ResNet-{depth}",
            "eager (images/s)": rates[0],
            "captured (images/s)": rates[1],
            "compiled and captured (images/s)": rates[2] if compiled else float("nan"),
            f"pack of {members} (images/s)": _pack_rate(place, depth, members),
            "allowed by memory (images/s)": copied / (_PASSES * _BYTES * cost.activations),
            "allowed by arithmetic (images/s)": multiplied / (3 * cost.multiply_adds),
            "copied (GB/s)": copied / 1e9,
            "multiplied (TFLOP/s)": 2 * multiplied / 1e12,
        }

    for depth in chosen:
        yield f"ResNet-{depth}", partial(measure, depth)


def _pack_rate(place: Place, depth: int, members: int) -> float:
    pack = Ours(place, *(place.network(depth) for _ in range(members)))
    (seconds,) = place.step_seconds(pack)
    return members * place.batch / seconds


def table_1(place: Place, *, depth: int) -> Iterator[Task]:
    """GPU-hours of he_table1 by a slice of each of its cells: 64,000 steps and five seeds of each."""

    def measure(name: str) -> Row:
        usual, ours = (way(place, place.network(depth, TABLE_1[name])) for way in (Usual, Ours))
        eager, captured = place.step_seconds(usual, ours)
        hours = _PUBLISHED_STEPS * _SEEDS / 3600
        return {
            "cell": name,
            "eager, a step (ms)": 1e3 * eager,
            "ours, a step (ms)": 1e3 * captured,
            "times faster": eager / captured,
            "eager (GPU-hours)": eager * hours,
            "ours (GPU-hours)": captured * hours,
        }

    for name in TABLE_1:
        yield name, partial(measure, name)
