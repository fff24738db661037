"""Seconds until the first step of a compiled training of ResNet-110, in a process that has compiled nothing.

    python -m tests.benchmarks.regions

prints those of a first training, and of the next one of its shape in the same process. The compiler's cache on the disk
is empty.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time

import torch

from resablate.datasets import Examples
from resablate.model import build_network
from resablate.training import Training, thread_count
from tests.benchmarks.measuring import Bound

_DEPTH, _BATCH, _THREADS = 110, 8, 1
"""A small batch: what is asked about is compiling, and a step of 128 images takes seconds on a CPU. One thread:
two wait for each other a thousand times in a step where others compute."""


def rows() -> list[Bound]:
    """The first training and the next, timed in a process of their own."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache}
        command = [sys.executable, "-m", "tests.benchmarks.regions"]
        said = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    first, following = json.loads(said)
    what = f"of a compiled ResNet-{_DEPTH}, batch {_BATCH}, 1 thread"
    return [
        Bound(f"time to the first step {what}, nothing compiled before", first, "s", 60.0),
        Bound(f"time to the first step {what}, the next training of the process", following, "s", 2.0),
    ]


def seconds_to_first_step(seed: int) -> float:
    """From nothing to the end of a step."""
    start = time.perf_counter()
    draw = torch.Generator().manual_seed(seed)
    examples = Examples(torch.randn(_BATCH, 3, 32, 32, generator=draw), torch.arange(_BATCH))
    network = build_network(depth=_DEPTH, generator=draw)
    training = Training(
        network, train=examples, val=None, epochs=1, batch_size=_BATCH, learning_rate=0.01, seed=seed, compile=True
    )
    training.run_steps(training.plan())
    return time.perf_counter() - start


if __name__ == "__main__":
    with thread_count(_THREADS):
        print(json.dumps([seconds_to_first_step(0), seconds_to_first_step(1)]))
