"""What a GPU makes of deep thin networks: training, launches, convolutions, eigenvalues and analyses.

    python -m tests.benchmarks.gpu --data-root DATA [--parts launches training] [--blocks basic] [--folder FOLDER]
    python -m tests.benchmarks.gpu --dry-run

Needs the library layers alone: torch, torchvision and safetensors. Every measurement is a line of gpu.jsonl as soon as
it is taken, and gpu.md is written anew from all lines: a run that is cut off loses nothing, parts may be run apart, and
what is measured again replaces what it was. `--dry-run` goes the same ways with tiny sizes, on the CPU, and its figures
mean nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from resablate.analyses import lesion
from resablate.datasets import DATASETS, Examples, Splits, load_dataset, split_dataset
from resablate.model import ResidualNetwork, build_network, gradients_by_length
from resablate.orderings import ORDERINGS
from resablate.training import Training, calibrated, derived_generator, evaluate, float32_products
from tests.benchmarks.eager_loop import EagerLoop

FOLDER = Path(__file__).parents[2] / "reports" / "benchmarks"
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much of everything."""

    dataset: str = "fashion_mnist"
    depths: Mapping[str, int]
    """Block -> depth."""
    blocks: Sequence[str] = ("basic", "bottleneck")
    """Of the networks that are trained and analyzed."""
    orderings: Sequence[str] = tuple(ORDERINGS)
    epochs: int
    batch_size: int = 128
    steps: int
    """In an epoch; all batches are of one size, so that one graph is compiled."""
    compile: bool = True
    repeats: int = 20
    images: int
    """What lesions are made on."""
    path_images: int
    models: int = 8
    """Equal networks side by side."""
    matrices: int


REAL = Sizes(
    depths={"basic": 110, "bottleneck": 164}, epochs=4, steps=421, images=10_000, path_images=128, matrices=4096
)
DRY = Sizes(
    dataset="synthetic",
    depths={"basic": 8, "bottleneck": 11},
    epochs=2,
    batch_size=16,
    steps=2,
    compile=False,
    repeats=2,
    images=32,
    path_images=4,
    models=2,
    matrices=4,
)
FAST = {"precision": "bf16", "memory_format": "channels_last"}


