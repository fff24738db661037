"""What the processes of a sweep on Ray warn of, told by its driver: Ray keeps their own words in its logs."""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any, NamedTuple, final

import ray
from ray.exceptions import RayError

_ALL = "resablate"
"""The logger of all that is ours."""
_LOOK_SECONDS = 1.0


class Warned(NamedTuple):
    """A warning."""

    host: str
    """Where it was given."""
    logger: str
    """The name of the logger that gave it."""
    text: str


@final
class _Sent(logging.Handler):
    def __init__(self, send: Callable[[Warned], object]) -> None:
        super().__init__(logging.WARNING)
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Pass it on."""
        try:
            self._send(Warned(platform.node(), record.name, record.getMessage()))
        except Exception:  # as every handler does: who warns goes on
            self.handleError(record)


def send_warnings(send: Callable[[Warned], object]) -> None:
    """Hand whatever this process warns of from now on to `send`, and to nobody that was named before."""
    logger = logging.getLogger(_ALL)
    for handler in [handler for handler in logger.handlers if isinstance(handler, _Sent)]:
        logger.removeHandler(handler)
    logger.addHandler(_Sent(send))


@final
class WaitingWarnings:
    """Those that the driver has not fetched, in the writer's process."""

    def __init__(self) -> None:
        self._waiting = SimpleQueue[Warned]()
        self.add = self._waiting.put

    def fetch(self, over: Event) -> list[Warned]:
        """All there are, once there is one; none once it is over."""
        found: list[Warned] = []
        while not found and not over.is_set():
            try:
                found.append(self._waiting.get(timeout=_LOOK_SECONDS))
            except Empty:
                continue
        while not self._waiting.empty():
            found.append(self._waiting.get())
        return found


@final
class ToldWarnings:
    """Tells on the driver what the writer's process has been warned of, each once.

    Args:
        writer: handle of the ResultWriterActor.
    """

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self._told: set[Warned] = set()
        self._next = writer.warnings.remote()

    def tell(self, *, seconds: float = 0.0) -> None:
        """What is new, waited for at most so long; nothing where the writer has ended."""
        try:
            ready, _ = ray.wait([self._next], timeout=seconds)
            if not ready:
                return
            new = [Warned(*warned) for warned in ray.get(self._next)]
        except RayError:
            return
        for warned in dict.fromkeys(new):
            if warned not in self._told:
                elsewhere = f"{warned.host}: " if warned.host != platform.node() else ""
                logging.getLogger(warned.logger).warning("%s%s", elsewhere, warned.text)
        self._told.update(new)
        self._next = self._writer.warnings.remote()
