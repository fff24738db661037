"""How long a cluster may take to answer: Ray's client waits without end."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

ANSWER_SECONDS = 30
"""Of a request that carries nothing."""
UPLOAD_BYTES_PER_SECOND = 50_000
"""The slowest line that a package is sent over."""

T = TypeVar("T")


def limited(call: Callable[[], T], *, upload_bytes: int = 0) -> T:
    """What `call` returns or raises, if it does so in time.

    It runs in a thread of its own, which is left to itself where it does not come back, and ends with the process.

    Args:
        call: asks a server.
        upload_bytes: what it sends.

    Raises:
        TimeoutError: if it takes longer than its size explains.
    """
    seconds = ANSWER_SECONDS + upload_bytes / UPLOAD_BYTES_PER_SECOND
    answers: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put((call(), None))
        except BaseException as error:  # raised again by who waits
            answers.put((None, error))

    threading.Thread(target=ask, name="asks the cluster", daemon=True).start()
    try:
        answer, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer for {seconds:.0f} s") from None
    if error is not None:
        raise error
    return answer  # pyright: ignore[reportReturnType]