@dataclass(frozen=True)
class Bench:
    """What every part is given."""

    device: torch.device
    sizes: Sizes
    splits: Splits

    def network(self, block: str, ordering: str = "full_preactivation") -> ResidualNetwork:
        """ResNet-110 of basic blocks, or ResNet-164 of bottlenecks."""
        network = build_network(
            network={
                "name": "resnet",
                "block": block,
                "transition": "projection" if block == "bottleneck" else "pad",
            },
            depth=self.sizes.depths[block],
            ordering=ordering,
            in_channels=DATASETS[self.sizes.dataset].channels,
            generator=derived_generator(0, "weights"),
        )
        return network.to(self.device)

    def wait(self) -> None:
        """Until the device has done everything."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, run: Callable[[], object]) -> float:
        """The median of some calls, after one that does not count."""
        run()
        times: list[float] = []
        for _ in range(self.sizes.repeats):
            self.wait()
            start = time.perf_counter()
            run()
            self.wait()
            times.append(time.perf_counter() - start)
        return median(times)

    def graph(self, run: Callable[[], object]) -> Callable[[], object]:
        """`run` as one CUDA graph; as it is where there is no CUDA."""
        if self.device.type != "cuda":
            return run
        side = torch.cuda.Stream(self.device)
        side.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(side):
            for _ in range(3):  # what is allocated or chosen at first use must not be captured
                run()
        torch.cuda.current_stream(self.device).wait_stream(side)
        captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(captured):
            run()
        return captured.replay

    def side_by_side(self, runs: Sequence[Callable[[], object]]) -> None:
        """Each on a stream of its own, beginning and ending together; one after the other where there is no CUDA."""
        if self.device.type != "cuda":
            _in_turn(runs)
            return
        main = torch.cuda.current_stream(self.device)
        streams = [torch.cuda.Stream(self.device) for _ in runs]
        for stream, run in zip(streams, runs, strict=True):
            stream.wait_stream(main)
            with torch.cuda.stream(stream):
                run()
        for stream in streams:
            main.wait_stream(stream)


def _in_turn(runs: Sequence[Callable[[], object]]) -> None:
    for run in runs:
        run()


def training(bench: Bench) -> Iterator[Row]:
    """What each regime adds for one ordering, every ordering as fast as it goes, and loops as others write them.

    Epochs are the median of all but the first; the first step holds what is compiled. The compiled loop comes last, for
    it takes minutes before its first step.
    """
    sizes = bench.sizes
    fastest = {**FAST, "compile": sizes.compile}
    steps: list[dict[str, Any]] = [{}, {"precision": "tf32"}, {"precision": "bf16"}, FAST]
    asked = "full_preactivation" in sizes.orderings
    for block in sizes.blocks:
        if asked:
            yield _loop(bench, block, mode=None)
            for regime in steps:
                yield _train(bench, block, "full_preactivation", regime)
        for ordering in sizes.orderings:
            yield _train(bench, block, ordering, fastest)
    for block in sizes.blocks if asked and sizes.compile else []:
        yield _loop(bench, block, mode="max-autotune")


def _train(bench: Bench, block: str, ordering: str, regime: dict[str, Any]) -> Row:
    """Ours: the step captured, and blocks compiled by kind where the regime says so."""
    sizes, network = bench.sizes, bench.network(block, ordering)
    run = Training(
        network,
        train=_trained_on(bench),
        val=bench.splits.val.take(slice(sizes.batch_size)),
        epochs=sizes.epochs,
        batch_size=sizes.batch_size,
        learning_rate=0.1,
        schedule="one_cycle",
        augmentation="flip",
        seed=0,
        **regime,
    )
    named = " + ".join(name if value is True else str(value) for name, value in regime.items() if value) or "float32"
    way = f"captured, {named}" if bench.device.type == "cuda" else named
    told = {"network": f"ResNet-{sizes.depths[block]}", "ordering": ordering, "way": way}
    row = _timed(bench, told, optimizer=run.optimizer, epoch=run.run_epoch)
    with float32_products():
        tested = evaluate(network, bench.splits.test)
    return {**row, "training loss": run.history[-1].train_loss, "test error": tested.error}


def _loop(bench: Bench, block: str, *, mode: str | None) -> Row:
    """Another's loop with the same arithmetic as our fastest."""
    loop = EagerLoop(bench.network(block), _trained_on(bench), batch_size=bench.sizes.batch_size, mode=mode)
    way = f"a plain loop, {'eager' if mode is None else f'compile(mode={mode})'}, bf16 + channels_last"
    losses: list[float] = []
    told = {"network": f"ResNet-{bench.sizes.depths[block]}", "ordering": "full_preactivation", "way": way}
    row = _timed(bench, told, optimizer=loop.optimizer, epoch=lambda: losses.append(loop.run_epoch()))
    return {**row, "training loss": losses[-1], "test error": math.nan}


def _trained_on(bench: Bench) -> Examples:
    examples = bench.splits.train.take(slice(bench.sizes.steps * bench.sizes.batch_size))
    assert isinstance(examples, Examples)
    return examples


def _timed(
    bench: Bench, named: dict[str, str], *, optimizer: torch.optim.Optimizer, epoch: Callable[[], object]
) -> Row:
    """Times of some epochs, and of the first step of all."""
    first: list[float] = []

    def note(*_: object) -> None:
        if not first:
            bench.wait()
            first.append(time.perf_counter() - start)

    optimizer.register_step_post_hook(note)
    times: list[float] = []
    for _ in range(bench.sizes.epochs):
        bench.wait()
        start = time.perf_counter()
        epoch()
        bench.wait()
        times.append(time.perf_counter() - start)
    seconds = median(times[1:])
    return {
        **named,
        "first step (s)": first[0],
        "first epoch (s)": times[0],
        "epoch (s)": seconds,
        "images/s": bench.sizes.steps * bench.sizes.batch_size / seconds,
    }


