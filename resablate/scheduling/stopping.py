"""Ending a sweep early and in order: at Ctrl-C, at SIGTERM or SIGHUP, when its time is up, or when it cannot go on."""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

TERMINATED, INTERRUPTED, OUT_OF_TIME = "SIGTERM", "Ctrl-C", "the end of its time budget"
HUNG_UP = "the end of its terminal"
_REASONS = {
    signal.SIGINT: INTERRUPTED,
    signal.SIGTERM: TERMINATED,
    signal.SIGHUP: HUNG_UP,
    signal.SIGUSR2: OUT_OF_TIME,  # that of the timer below, and of `halt`
}


class Stopping:
    """Inside its `with`, in the main thread, whatever stops the sweep raises KeyboardInterrupt.

    Nothing is lost by that but the epoch under way: every other one has left its checkpoint. Inside `polled` the first
    request is only noted, for a loop that looks at `reason` and has processes of its own to end; a second one raises
    there too.

    Args:
        time_budget: seconds until the sweep is stopped; None for no end.

    Attributes:
        reason: what stopped the sweep; empty if nothing did.
    """

    def __init__(self, time_budget: float | None = None) -> None:
        self.reason = ""
        self._fault = ""
        self._polled = False
        self._before: dict[int, Any] = {}
        self._timer: threading.Timer | None = None
        if time_budget is not None:
            # Does nothing where there is no handler any more, as a signal that is sent would not.
            self._timer = threading.Timer(time_budget, _thread.interrupt_main, [signal.SIGUSR2])
            self._timer.daemon = True

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # no other thread may set handlers
            self._before = {number: signal.getsignal(number) for number in _REASONS}
            if self._before[signal.SIGHUP] == signal.SIG_IGN:  # as nohup asks
                del self._before[signal.SIGHUP]
            self.listen()
            if self._timer:
                self._timer.start()
        return self

    def listen(self) -> None:
        """Have the signals come here, also after somebody else took them."""
        for number in self._before:
            signal.signal(number, self._handle)

    def note(self, reason: str) -> None:
        """Note why the sweep stops, for a loop that looks at `reason`; the first reason counts."""
        self.reason = self.reason or reason

    def halt(self, reason: str) -> None:
        """Stop the sweep, as a signal does; to be called from another thread than the main one.

        Args:
            reason: what makes it stop, as a sentence.
        """
        self._fault = self._fault or reason
        if self._before:  # else nobody listens
            _thread.interrupt_main(signal.SIGUSR2)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer:
            self._timer.cancel()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if kind is KeyboardInterrupt and self.reason and not str(error):  # Ray raises one of its own instead
            raise KeyboardInterrupt(self.reason) from None

    @contextmanager
    def polled(self) -> Generator[None]:
        """Note the first request instead of raising."""
        self._polled = True
        try:
            yield
        finally:
            self._polled = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.reason or not self._polled:
            self.reason = self.reason or self._reason_of(number)
            raise KeyboardInterrupt(self.reason)
        self.reason = self._reason_of(number)

    def _reason_of(self, number: int) -> str:
        return self._fault or _REASONS[signal.Signals(number)]
