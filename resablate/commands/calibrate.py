"""`resablate calibrate`."""

from __future__ import annotations

from typing import Annotated

import typer

from resablate.commands.console import Json, err, out
from resablate.commands.json_output import print_record
from resablate.commands.json_records import CalibrationRecord
from resablate.errors import ResourceError


def calibrate(
    *,
    cpu: Annotated[bool, typer.Option("--cpu", help="Measure the CPU, where there is a GPU too.")] = False,
    as_json: Json = False,
) -> None:
    """Measure how fast this machine computes, in under a minute, so that check knows what a sweep costs."""
    from resablate import calibrating
    from resablate.advice import machine_advice
    from resablate.devices import choose_device, device_name
    from resablate.machine_speed import calibration_file, has_matrix_units, save_speed

    device = choose_device(0 if cpu else "auto")
    name = device_name(device)
    err.print(f"measuring {name}: less than a minute", markup=False, highlight=False)
    speed = calibrating.calibrate(device)
    try:
        path = save_speed(speed, name)
    except OSError as error:
        raise ResourceError(
            f"what was measured cannot be kept: {error.filename or calibration_file(name)}: {error.strerror}"
        ) from None
    if as_json:
        print_record(CalibrationRecord(device=name, file=str(path), measured=str(speed.measured)))
        return
    out.print(f"{path}: {speed.measured}", markup=False, highlight=False, soft_wrap=True)
    if words := machine_advice(speed, matrix_units=device.type == "cpu" and has_matrix_units()):
        out.print(words, markup=False, highlight=False, soft_wrap=True)
