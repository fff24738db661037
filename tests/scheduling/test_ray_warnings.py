"""What a process warns of is sent on, whatever becomes of it; tests/faults/test_full_disk.py has a driver tell it."""

import logging
import platform
import time
from threading import Event, Timer

import pytest

from resablate.scheduling.ray_warnings import WaitingWarnings, Warned, send_warnings

pytestmark = pytest.mark.usefixtures("handlers_as_before")
HERE = platform.node()


def test_warnings_of_ours_go_to_who_was_named_last() -> None:
    first, second = list[Warned](), list[Warned]()
    send_warnings(first.append)
    logging.getLogger("resablate.storage.files").warning("%s: full", "a disk")
    logging.getLogger("resablate.storage.files").info("not this")
    logging.getLogger("ray").warning("nor this")
    send_warnings(second.append)
    logging.getLogger("resablate").error("lost")
    assert first == [Warned(HERE, "resablate.storage.files", "a disk: full")]
    assert second == [Warned(HERE, "resablate", "lost")]


def test_who_warns_goes_on_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(warned: Warned) -> None:
        raise ConnectionError(warned.text)

    monkeypatch.setattr(logging, "raiseExceptions", False)
    send_warnings(gone)
    logging.getLogger("resablate").warning("a warning")


def test_they_are_fetched_together_and_waited_for_until_it_is_over() -> None:
    waiting, over = WaitingWarnings(), Event()
    first, second = Warned("one", "resablate", "x"), Warned("two", "resablate", "y")
    waiting.add(first)
    waiting.add(second)
    assert waiting.fetch(over) == [first, second]
    Timer(0.2, waiting.add, [first]).start()
    assert waiting.fetch(over) == [first], "it waits"
    begin = time.monotonic()
    Timer(0.2, over.set).start()
    assert waiting.fetch(over) == []
    assert time.monotonic() - begin >= 0.2
    waiting.add(second)
    assert waiting.fetch(over) == [second], "the last ones too"
