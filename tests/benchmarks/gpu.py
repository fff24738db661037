"""What a GPU makes of deep thin networks: training, packs, launches, convolutions, eigenvalues and analyses.

    python -m tests.benchmarks.gpu [--parts epoch packs] [--folder FOLDER] [--again]
    python -m tests.benchmarks.gpu --smoke      all parts at small size, two minutes on a GPU
    python -m tests.benchmarks.gpu --dry-run    the same ways on a CPU, whose figures mean nothing and lie elsewhere

Needs the library layers alone: torch, numpy, pyyaml, safetensors and Pillow, and of what pydantic brings the package
annotated_types, a folder of two Python files that has to be carried to where there is no pydantic. Every row is a line
of gpu.jsonl as soon as it is measured, and gpu.md is written anew from all lines: a run that is cut off loses nothing,
and the next one measures what is missing on this device, or everything with --again. A row takes the place of one of
the same card and size alone. Images are random bytes.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from resablate.analyses import lesion
from resablate.datasets import Examples
from resablate.machine_speed import processor
from resablate.model import ResidualNetwork, build_network, gradients_by_length
from resablate.training import calibrated, derived_generator, float32_products
from tests.benchmarks import gpu_steps
from tests.benchmarks.gpu_steps import Place, Row, Task

FOLDER = Path(__file__).parents[2] / "reports" / "benchmarks"


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much of everything."""

    name: str
    depth: int
    """Of the network of the rows that are about one."""
    bottlenecks: int
    """Depth of the one of bottlenecks that is analyzed."""
    depths: tuple[int, ...]
    batch_size: int = 128
    steps: int
    """In a call that is timed."""
    rounds: int = 3
    compiled: str | None = "max-autotune"
    """How the whole network is compiled."""
    repeats: int = 20
    images: int
    """What lesions are made on."""
    path_images: int
    models: int = 8
    """Networks side by side."""
    matrices: int
    side: int = 8192
    """Of the matrices by which the most arithmetic is measured."""


FULL = Sizes(
    name="full",
    depth=110,
    bottlenecks=164,
    depths=(20, 56, 110, 164),
    steps=40,
    images=10_000,
    path_images=128,
    matrices=4096,
)
SMOKE = replace(
    FULL, name="smoke", steps=8, rounds=1, compiled=None, repeats=3, images=1000, path_images=16, matrices=64
)
DRY = Sizes(
    name="dry run",
    depth=8,
    bottlenecks=11,
    depths=(8, 14),
    batch_size=4,
    steps=2,
    rounds=1,
    compiled=None,
    repeats=1,
    images=8,
    path_images=2,
    models=2,
    matrices=4,
    side=64,
)


