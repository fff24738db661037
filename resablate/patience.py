"""Waiting for a server that is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from resablate.errors import TrackerAway

Result = TypeVar("Result")
log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
"""Between two tries."""


def patiently(act: Callable[[], Result], *, stop: Callable[[], bool] = lambda: False) -> Result | None:
    """What `act` gives, tried again while it finds that a server is away; None where it is stopped meanwhile.

    Args:
        act: may be done again from the beginning wherever it was left.
        stop: whether to wait no longer.
    """
    with suppress(TrackerAway):
        return until_answered(act, stop=stop)
    return None


def until_answered(act: Callable[[], Result], *, stop: Callable[[], bool]) -> Result:
    """As `patiently`, for what there is no going on without.

    Raises:
        TrackerAway: where it is stopped while it waits.
    """
    told = False
    while True:
        try:
            return act()
        except TrackerAway as away:
            if not told:
                log.warning("%s; waiting until it answers", away)
            told = True
            if stop():
                raise
        time.sleep(_RETRY_SECONDS)
