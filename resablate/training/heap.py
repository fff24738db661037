"""What the C library does with memory that is freed."""

from __future__ import annotations

import ctypes
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h."""
_LARGEST_TENSOR = 2**30
_NEVER = 2**31 - 1


@cache
def keep_freed_memory() -> bool:
    """Have this process keep what it frees for its next tensors; False where its C library has no such setting.

    The GNU C library gives large blocks back to the system when they are freed, and asks for them anew: each step of a
    training then waits for the same pages again, up to half of its time on a CPU. No number changes. The process holds
    its peak of memory from then on.

    Source: mallopt(3).
    """
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version()
        set_option = library.mallopt
    except (AttributeError, OSError, TypeError):  # another C library, another system
        return False
    return bool(set_option(_TRIM_THRESHOLD, _NEVER)) and bool(set_option(_MMAP_THRESHOLD, _LARGEST_TENSOR))
