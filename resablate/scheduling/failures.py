"""What a trial died of, in words, and whether it deserves another try."""

from __future__ import annotations

import errno
import gc
import logging
from collections.abc import Callable
from typing import NamedTuple, TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)


class Failure(NamedTuple):
    """Why there is no result."""

    reason: str
    """In one line."""


def retry_once_on_oom(attempt: Callable[[], T], *, name: str) -> T | Failure:
    """What `attempt` gives, or why it gives nothing.

    Memory that ran out may have been held by another trial, so then there is a second attempt. Nothing else deserves
    one: a full disk stays full, and what a trial does wrong it does wrong again.

    Args:
        attempt: leaves nothing in memory when it fails, and continues from its checkpoint.
        name: of what is tried, for the log.
    """
    again = True
    while True:
        try:
            return attempt()
        except Exception as error:  # one trial's failure is its result; the sweep goes on
            log.exception("%s failed", name)
            reason = reason_of(error)
            again = again and is_out_of_memory(error)
        if not again:
            return Failure(reason)
        again = False
        free_memory()  # not above, where the error's traceback still holds it


def reason_of(error: BaseException) -> str:
    """The error as the reason of a failed trial, in one line; what a machine ran out of comes first."""
    import torch  # here, where something failed: the process that files results does without

    text = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    if isinstance(error, torch.OutOfMemoryError):
        return f"out of GPU memory: {text}"
    if is_out_of_memory(error):
        return f"out of memory: {text}"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"disk full: {text}"
    return text


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of the GPU or of the machine."""
    import torch

    # The CPU's allocator raises a plain RuntimeError that names it.
    by_allocator = isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    return by_allocator or isinstance(error, MemoryError | torch.OutOfMemoryError)


def free_memory() -> None:
    """Give back what Python and torch keep for later."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
