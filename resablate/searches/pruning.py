"""Stopping trials that are not worth their last epochs: Ray Tune's schedulers, on `val_error` by epoch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from resablate.registry import Registry

if TYPE_CHECKING:
    from ray.tune.schedulers import TrialScheduler

_GRACE_PARTS = 16
"""No trial is stopped in the first 1/16 of its epochs: two of ASHA's factors of 4."""


def none(epochs: int) -> TrialScheduler:
    """Every trial runs to its end."""
    from ray.tune.schedulers import FIFOScheduler

    return FIFOScheduler()


def asha(epochs: int) -> TrialScheduler:
    """Goes on after 1/16 and 1/4 of the epochs only with a quarter of the trials that came so far: never waits.

    Source: Li et al., MLSys 2020 (arXiv 1810.05934), with its factor of 4.
    """
    from ray.tune.schedulers import ASHAScheduler

    return ASHAScheduler(
        time_attr="epoch",
        metric="val_error",
        mode="min",
        max_t=epochs,
        grace_period=_grace(epochs),
        reduction_factor=4,
        stop_last_trials=False,
    )


def hyperband(epochs: int) -> TrialScheduler:
    """Brackets of trials of which a third goes on; one that waits for the others of its bracket is paused.

    Source: Li et al., JMLR 2018 (arXiv 1603.06560), with its factor of 3.
    """
    from ray.tune.schedulers import HyperBandScheduler

    # One epoch more than there is: a trial that trained its last one is tested and analyzed.
    return HyperBandScheduler(time_attr="epoch", metric="val_error", mode="min", max_t=epochs + 1)


def median(epochs: int) -> TrialScheduler:
    """Stops a trial whose best epoch is worse than the median of the other trials' means so far.

    Source: Golovin et al., KDD 2017 (Vizier), section 3.2.
    """
    from ray.tune.schedulers import MedianStoppingRule

    return MedianStoppingRule(
        time_attr="epoch",
        metric="val_error",
        mode="min",
        grace_period=_grace(epochs),
        # As long as there is nothing to compare with it would pause trials, and load their checkpoints again.
        min_time_slice=math.inf,  # pyright: ignore[reportArgumentType]
    )


PRUNINGS: Registry[Callable[[int], TrialScheduler]] = Registry(
    "pruning",
    "prunings",
    {"none": none, "asha": asha, "hyperband": hyperband, "median": median},
)
"""Most epochs of a trial -> Ray's scheduler."""


def _grace(epochs: int) -> int:
    return max(1, epochs // _GRACE_PARTS)
