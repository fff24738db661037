"""What would make a sweep cheaper on this machine, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median

from resablate.estimates import regime_of, step_work
from resablate.machine_speed import PLAIN, MachineSpeed, regime
from resablate.spec import TrainSpec

_WORTH_SAYING = 1.25
"""Times faster; less is within what measurements differ by."""
_MATRIX_UNITS = regime("bf16", "channels_last")


def machine_advice(speed: MachineSpeed, *, matrix_units: bool) -> str:
    """By which words trainings are faster on this machine, and how much; empty where nothing is worth saying.

    Args:
        speed: of the device that trainings run on.
        matrix_units: whether that is a CPU with units for products of bfloat16 matrices; asked where nothing was
            measured.
    """
    if not speed.regimes:
        return _not_measured() if matrix_units else ""
    most = {way: max(gains.values()) for way, gains in speed.regimes.items() if gains}
    return _as_measured(most, "up to")


def sweep_advice(speed: MachineSpeed, trials: Iterable[TrainSpec], *, matrix_units: bool) -> str:
    """The same for the trials of a sweep: their sizes, and against the way in which they compute now.

    Compiled trials are left out, for what compiling gains is not known.

    Args:
        speed: of the device that trainings run on.
        trials: canonical.
        matrix_units: as `machine_advice` takes it.
    """
    now = [(regime_of(spec), step_work(spec)) for spec in trials if not spec.compile]
    if not speed.regimes:
        return _not_measured() if matrix_units and any(way != _MATRIX_UNITS for way, _ in now) else ""
    if not now:
        return ""
    gains = {
        other: median(speed.gain(other, work) / speed.gain(way, work) for way, work in now) for other in speed.regimes
    }
    return _as_measured(gains, "about")


def _as_measured(gains: Mapping[str, float], how_exactly: str) -> str:
    """The way that gains most; nothing where that is little."""
    way, gain = max(gains.items(), key=lambda item: item[1])
    if gain < _WORTH_SAYING:
        return ""
    faster = f"{how_exactly} {gain:.1f} times faster on this machine, as measured"
    return f"with `{_words(way)}` trainings are {faster}{_differs(way)}"


def _not_measured() -> str:
    """2.5: a step of ResNet-20, batch 128, on one thread of an Intel processor with AMX."""
    return (
        f"with `{_words(_MATRIX_UNITS)}` trainings are faster on this processor, which has matrix units for bfloat16"
        " (AMX): 2.5 times where that was measured (resablate calibrate measures this machine)"
        f"{_differs(_MATRIX_UNITS)}"
    )


def _words(way: str) -> str:
    """What a sweep file says for a way to compute."""
    fields = zip(("precision", "memory_format"), way.split(), PLAIN, strict=True)
    return f"base: {{{', '.join(f'{name}: {value}' for name, value, plain in fields if value != plain)}}}"


def _differs(way: str) -> str:
    precision, _ = way.split()
    others = "in float32" if precision != PLAIN[0] else "before, by rounding"
    return f"; they are other trainings than {others}"
