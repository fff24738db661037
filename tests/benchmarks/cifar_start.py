"""What a CIFAR-10 training waits for before its first step: files read, normalization measured, split made.

    python -m tests.benchmarks.cifar_start WAY FOLDER

prints what one start took in this process. Files are written in the true format, with images of random bytes: neither
times nor memory depend on what they show.
"""

from __future__ import annotations

import argparse
import json
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from resablate.datasets import Examples, ImageDataset, load_dataset
from resablate.process_use import most_resident
from resablate.training import derived_generator, keep_freed_memory
from tests.benchmarks.measuring import Bound, Row, Spent
from tests.datasets.unpublished import unpublished_files

PER_BATCH = 10_000


def write_cifar10(folder: Path, *, per_batch: int = PER_BATCH) -> None:
    """Five training batches and a test batch, as Krizhevsky distributes them."""
    draw = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        pixels, labels = draw.integers(0, 256, (per_batch, 3072), dtype=np.uint8), draw.integers(0, 10, per_batch)
        (folder / name).write_bytes(_pickled(pixels.tobytes(), labels.tolist(), count=per_batch))


def _pickled(pixels: bytes, labels: Sequence[int], *, count: int) -> bytes:
    """A dictionary as Python 2 wrote it, whose strings are bytes; those of Python 3 are read in another way."""
    listed = b"".join(b"K" + bytes([label]) for label in labels)
    shape = b"M" + struct.pack("<H", count) + b"M\x00\x0c\x86"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01" + shape
    array += b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
    array += struct.pack("<i", len(pixels)) + pixels + b"tb"
    return b"\x80\x02}(U\x04data" + array + b"U\x06labels](" + listed + b"eu."


def _by_float_copy(images: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """As one would write it, and as it was until version 0.2."""
    sample = images[chosen].float() / 255
    return sample.mean(dim=(0, 2, 3)), sample.std(dim=(0, 2, 3))


def _by_sums(dataset: ImageDataset, chosen: Tensor) -> tuple[Tensor, Tensor]:
    sums = dataset.train_sums(chosen)
    return sums.channel_means(), sums.channel_deviations()


WAYS: Mapping[str, Callable[[ImageDataset, Tensor], object]] = {
    "float_copy": lambda dataset, chosen: _by_float_copy(dataset.train_images, chosen),
    "sums": _by_sums,
}


def rows(*, rounds: int = 3) -> list[Row | Bound]:
    """Both ways in turn, each time in a process of its own; the least of each."""
    with tempfile.TemporaryDirectory() as folder:
        write_cifar10(Path(folder))
        runs = [{way: _apart(way, Path(folder)) for way in WAYS} for _ in range(rounds)]
    before, now = ({name: min(run[way][name] for run in runs) for name in runs[0][way]} for way in WAYS)
    copy, spent = "a float copy of the images", ("wall", "cpu")
    return [
        Row.of(
            "mean and deviation of CIFAR-10's 45,000 training images, for the first training of a process",
            copy,
            [Spent(*(way[name] for name in spent)) for way in (before, now)],
            asked=3.0,
        ),
        Bound("processor time of mean and deviation of CIFAR-10's training images", now["cpu"], "s", 0.5),
        Bound("memory that they take besides the images", now["added_gib"], "GiB", before["added_gib"] / 10),
        Row.of(
            "start of a CIFAR-10 training: files, fingerprint, normalization, split",
            copy,
            [Spent(*(way[f"start_{name}"] for name in spent)) for way in (before, now)],
            asked=1.5,
        ),
        Bound("processor time of a start of a CIFAR-10 training", now["start_cpu"], "s", 0.5),
    ]


def _apart(way: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.cifar_start", way, str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def start(way: str, folder: Path) -> dict[str, float]:
    """Seconds and GiB of one start in this process: `wall`, `cpu` and `added_gib` are those of the normalization.

    The process keeps what it frees, as those of trials on a CPU do.
    """
    keep_freed_memory()
    clocks: list[tuple[float, float]] = []

    def look() -> None:
        clocks.append((time.perf_counter(), time.process_time()))

    look()
    with unpublished_files():
        dataset = load_dataset("cifar10", folder)
    assert isinstance(dataset, ImageDataset)
    dataset.fingerprint()
    look()
    count = len(dataset.train_labels)
    chosen = torch.randperm(count, generator=derived_generator(0, "split"))[count // 10 :]
    before = _peak_gib()
    look()
    WAYS[way](dataset, chosen)
    look()
    added = _peak_gib() - before
    look()
    Examples(dataset.train_images, dataset.train_labels).take(chosen)
    look()
    found = {"added_gib": added}
    for place, name in enumerate(("wall", "cpu")):
        times = [clock[place] for clock in clocks]
        found[name] = times[3] - times[2]
        found[f"start_{name}"] = times[1] - times[0] + found[name] + times[5] - times[4]
    return found


def _peak_gib() -> float:
    return (most_resident() or 0) / 2**30


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("way", choices=list(WAYS))
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    print(json.dumps(start(asked.way, asked.folder)))
