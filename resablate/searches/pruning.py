"""Stopping trials that are not worth their last epochs: Ray Tune's schedulers, on `val_error` by epoch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from resablate.registry import Registry

if TYPE_CHECKING:
    from ray.tune.schedulers import TrialScheduler

_GRACE_PART = 1 / 16
"""No trial is stopped in the first 1/16 of its epochs: two of ASHA's factors of 4 before the end."""
_LAST_PART = 3 / 4
"""No trial is stopped in the last quarter of its epochs, where its test costs less than it has cost already."""


def none(epochs: int) -> TrialScheduler:
    """Every trial runs to its end."""
    from ray.tune.schedulers import FIFOScheduler

    return FIFOScheduler()


def asha(epochs: int) -> TrialScheduler:
    """Lets a trial go on after 1/16 and 1/4 of its epochs only if it is in the best quarter of those that came so far.

    No trial waits for another.

    Source: Li et al., MLSys 2020 (arXiv 1810.05934), with its factor of 4.
    """
    from ray.tune.schedulers import ASHAScheduler

    return ASHAScheduler(
        time_attr="epoch",
        metric="val_error",
        mode="min",
        # Rungs are at grace_period * 4^k, up to max_t, and count at the first epoch that is no earlier. max_t lies
        # halfway between the second rung and a third, on a logarithmic scale, so no rounding adds or removes one.
        grace_period=epochs * _GRACE_PART,  # pyright: ignore[reportArgumentType]
        max_t=epochs / 2,  # pyright: ignore[reportArgumentType]
        reduction_factor=4,
        stop_last_trials=False,
    )


def hyperband(epochs: int) -> TrialScheduler:
    """Fills brackets with trials, and lets the best third of a bracket go on after 1/3, 1/9, 1/27, ... of the epochs.

    The brackets differ in which of these comes first. A trial that waits for the others of its bracket is paused.

    Source: Li et al., JMLR 2018 (arXiv 1603.06560), with its factor of 3.
    """
    from ray.tune.schedulers import HyperBandScheduler

    # A bracket's last rung is not always the last epoch (162 of 164): those that reach it go on to their test.
    return HyperBandScheduler(
        time_attr="epoch", metric="val_error", mode="min", max_t=epochs, reduction_factor=3, stop_last_trials=False
    )


def median(epochs: int) -> TrialScheduler:
    """Stops a trial whose best epoch is worse than the median of the other trials' means so far.

    It compares after every epoch from 1/16 to 3/4 of them, once three other trials have come as far.

    Source: Golovin et al., KDD 2017 (Vizier), section 3.2.
    """
    from ray.tune.schedulers import MedianStoppingRule

    from resablate.searches.early_epochs import EarlyEpochs

    rule = MedianStoppingRule(
        time_attr="epoch",
        metric="val_error",
        mode="min",
        grace_period=epochs * _GRACE_PART,
        # As long as there is nothing to compare with it would pause trials, and load their checkpoints again.
        min_time_slice=math.inf,  # pyright: ignore[reportArgumentType]
    )
    return EarlyEpochs(rule, time_attr="epoch", last=epochs * _LAST_PART)


PRUNINGS: Registry[Callable[[int], TrialScheduler]] = Registry(
    "pruning",
    "prunings",
    {"none": none, "asha": asha, "hyperband": hyperband, "median": median},
)
"""Epochs of a trial -> Ray's scheduler."""
PAUSING = frozenset({"hyperband"})
"""Those that have trials wait for each other, and so cannot decide for the members of a pack."""


def pruned_reason(pruning: str, epoch: int) -> str:
    """The reason of a trial that was stopped after this epoch."""
    return f"pruned by {pruning} after epoch {epoch}; no question was put to it"
