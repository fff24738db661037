"""Which process it is: a number alone may be somebody else's by now."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def process_start(pid: int) -> int | None:
    """When a process of this machine began, in ticks since the machine did; None where there is none.

    A process that has ended and waits to be noted is none. On a machine without /proc every process began at 0.

    Source: proc_pid_stat(5), fields 3 (Z: it has ended) and 22; the name before them may hold any character.
    """
    with suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        state, *fields = stat.rpartition(")")[2].split()
        return None if state == "Z" else int(fields[18])
    if not Path("/proc/self/stat").exists():
        with suppress(OSError):
            os.kill(pid, 0)
            return 0
    return None
