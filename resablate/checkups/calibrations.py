"""What `resablate calibrate` kept of the machines of this user."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from resablate.checkups.interface import Fault, Scope
from resablate.machine_speed import DAMAGED, calibration_files, calibration_problem
from resablate.storage.files import remove


def calibrations(scope: Scope) -> Iterator[Fault]:
    """Calibrations that cannot be gone by: check then tells what a typical machine takes."""
    for file in calibration_files():
        if not (problem := calibration_problem(file)):
            continue
        if problem != DAMAGED:
            yield Fault(str(file), f"it {problem}", "move it away; resablate calibrate measures this machine anew")
        else:
            remedy = "--mend removes it, and resablate calibrate measures this machine anew"
            yield Fault(str(file), f"it {problem}", remedy, partial(remove, file))