def launches(bench: Bench) -> Iterator[Row]:
    """The forward pass of ResNet-110 in eval mode, op by op and as one graph."""
    network = bench.network("basic").eval()
    for batch in (1, bench.sizes.batch_size):
        images = _images(bench, batch)
        with torch.no_grad(), float32_products():
            forward = partial(network, images)
            count = _kernels(bench, forward)
            eager, graph = bench.seconds(forward), bench.seconds(bench.graph(forward))
        yield {
            "images": batch,
            "launches": count,
            "eager (ms)": 1e3 * eager,
            "graph (ms)": 1e3 * graph,
            "eager, per launch (us)": 1e6 * eager / count,
            "graph, per launch (us)": 1e6 * graph / count,
        }


def _kernels(bench: Bench, run: Callable[[], object]) -> int:
    """Kernels that `run` launches; torch's operators where there is no CUDA."""
    kinds = torch.profiler.ProfilerActivity
    run()
    with torch.profiler.profile(activities=[kinds.CPU, *([kinds.CUDA] if bench.device.type == "cuda" else [])]) as seen:
        run()
        bench.wait()
    events = seen.events() or []
    kernels = sum(str(event.device_type).endswith("CUDA") for event in events)
    return kernels or sum(event.name.startswith("aten::") for event in events)


def convolutions(bench: Bench) -> Iterator[Row]:
    """A 3x3 convolution of each stage for equal networks, each way one graph; microseconds are those of one network."""
    for channels, side in ((16, 32), (32, 16), (64, 8)):
        for dtype, layout in ((torch.float32, torch.contiguous_format), (torch.bfloat16, torch.channels_last)):
            models, batch = bench.sizes.models, bench.sizes.batch_size
            place: dict[str, Any] = {"device": bench.device, "dtype": dtype}
            generator = torch.Generator(bench.device).manual_seed(0)
            images = [torch.randn(batch, channels, side, side, generator=generator, **place) for _ in range(models)]
            weights = [torch.randn(channels, channels, 3, 3, generator=generator, **place) for _ in range(models)]
            images = [image.contiguous(memory_format=layout) for image in images]
            weights = [weight.contiguous(memory_format=layout) for weight in weights]
            apart = [partial(functional.conv2d, x, w, padding=1) for x, w in zip(images, weights, strict=True)]
            together = torch.cat(images, dim=1).contiguous(memory_format=layout)
            kernels = torch.cat(weights).contiguous(memory_format=layout)
            grouped = partial(functional.conv2d, together, kernels, padding=1, groups=models)
            with torch.no_grad(), float32_products():
                gap = (grouped() - torch.cat([run() for run in apart], dim=1)).abs().max()
                times = {
                    "sequence (us)": bench.seconds(bench.graph(partial(_in_turn, apart))),
                    "grouped (us)": bench.seconds(bench.graph(grouped)),
                    "side by side (us)": bench.seconds(bench.graph(partial(bench.side_by_side, apart))),
                }
            yield {
                "channels": channels,
                "pixels": side * side,
                "arithmetic": f"{str(dtype).removeprefix('torch.')}, {str(layout).removeprefix('torch.')}",
                "models": models,
                **{name: 1e6 * seconds / models for name, seconds in times.items()},
                "largest difference": float(gap),
            }


def eigenvalues(bench: Bench) -> Iterator[Row]:
    """Batches of Gram matrices of the size of each stage's channels."""
    for size in (16, 32, 64):
        generator = torch.Generator(bench.device).manual_seed(0)
        count = bench.sizes.matrices
        symbols = torch.randn(count, size, size, generator=generator, device=bench.device, dtype=torch.complex128)
        grams = symbols.mH @ symbols
        few = grams[:4]
        gap = (torch.linalg.eigvalsh(few).cpu() - torch.linalg.eigvalsh(few.cpu())).abs().max()
        seconds = bench.seconds(partial(torch.linalg.eigvalsh, grams))
        yield {
            "size": size,
            "matrices": count,
            "batch (ms)": 1e3 * seconds,
            "per matrix (us)": 1e6 * seconds / count,
            "largest difference from the CPU": float(gap),
        }


