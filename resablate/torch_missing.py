"""A machine without torch: sweeps are read, checked in part, submitted, followed and filed there, and none is run."""

from __future__ import annotations

_PACKAGES = ("torch", "torchvision")


def check_is_torch(missing: ModuleNotFoundError) -> None:
    """Raise `missing` again unless it is torch, or its companion, that is not installed."""
    if missing.name is None or missing.name.partition(".")[0] not in _PACKAGES:
        raise missing
