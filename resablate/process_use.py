"""What a trial's process uses while it trains: processor time and memory, and those of its GPU."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

_MIB = 2**20
_RESIDENT_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in what getrusage(2) counts resident memory by."""


class UseMeter:
    """Measures from its making on.

    The members of a pack, which train in one process, each tell what the process uses.

    Args:
        device: on which the process computes.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._wall, self._processor = time.perf_counter(), time.process_time()
        self._gpu_percent: list[float] = []
        if device.type == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats(device)

    def look(self) -> None:
        """Ask the GPU how busy it is, as the driver says it of the last moment; nothing where nobody can tell."""
        if self._device.type != "cuda":
            return
        import torch

        try:
            self._gpu_percent.append(float(torch.cuda.utilization(self._device)))
        except Exception as error:  # of NVIDIA's interface, which may not be installed and has errors of its own
            log.debug("how busy the GPU is cannot be told: %s", error)

    def use(self) -> dict[str, float]:
        """Name -> number: `cpu_percent`, 100 for each busy core, and the most memory in MiB; likewise of a GPU."""
        seconds = time.perf_counter() - self._wall
        found = {"cpu_percent": 100 * (time.process_time() - self._processor) / seconds if seconds else 0.0}
        if (resident := most_resident()) is not None:
            found["memory_mib"] = resident / _MIB
        if self._device.type == "cuda":
            import torch

            found["gpu_memory_mib"] = torch.cuda.max_memory_reserved(self._device) / _MIB
        if self._gpu_percent:
            found["gpu_percent"] = fmean(self._gpu_percent)
        return found


def most_resident() -> int | None:
    """Bytes that this process had in memory at most, since it began; None on a system that does not tell.

    Linux's getrusage(2) keeps, over exec(2), what the process had before it: that of a large process that starts a
    small one. /proc counts the program alone.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        pass  # no Linux
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RESIDENT_UNIT
