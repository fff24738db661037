"""How fast this machine computes: measured once by `resablate calibrate`, and kept in the user's cache."""

from __future__ import annotations

import json
import math
import platform
import re
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from resablate.plain_json import read_json
from resablate.storage.files import digest, write_bytes
from resablate.storage.regular_files import read_regular

CPU = "cpu"
"""How the processor is named among devices."""
VERSION = 3
"""Of what is measured and how it is written; files of another one are as if they were not there."""


class Work(NamedTuple):
    """What a pass through a network asks of a machine."""

    batches: float
    layers: float
    """Convolutions and linear layers, times batches: each costs its calls."""
    activations: float
    """Numbers that they put out."""
    narrow: float
    """Multiply-adds of layers that put out fewer channels than a processor's vectors hold."""
    wide: float
    """Multiply-adds of the others."""

    @property
    def of_a_layer(self) -> float:
        """Multiply-adds of one call of a layer: whether calls or products take the time."""
        return (self.narrow + self.wide) / max(self.layers, 1)

    def of_images(self, times: float) -> Work:
        """That of so many times the images in as many batches."""
        return self._replace(activations=times * self.activations, narrow=times * self.narrow, wide=times * self.wide)


@dataclass(frozen=True)
class PassSpeed:
    """Seconds of one of each part of `Work`."""

    batch: float
    layer: float
    activation: float
    narrow: float
    wide: float

    def seconds(self, work: Work) -> float:
        """What the work takes."""
        return sum(each * part for each, part in zip(asdict(self).values(), work, strict=True))


@dataclass(frozen=True)
class MachineSpeed:
    """Seconds of one CPU core, or of a GPU, for everything that a trial is made of."""

    step: PassSpeed
    """Forward and back, with the update."""
    packed: PassSpeed
    """The same of a pack, for the work of all its members."""
    forward: PassSpeed
    """In eval mode."""
    walk: PassSpeed
    """Vectors back through all branches, for the work of a forward pass of as many images; layers count once."""
    sampled: PassSpeed
    """The gradient of one sampled path, its forward pass included, for the work of that pass."""
    spectrum: float
    """Seconds for each multiply-add of one image, of all singular values."""
    regimes: Mapping[str, Mapping[float, float]] = field(default_factory=dict[str, Mapping[float, float]])
    """`precision memory_format` -> `Work.of_a_layer` of a step -> how many times faster it is than in float32 and
    contiguous."""
    measured: str = ""
    """On what and when; empty where nothing was measured."""

    def gain(self, way: str, work: Work) -> float:
        """How many times faster steps are in a way to compute than in float32 and contiguous; 1 where it is not known.

        Args:
            way: by `regime`.
            work: of steps.
        """
        sizes = sorted(self.regimes.get(way, {}).items())
        if not sizes:
            return 1.0
        at = [math.log(max(size, 1)) for size, _ in sizes]
        return float(np.interp(math.log(max(work.of_a_layer, 1)), at, [gain for _, gain in sizes]))


def _typical(
    multiply_add: float,
    *,
    layer: float,
    forward_layer: float,
    sampled_layer: float,
    spectrum: float,
    packed_activation: float = 0.0,
) -> MachineSpeed:
    """A machine of which only these seconds are known; forward and back is three times the multiply-adds."""
    step = PassSpeed(0.0, layer, 0.0, 3 * multiply_add, 3 * multiply_add)
    forward = PassSpeed(0.0, forward_layer, 0.0, multiply_add, multiply_add)
    sampled = replace(step, layer=sampled_layer)
    packed = replace(step, activation=packed_activation)
    return MachineSpeed(step=step, packed=packed, forward=forward, walk=forward, sampled=sampled, spectrum=spectrum)


# Seconds on one core of a 2020s x86 server, fitted to networks of depth 20 to 56 and width 8 to 64 on images of 8 to
# 32 pixels (within a third of what was measured there). A pack saves calls and no activations, which take as long as an
# AMD EPYC's calibration has it. An estimate to plan by, no promise.
TYPICAL = _typical(
    1 / 6.5e10,
    layer=3.2e-4,
    forward_layer=1.0e-4,
    sampled_layer=3.0e-4,
    spectrum=1 / 6.5e7,
    packed_activation=4.5e-9,
)
"""A CPU core without a calibration."""
# Seconds of one H200, put together and not measured: ResNet-110 on CIFAR-10, which waits for its kernels, takes 2.7 s
# an epoch kernel by kernel in float32, and an ImageNet ResNet-200 learns from 400 to 650 images a second.
TYPICAL_GPU = _typical(1 / 3e13, layer=3.4e-5, forward_layer=1.1e-5, sampled_layer=3.4e-5, spectrum=1 / 1e9)
"""A large GPU without a calibration."""