@dataclass(frozen=True)
class Bench:
    """What every part is given."""

    device: torch.device
    sizes: Sizes

    @property
    def place(self) -> Place:
        """Where training steps are taken."""
        return Place(self.device, self.sizes.batch_size, self.sizes.steps, self.sizes.rounds)

    def examples(self, count: int) -> Examples:
        """So many random images of CIFAR's shape."""
        return replace(self.place, batch=count, steps=1).examples()

    def network(self, block: str, ordering: str = "full_preactivation") -> ResidualNetwork:
        """A pre-activated network of basic blocks, or of bottlenecks."""
        bottleneck = block == "bottleneck"
        network = build_network(
            network={"name": "resnet", "block": block, "transition": "projection" if bottleneck else "pad"},
            depth=self.sizes.bottlenecks if bottleneck else self.sizes.depth,
            ordering=ordering,
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


def launches(bench: Bench) -> Iterator[Task]:
    """The forward pass of ResNet-110 in eval mode, op by op and as one graph."""

    def measure(batch: int) -> Row:
        network = bench.network("basic").eval()
        images = _images(bench, batch)
        with torch.no_grad(), float32_products():
            forward = partial(network, images)
            count = _kernels(bench, forward)
            eager, graph = bench.seconds(forward), bench.seconds(bench.graph(forward))
        return {
            "images": batch,
            "launches": count,
            "eager (ms)": 1e3 * eager,
            "graph (ms)": 1e3 * graph,
            "eager, per launch (us)": 1e6 * eager / count,
            "graph, per launch (us)": 1e6 * graph / count,
        }

    for batch in (1, bench.sizes.batch_size):
        yield f"{batch} images", partial(measure, batch)


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


def convolutions(bench: Bench) -> Iterator[Task]:
    """A 3x3 convolution of each stage for equal networks, each way one graph; microseconds are those of one network."""
    for channels, side in ((16, 32), (32, 16), (64, 8)):
        for dtype, layout in ((torch.float32, torch.contiguous_format), (torch.bfloat16, torch.channels_last)):
            yield f"{channels} channels, {dtype}", partial(_convolution, bench, channels, side, dtype, layout)


def _convolution(bench: Bench, channels: int, side: int, dtype: torch.dtype, layout: torch.memory_format) -> Row:
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
    return {
        "channels": channels,
        "pixels": side * side,
        "arithmetic": f"{str(dtype).removeprefix('torch.')}, {str(layout).removeprefix('torch.')}",
        "models": models,
        **{name: 1e6 * seconds / models for name, seconds in times.items()},
        "largest difference": float(gap),
    }


def eigenvalues(bench: Bench) -> Iterator[Task]:
    """Batches of Gram matrices of the size of each stage's channels."""

    def measure(size: int) -> Row:
        generator = torch.Generator(bench.device).manual_seed(0)
        count = bench.sizes.matrices
        symbols = torch.randn(count, size, size, generator=generator, device=bench.device, dtype=torch.complex128)
        grams = symbols.mH @ symbols
        few = grams[:4]
        gap = (torch.linalg.eigvalsh(few).cpu() - torch.linalg.eigvalsh(few.cpu())).abs().max()
        seconds = bench.seconds(partial(torch.linalg.eigvalsh, grams))
        return {
            "size": size,
            "matrices": count,
            "batch (ms)": 1e3 * seconds,
            "per matrix (us)": 1e6 * seconds / count,
            "largest difference from the CPU": float(gap),
        }

    for size in (16, 32, 64):
        yield f"{size}x{size}", partial(measure, size)


def analyses(bench: Bench) -> Iterator[Task]:
    """Lesions and exact path gradients of networks that have not trained: their time does not depend on the weights."""
    sizes = bench.sizes
    few = replace(bench, sizes=replace(sizes, repeats=min(3, sizes.repeats)))  # each takes seconds

    def measure(block: str, name: str) -> Row:
        network = calibrated(bench.network(block), bench.examples(min(2048, 4 * sizes.images)))
        count = sizes.images if name == "lesion" else sizes.path_images
        seen = bench.examples(count)
        images = seen.normalize(seen.images) if name != "lesion" else None
        run = partial(lesion, network, seen) if images is None else partial(_by_length, network, images, seen.labels)
        with float32_products():
            seconds = few.seconds(run)
        return {
            "analysis": name,
            "network": f"ResNet-{sizes.bottlenecks if block == 'bottleneck' else sizes.depth}",
            "images": count,
            "seconds": seconds,
            "images/s": count / seconds,
        }

    for block in ("basic", "bottleneck"):
        for name in ("lesion", "gradients_by_length"):
            yield f"{name}, {block}", partial(measure, block, name)


def _by_length(network: ResidualNetwork, images: Tensor, labels: Tensor) -> Tensor:
    return gradients_by_length(network, images, labels)


def epoch(bench: Bench) -> Iterator[Task]:
    """An epoch of ResNet-110 of 50,000 images, batch 128, bf16, scaled from a slice; each beside the eager one."""
    return gpu_steps.epoch_of_resnet110(bench.place, depth=bench.sizes.depth, compiled=bench.sizes.compiled)


def packs(bench: Bench) -> Iterator[Task]:
    """Eight trainings as one, against one after the other, eager and captured."""
    return gpu_steps.packs(bench.place, depth=bench.sizes.depth, members=bench.sizes.models)


def depths(bench: Bench) -> Iterator[Task]:
    """Images a second of each depth, and the floors by bytes and by arithmetic, of measured ceilings."""
    sizes = bench.sizes
    keywords: dict[str, Any] = dict(members=sizes.models, compiled=sizes.compiled is not None, side=sizes.side)
    return gpu_steps.depths(bench.place, chosen=sizes.depths, **keywords)


def table_1(bench: Bench) -> Iterator[Task]:
    """GPU-hours of sweeps/he_table1.yaml by a slice of each of its cells: 64,000 steps, five seeds."""
    return gpu_steps.table_1(replace(bench.place, steps=max(2, bench.sizes.steps // 4)), depth=bench.sizes.depth)


def _images(bench: Bench, count: int) -> Tensor:
    chosen = bench.examples(count)
    return chosen.normalize(chosen.images)


PARTS: dict[str, Callable[[Bench], Iterator[Task]]] = {
    "launches": launches,
    "convolutions": convolutions,
    "eigenvalues": eigenvalues,
    "analyses": analyses,
    "packs": packs,
    "table_1": table_1,
    "depths": depths,
    "epoch": epoch,
}
"""The short ones first."""


def machine(device: torch.device) -> str:
    """What the figures depend on, in one line."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    return f"{name}; torch {torch.__version__}, CUDA {torch.version.cuda}, Python {platform.python_version()}"


def card(line: Row) -> str:
    """What a row was measured on, without the versions."""
    return line["machine"].partition(";")[0]


def render(lines: Sequence[Row]) -> str:
    """The report of all measurements; what was measured again on a card is there as it was last.

    Rows of a dry run stand beside no others: where anything was measured, they are left out.
    """
    lines = [line for line in lines if line["sizes"] != DRY.name] or lines
    parts: dict[str, dict[object, Row]] = {}
    for line in lines:
        parts.setdefault(line["part"], {})[line["task"], line["sizes"], card(line)] = line
    text = ["# What a GPU makes of deep thin networks", "", "Written by `python -m tests.benchmarks.gpu`."]
    if others := sorted({line["sizes"] for line in lines} - {FULL.name}):
        text += ["", f"**Rows of a {' and of a '.join(others)} are among these: their figures mean nothing.**"]
    for part, measured in parts.items():
        found = list(measured.values())
        ran = "; ".join(dict.fromkeys(f"{line['machine']}, {line['day']}" for line in found))
        text += ["", f"## {part.capitalize()}", "", _summary(part), "", f"Ran on: {ran}.", ""]
        rows: list[Row] = [{"card": card(line), "sizes": line["sizes"], **line["row"]} for line in found]
        columns = list(dict.fromkeys(column for row in rows for column in row))
        text += [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
        text += [f"| {' | '.join(_shown(row.get(column, '')) for column in columns)} |" for row in rows]
    return "\n".join([*text, ""])


def _summary(part: str) -> str:
    return (PARTS[part].__doc__ or "").partition("\n")[0]


def _shown(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing, and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument(
        "--folder", type=Path, help="where gpu.jsonl and gpu.md lie: reports/benchmarks, and of a dry run a new one"
    )
    parser.add_argument("--again", action="store_true", help="measure what was measured on this device too")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--smoke", action="store_true", help="all parts at small size")
    size.add_argument("--dry-run", action="store_true", help="tiny sizes, on the CPU")
    asked = parser.parse_args(arguments)
    if not asked.dry_run and not torch.cuda.is_available():
        parser.error("no CUDA device here; --dry-run needs none")
    sizes = DRY if asked.dry_run else SMOKE if asked.smoke else FULL
    bench = Bench(torch.device("cpu" if asked.dry_run else "cuda"), sizes)
    folder: Path = asked.folder or (Path(mkdtemp(prefix="gpu-dry-run-")) if asked.dry_run else FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "gpu.jsonl"
    known = set() if asked.again else {_place(line) for line in _lines(file) if "failed" not in line["row"]}
    for part in asked.parts:
        for task, measure in PARTS[part](bench):
            line: Row = {"part": part, "task": task, "sizes": sizes.name, "machine": machine(bench.device)}
            if _place(line) in known:
                continue
            line |= {"row": _measured(measure), "day": time.strftime("%Y-%m-%d")}
            with file.open("a", encoding="utf-8") as log:
                log.write(f"\n{json.dumps(line)}\n")  # after the line that a machine may have stopped in
            (folder / "gpu.md").write_text(render(_lines(file)), encoding="utf-8")
            print(part, line["row"], flush=True)
    print(folder / "gpu.md")


def _measured(measure: Callable[[], Row]) -> Row:
    """The row; where it fails, why: the others are measured all the same."""
    try:
        return measure()
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}".partition("\n")[0]}


def _place(line: Row) -> tuple[object, ...]:
    return line["part"], line["task"], line["sizes"], line["machine"]


def _lines(file: Path) -> list[Row]:
    """What was written; lines that were cut off are left out."""
    found: list[Row] = []
    for text in file.read_text(encoding="utf-8").splitlines() if file.is_file() else []:
        try:
            found.append(json.loads(text))
        except ValueError:
            continue
    return found


if __name__ == "__main__":
    main()
