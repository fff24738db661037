"""The deepest network of He et al. 2016 can be built and trained on an ordinary machine."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from resablate.model import build_network, count_parameters

FIELDS = {"depth": 1001, "block": "bottleneck", "ordering": "full_preactivation", "transition": "projection"}
STEP = f"""
import torch
from torch.nn import functional
from resablate.model import build_network
from resablate.process_use import most_resident
torch.set_num_threads(1)
network = build_network(**{FIELDS!r}, generator=torch.Generator().manual_seed(0)).train()
optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
loss = functional.cross_entropy(network(torch.randn(8, 3, 32, 32)), torch.arange(8))
loss.backward()
optimizer.step()
assert loss.isfinite()
assert all(bool(p.grad.isfinite().all()) for p in network.parameters())
print(most_resident())
"""


def test_it_is_built_in_seconds() -> None:
    """CPU time of this process, which other work on the machine does not lengthen."""
    start = time.process_time()
    network = build_network(**FIELDS)  # type: ignore[arg-type]
    assert time.process_time() - start < 5
    assert len(network.chain) == 333
    assert count_parameters(network) == 10_327_706


@pytest.mark.slow
def test_a_step_of_eight_images_fits_into_six_gigabytes() -> None:
    """The peak of a process of its own: torch, the network, its momentum, and what the backward pass keeps."""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", STEP], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 0.5e9 < int(done.stdout) < 6e9