# What no machine exceeds: a number beyond them is a damaged one, and would make a cost of hundreds of digits.
_MOST_SECONDS, _LEAST_SECONDS = 10.0, 1e-18
_MOST_WORK = 1e18
_MOST_GAIN = 1e3
_LONGEST_TEXT = 500
DAMAGED = "is damaged"
"""What `calibration_problem` says of a file that can be read, and removed without losing anything."""

PLAIN = ("float32", "contiguous")
"""The way to compute that all others are compared with: precision and memory format."""


def regime(precision: str, memory_format: str) -> str:
    """How `MachineSpeed.regimes` names a way to compute."""
    return f"{precision} {memory_format}"


def folder() -> Path:
    """Where calibrations of this user's machines lie."""
    return Path.home() / ".cache" / "resablate" / "calibrations"


def calibration_file(device: str) -> Path:
    """The file of this machine and `device`, which is a GPU's name or `cpu`.

    A home folder may be shared by machines, so that the processor and the host are part of the name.
    """
    place = "\0".join([socket.gethostname(), platform.machine(), processor(), device])
    return folder() / f"{digest(place.encode())[:16]}.json"


def processor(information: Path = Path("/proc/cpuinfo")) -> str:
    """The model's name as Linux tells it; the architecture elsewhere."""
    return _cpu_information(information).get("model name") or platform.processor() or platform.machine()


def has_matrix_units(information: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies matrices of bfloat16 in units of their own (AMX), as Linux tells it."""
    return "amx_bf16" in _cpu_information(information).get("flags", "").split()


def _cpu_information(information: Path) -> dict[str, str]:
    """What the system tells of the first processor; nothing where it tells nothing."""
    try:
        text = information.read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def save_speed(speed: MachineSpeed, device: str) -> Path:
    """Keep what was measured for this machine and `device`.

    Raises:
        OSError: if the folder cannot be written, or its disk is full.
    """
    path = calibration_file(device)
    write_bytes(path, json.dumps({"version": VERSION, **asdict(speed)}, indent=1).encode(), wait=False)
    return path


def load_speed(device: str) -> MachineSpeed:
    """What was measured on this machine for `device`; what is typical of it without, or where the file is damaged."""
    try:
        speed = read_speed(calibration_file(device))
    except (OSError, ValueError):
        speed = None
    return speed or (TYPICAL if device == CPU else TYPICAL_GPU)


def calibration_files() -> list[Path]:
    """Of all machines that share this home folder, and of all their devices."""
    return sorted(folder().glob("*.json"))


def calibration_problem(path: Path) -> str:
    """Why what a calibration holds cannot be gone by, in a few words; empty where it can, or there is none."""
    try:
        read_speed(path)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except ValueError:
        return DAMAGED
    return ""


def read_speed(path: Path) -> MachineSpeed | None:
    """The record that `save_speed` wrote; None where that was another version's.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is damaged.
    """
    content = read_json(read_regular(path))
    try:
        return _parsed(content) if content["version"] == VERSION else None
    except (TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ValueError(f"{path}: no calibration: {error!r}") from None


def _parsed(content: dict[str, Any]) -> MachineSpeed:
    measured = content["measured"]
    if not isinstance(measured, str) or not measured.isprintable() or len(measured) > _LONGEST_TEXT:
        raise ValueError("not a line that says what was measured")
    return MachineSpeed(
        **{name: _pass_speed(content[name]) for name in ("step", "packed", "forward", "walk", "sampled")},
        spectrum=_number(content["spectrum"], most=_MOST_SECONDS),
        regimes={
            _way(way): {
                _number(float(size), most=_MOST_WORK): _number(gain, least=1 / _MOST_GAIN, most=_MOST_GAIN)
                for size, gain in sizes.items()
            }
            for way, sizes in content["regimes"].items()
        },
        measured=measured or "unknown",
    )


def _pass_speed(parts: dict[str, object]) -> PassSpeed:
    speed = PassSpeed(**{part: _number(value, most=_MOST_SECONDS) for part, value in parts.items()})
    if sum(asdict(speed).values()) < _LEAST_SECONDS:
        raise ValueError("a pass that takes no time")
    return speed


def _number(value: object, *, least: float = 0.0, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"must be a number from {least} to {most}")
    return float(value)


def _way(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9_]+ [a-z0-9_]+", name):
        raise ValueError("not a precision and a memory format")
    return name
