"""`resablate` as it runs on another machine, with leases that expire soon: `python -m tests.faults.elsewhere`."""

import os
import time

from resablate.commands.cli import main
from resablate.scheduling import lease_keeper
from resablate.tracking import leases, mlflow_leases

MACHINE, SECONDS = "RESABLATE_TEST_MACHINE", "RESABLATE_TEST_LEASE_SECONDS"
"""The machine's identity, and how long a holder may say nothing."""
AHEAD = "RESABLATE_TEST_AHEAD_SECONDS"
"""How much its clock is ahead."""


def move() -> None:
    """Make this process one of another machine."""
    if machine := os.environ.get(MACHINE):
        leases.machine_identity = lambda: machine
    if seconds := float(os.environ.get(SECONDS, "0")):
        leases.SILENT_SECONDS = seconds
        for module in (leases, mlflow_leases, lease_keeper):
            module.BEAT_SECONDS = seconds / 4
    if ahead := float(os.environ.get(AHEAD, "0")):
        told = time.time
        time.time = lambda: told() + ahead


if __name__ == "__main__":
    move()
    main()
