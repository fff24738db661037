"""What the trials of a sweep take on this machine: by its calibration, and by what trials have recorded here."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from resablate.advice import sweep_advice
from resablate.devices import choose_device, device_name
from resablate.errors import ResourceError, TrackingError
from resablate.estimates import estimate_seconds, expected_pack_size
from resablate.machine_speed import (
    CPU,
    MachineSpeed,
    calibration_file,
    calibration_problem,
    has_matrix_units,
    load_speed,
)
from resablate.packs import Pack
from resablate.plan import SweepPlan
from resablate.result import TrialResult
from resablate.scheduling import PackSizes, sizes_in_words
from resablate.searches.pruning import PAUSING
from resablate.storage.locations import home, sqlite_file, tracking_uri
from resablate.sweep import Resources


@dataclass(frozen=True)
class Forecast:
    """What a sweep is expected to take."""

    seconds: tuple[float, ...]
    """Of each trial that is known, on one CPU core or one GPU: of a pack, its share."""
    unit: str
    """`one CPU core`, or the GPU's name."""
    gpu: bool
    basis: str
    """What the seconds go by, in a few words."""


def forecast(plan: SweepPlan, *, records: str | None = None) -> Forecast:
    """What `plan` is expected to take on this machine.

    Args:
        plan: checked.
        records: an MLflow server or database; as `tracking_uri` says where None. What trials of this sweep have
            recorded on this host is compared with what was expected of them.
    """
    name = _device(plan)
    speed = load_speed(name)
    known = plan.trials or plan.samples
    packs = expected_packs(plan, speed, device=name)
    members = {spec.key: len(pack) for pack in packs for spec in pack}
    seconds = [
        estimate_seconds(spec, plan.questions(spec), speed=speed, members=members.get(spec.key, 1)) for spec in known
    ]
    ratio, count = recorded_ratio(_recorded(plan, records), speed, device=name)
    basis = f"by what was measured on {speed.measured}"
    if not speed.measured:
        file = calibration_file(name)
        problem = calibration_problem(file)
        why = f" ({file} {problem})" if problem else ""
        basis = f"an estimate, of no machine{why}: resablate calibrate measures this one"
    if count:
        basis += f"; times {ratio:.2g}, as {count} trial{'s' * (count > 1)} recorded here"
    if words := sizes_in_words(packs):
        basis += f"; in {words}"
    if any(spec.compile for spec in known):
        basis += "; without what compiling takes, several seconds for each kind of block of a shape, and gains"
    return Forecast(
        seconds=tuple(ratio * each for each in seconds),
        unit="one CPU core" if name == CPU else name,
        gpu=name != CPU,
        basis=basis,
    )


def planned_seconds(plan: SweepPlan, speed: MachineSpeed) -> float:
    """Seconds of all trials that a plan begins with, one after another on one CPU core or one GPU: an estimate."""
    return sum(estimate_seconds(spec, plan.questions(spec), speed=speed) for spec in plan.trials)


def expected_packs(plan: SweepPlan, speed: MachineSpeed, *, device: str) -> list[Pack]:
    """The packs that the known trials of `plan` will train in, where `pack: auto` finds what is expected of `speed`.

    None where trials wait for each other to be pruned, or are proposed one by one.

    Args:
        plan: checked.
        speed: of the device.
        device: its name.
    """
    resources = plan.sweep.resources
    if resources.pack == 1 or plan.sweep.search.pruning in PAUSING or not plan.trials:
        return []
    sizes = PackSizes(
        resources.pack,
        slots=_slots(resources, device),
        measure=lambda shapes: [expected_pack_size(spec, most, speed=speed) for spec, most in shapes],
        say=lambda words: None,
    )
    return sizes.packs(plan.trials)


def _slots(resources: Resources, device: str) -> int:
    """Packs that this machine holds at a time; one on a GPU where its share is not said."""
    if device == CPU:
        return max(1, int((os.cpu_count() or 1) / resources.cpus))
    share = 1.0 if resources.gpus == "auto" else resources.gpus
    return max(1, int(1 / share))


def advice(plan: SweepPlan) -> str:
    """What would make the trainings of `plan` faster on this machine, in a sentence; empty where nothing is known."""
    name = _device(plan)
    matrix_units = name == CPU and has_matrix_units()
    return sweep_advice(load_speed(name), plan.trials or plan.samples, matrix_units=matrix_units)


def _device(plan: SweepPlan) -> str:
    try:
        return device_name(choose_device(plan.sweep.resources.gpus))
    except ResourceError:  # the sweep needs another machine
        return CPU


def recorded_ratio(results: Iterable[TrialResult], speed: MachineSpeed, *, device: str) -> tuple[float, int]:
    """How many times as long as expected finished trials took on this host and `device`, the median; and how many.

    Trials that trained in a pack are left out: their time is the pack's. 1 where there is none.

    Args:
        results: of any host.
        speed: of the device.
        device: its name, as results have it.
    """
    here = {"host": socket.gethostname(), "device": device}
    ratios = [
        result.wall_seconds / estimate_seconds(result.spec, [m.question for m in result.measurements], speed=speed)
        for result in results
        if result.status == "finished" and result.pack_size == 1 and here.items() <= result.versions.items()
    ]
    return (median(ratios), len(ratios)) if ratios else (1.0, 0)


def _recorded(plan: SweepPlan, records: str | None) -> tuple[TrialResult, ...]:
    """Results of the sweep; none where there are no records, or no database yet, which looking for one would make."""
    file = sqlite_file(tracking_uri(records))
    if file is not None and not (home() / file).is_file():
        return ()
    from resablate.tracking import open_tracker

    try:
        return tuple(open_tracker(records).load_sweep(plan.sweep.name).results)
    except TrackingError:
        return ()
