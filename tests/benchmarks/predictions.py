"""How well `check` foretells what a trial takes: of networks that the calibration has not seen.

Trials run as they are, with their questions, on one thread, and packs of them; what is compared is processor time,
which other processes on the machine hardly lengthen. The machine is calibrated anew before each, for its speed changes
with what else it runs. Data sets are read before: a process of a sweep reads each once.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from resablate.calibrating import calibrate
from resablate.datasets import load_dataset
from resablate.estimates import estimate_seconds
from resablate.forecast import expected_packs
from resablate.lifecycle import run_session
from resablate.machine_speed import MachineSpeed
from resablate.measurement import EpochMetrics
from resablate.plan import plan_sweep
from resablate.result import TrialResult
from resablate.session import SessionPlace
from resablate.spec import TrainSpec
from resablate.storage.checkpoint_store import CheckpointStore
from resablate.sweep import parse_sweep
from resablate.training import thread_count
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
    "ResNet-26 of width 16 on digits, batch 128, in channels_last": {
        "base": {"depth": 26, "width": 16, "epochs": 3, "batch_size": 128, "memory_format": "channels_last"},
        "analyses": {"lesion": {}},
    },
    "ResNet-26 of width 16 on CIFAR-10, batch 64, in bfloat16 and channels_last": {
        "base": {
            "dataset": {"name": "cifar10", "train_examples": 1500},
            "depth": 26,
            "width": 16,
            "epochs": 1,
            "batch_size": 64,
            "precision": "bf16",
            "memory_format": "channels_last",
        },
        "analyses": {"lesion": {"examples": 200}},
    },
}
"""No depth, block or ordering of them is measured by the calibration."""


PACK = {
    "base": {"depth": 38, "width": 8, "epochs": 3, "batch_size": 32},
    "axes": {"seed": [0, 1, 2, 3]},
    "analyses": {"lesion": {}, "path_gradient": {"examples": 16, "samples": 1, "signs": 1}},
    "resources": {"pack": 4},
}
"""Trials that train as one."""


def rows() -> Iterator[Bound]:
    """How far the expected time is from that of trials with their questions, for each network and a pack."""
    with tempfile.TemporaryDirectory() as folder, unpublished_files():
        write_cifar10(Path(folder))
        for name, content in NETWORKS.items():
            yield _bound(name, compare(content, calibrate(CPU), data_root=Path(folder)))
    yield _bound("a pack of four ResNet-38 of width 8 on digits, batch 32", compare(PACK, calibrate(CPU)))


def _bound(name: str, found: tuple[float, float]) -> Bound:
    expected, taken = found
    off = 100 * abs(expected / taken - 1)
    what = f"expected {expected:.3g} s of processor time, took {taken:.3g} s: {name}, with its questions"
    return Bound(what, off, "% off", _OFF_BY)


def compare(content: dict[str, Any], speed: MachineSpeed, *, data_root: Path | None = None) -> tuple[float, float]:
    """Expected and taken seconds of processor time of all trials of a sweep, which train as one pack if it says so."""
    plan = plan_sweep(parse_sweep({"name": "predicted", **content}))
    (pack,) = expected_packs(plan, speed, device="cpu") or [plan.trials]
    expected = sum(estimate_seconds(spec, plan.questions(spec), speed=speed, members=len(pack)) for spec in pack)
    load_dataset(pack[0].dataset, data_root)
    with thread_count(1), tempfile.TemporaryDirectory() as folder:
        place = SessionPlace(device=CPU, folder=Path(folder), data_root=data_root, store=CheckpointStore(""))
        start = time.process_time()
        events = list(run_session(list(map(plan.request, pack)), place=place, sink=_Nowhere()))
        taken = time.process_time() - start
    results = [event for event in events if isinstance(event, TrialResult)]
    assert [result.status for result in results] == ["finished"] * len(pack), results
    assert all(result.measured == {q.id for q in plan.questions(result.spec)} for result in results)
    assert all(result.pack_size == len(pack) for result in results)
    return expected, taken


class _Nowhere:
    """A sink that keeps nothing."""

    def start_trial(self, spec: TrainSpec) -> bool:
        """Whatever it is, it may begin."""
        return True

    def epoch(self, key: str, metrics: EpochMetrics) -> None:
        """Nothing."""

    def finish_trial(self, result: TrialResult, *, weights: Mapping[str, bytes]) -> TrialResult:
        """`result`, as it is."""
        return result