def analyses(bench: Bench) -> Iterator[Row]:
    """Lesions and exact path gradients of networks that have not trained: their time does not depend on the weights."""
    sizes, splits = bench.sizes, bench.splits
    few = replace(bench, sizes=replace(sizes, repeats=min(3, sizes.repeats)))  # each takes seconds
    for block in sizes.blocks:
        network = calibrated(bench.network(block), splits.train.take(slice(sizes.steps * sizes.batch_size)))
        test = splits.test.take(slice(sizes.images))
        paths = splits.train.take(slice(sizes.path_images))
        images = paths.normalize(paths.images)
        runs: dict[str, tuple[int, Callable[[], object]]] = {
            "lesion": (len(test), partial(lesion, network, test)),
            "gradients_by_length": (len(paths), partial(gradients_by_length, network, images, paths.labels)),
        }
        for name, (count, run) in runs.items():
            with float32_products():
                seconds = few.seconds(run)
            yield {
                "analysis": name,
                "network": f"ResNet-{sizes.depths[block]}",
                "images": count,
                "seconds": seconds,
                "images/s": count / seconds,
            }


def _images(bench: Bench, count: int) -> Tensor:
    chosen = bench.splits.test.take(slice(count))
    return chosen.normalize(chosen.images)


PARTS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "launches": launches,
    "convolutions": convolutions,
    "eigenvalues": eigenvalues,
    "analyses": analyses,
    "training": training,
}
"""The short ones first."""


def machine(device: torch.device) -> str:
    """What the figures depend on, in one line."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return f"{name}; torch {torch.__version__}, CUDA {torch.version.cuda}, Python {platform.python_version()}"


def render(lines: Sequence[Row]) -> str:
    """The report of all measurements; what was measured again is there as it was last."""
    parts: dict[str, dict[tuple[object, ...], Row]] = {}
    for line in lines:
        asked = tuple(value for value in line["row"].values() if not isinstance(value, float))
        parts.setdefault(line["part"], {})[asked] = line
    text = ["# What a GPU makes of deep thin networks", "", "Written by `python -m tests.benchmarks.gpu`."]
    if any(line["dry_run"] for line in lines):
        text += ["", "**A dry run with tiny sizes: no figure here means anything.**"]
    for part, measured in parts.items():
        found = list(measured.values())
        ran = "; ".join(dict.fromkeys(f"{line['machine']}, {line['day']}" for line in found))
        text += ["", f"## {part.capitalize()}", "", _summary(part), "", f"Ran on: {ran}.", ""]
        columns = list(found[0]["row"])
        text += [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
        text += [f"| {' | '.join(_shown(line['row'][column]) for column in columns)} |" for line in found]
    return "\n".join([*text, ""])


def _summary(part: str) -> str:
    return (PARTS[part].__doc__ or "").partition("\n")[0]


def _shown(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--blocks", nargs="+", choices=list(REAL.depths), default=list(REAL.blocks))
    parser.add_argument("--orderings", nargs="+", choices=list(ORDERINGS), default=list(ORDERINGS))
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where gpu.jsonl and gpu.md lie")
    parser.add_argument("--data-root", type=Path, help="where the data set is looked for first")
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes, on the CPU")
    asked = parser.parse_args(arguments)
    if not asked.dry_run and not torch.cuda.is_available():
        parser.error("no CUDA device here; --dry-run needs none")
    sizes = replace(DRY if asked.dry_run else REAL, blocks=asked.blocks, orderings=asked.orderings)
    device = torch.device("cpu" if asked.dry_run else "cuda")
    data = load_dataset(sizes.dataset, asked.data_root)
    splits = split_dataset(sizes.dataset, data, generator=derived_generator(0, "split"), device=device)
    asked.folder.mkdir(parents=True, exist_ok=True)
    file = asked.folder / "gpu.jsonl"
    for part in asked.parts:
        for row in PARTS[part](Bench(device, sizes, splits)):
            line: Row = {"part": part, "row": row, "dry_run": asked.dry_run}
            line |= {"machine": machine(device), "day": time.strftime("%Y-%m-%d")}
            with file.open("a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
            lines = [json.loads(text) for text in file.read_text(encoding="utf-8").splitlines()]
            (asked.folder / "gpu.md").write_text(render(lines), encoding="utf-8")
            print(part, row, flush=True)


if __name__ == "__main__":
    main()
