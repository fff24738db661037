"""What would make a sweep cheaper on this machine, in words."""

from __future__ import annotations

from collections.abc import Iterable

from resablate.machine_speed import MachineSpeed, regime
from resablate.spec import TrainSpec

_WORTH_SAYING = 1.25
"""Times faster; less is within what measurements differ by."""
_FAST = ("bf16", "channels_last")
_WORDS = f"base: {{precision: {_FAST[0]}, memory_format: {_FAST[1]}}}"


def faster_way(speed: MachineSpeed, *, matrix_units: bool) -> str:
    """That bfloat16 is faster on this machine, how much, and by which words of a sweep file; empty where it is not.

    Args:
        speed: of the device that trainings run on.
        matrix_units: whether that is a CPU with units for products of bfloat16 matrices; asked where nothing was
            measured.
    """
    gain = speed.regimes.get(regime(*_FAST))
    if gain is not None:
        found = f"about {gain:.1f} times faster on this machine, as measured" if gain >= _WORTH_SAYING else ""
    else:
        # 2.5: a step of ResNet-20, batch 128, on one thread of an Intel processor with AMX.
        found = (
            "faster on this processor, which has matrix units for bfloat16 (AMX): 2.5 times where that was measured"
            " (resablate calibrate measures this machine)"
            if matrix_units
            else ""
        )
    return f"with `{_WORDS}` trainings are {found}; they are other trainings than in float32" if found else ""


def sweep_advice(speed: MachineSpeed, trials: Iterable[TrainSpec], *, matrix_units: bool) -> str:
    """`faster_way`, where a sweep has trials that compute in another way; empty otherwise."""
    if all((spec.precision.name, spec.memory_format.name) == _FAST for spec in trials):
        return ""
    return faster_way(speed, matrix_units=matrix_units)
