"""How well `check` foretells what a trial takes: of networks that the calibration has not seen.

Trials run as they are, with their questions, on one thread; what is compared is processor time, which other processes
on the machine hardly lengthen.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from resablate.calibrating import calibrate
from resablate.estimates import estimate_seconds
from resablate.machine_speed import MachineSpeed
from resablate.plan import plan_sweep
from resablate.sweep import parse_sweep
from resablate.training import thread_count
from resablate.trial import run_trial
from tests.benchmarks.cifar_start import write_cifar10
from tests.benchmarks.measuring import Bound
from tests.datasets.unpublished import unpublished_files

CPU = torch.device("cpu")
_OFF_BY = 25.0
"""Percent."""
NETWORKS: Mapping[str, dict[str, Any]] = {
    "ResNet-56 of width 8 on digits, batch 64": {
        "base": {"depth": 56, "width": 8, "epochs": 3, "batch_size": 64},
        "analyses": {"lesion": {}, "path_gradient": {"examples": 16, "samples": 1, "signs": 1}},
    },
    "ResNet-20 of width 16 on CIFAR-10, batch 128": {
        "base": {
            "dataset": {"name": "cifar10", "train_examples": 2000},
            "augmentation": "crop_flip",
            "depth": 20,
            "width": 16,
            "epochs": 1,
            "batch_size": 128,
        },
        "analyses": {"lesion": {"examples": 200}, "spectrum": {}},
    },
    "ResNet-29 of bottlenecks, pre-activated, with projections, of width 16 on CIFAR-10, batch 64": {
        "base": {
            "dataset": {"name": "cifar10", "train_examples": 1500},
            "network": {"name": "resnet", "block": "bottleneck", "transition": "projection"},
            "ordering": "full_preactivation",
            "depth": 29,
            "width": 16,
            "epochs": 1,
            "batch_size": 64,
        },
        "analyses": {"path_gradient": {"examples": 16, "samples": 1, "signs": 1}},
    },
}
"""No depth, block or ordering of them is measured by the calibration."""


def rows() -> Iterator[Bound]:
    """How far the expected time is from that of a trial with its questions, for each network."""
    speed = calibrate(CPU)
    with tempfile.TemporaryDirectory() as folder, unpublished_files():
        write_cifar10(Path(folder))
        for name, content in NETWORKS.items():
            expected, taken = compare(content, speed, data_root=Path(folder))
            off = 100 * abs(expected / taken - 1)
            what = f"expected {expected:.3g} s of processor time, took {taken:.3g} s: {name}"
            yield Bound(what, off, "% off", _OFF_BY)


def compare(content: dict[str, Any], speed: MachineSpeed, *, data_root: Path | None = None) -> tuple[float, float]:
    """Expected and taken seconds of processor time of the one trial of a sweep."""
    plan = plan_sweep(parse_sweep({"name": "predicted", **content}))
    (spec,) = plan.trials
    questions = plan.questions(spec)
    with thread_count(1):
        start = time.process_time()
        result = run_trial(spec, questions, data_root=data_root, device=CPU)
        taken = time.process_time() - start
    assert result.status == "finished", result.reason
    assert result.measured == {question.id for question in questions}
    return estimate_seconds(spec, questions, speed=speed), taken
