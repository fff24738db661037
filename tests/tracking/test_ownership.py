"""One process runs a sweep, also where others share only its records."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resablate.errors import TrackingError
from resablate.processes import process_start
from resablate.tracking import MlflowTracker, ownership
from resablate.tracking.ownership import Owner, this_process
from tests.scheduling.tiny import tiny_sweep
from tests.tracking.databases import make_database

SWEEP = tiny_sweep({"seed": [0]})
TRIALS = [SWEEP.trial(point) for point in SWEEP.points()]
ELSEWHERE = Owner("another-host", "7", "1")


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return make_database(tmp_path)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is listened to for long."""
    monkeypatch.setattr(ownership, "SILENT_SECONDS", 0.6)
    monkeypatch.setattr(ownership, "_POLL_SECONDS", 0.05)


def start(uri: str) -> MlflowTracker:
    tracker = MlflowTracker(uri)
    tracker.start_sweep(SWEEP, trials=TRIALS, command="")
    return tracker


def started_by(owner: Owner, uri: str) -> MlflowTracker:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("resablate.tracking.mlflow_tracker.this_process", lambda: owner)
        tracker = start(uri)
        tracker.start_trial(TRIALS[0])
    return tracker


@pytest.fixture
def parent() -> Owner:
    """A process of this machine that is at work."""
    process = os.getppid()
    return Owner(this_process().host, str(process), str(process_start(process)))


@pytest.fixture
def beating() -> Iterator[list[MlflowTracker]]:
    """Trackers that are put here are kept alive."""
    trackers: list[MlflowTracker] = []
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(0.1):
            for tracker in trackers:
                tracker.keep_alive()

    thread = threading.Thread(target=beat)
    thread.start()
    yield trackers
    ended.set()
    thread.join()


def test_a_process_of_this_machine_that_runs_the_sweep(uri: str, parent: Owner) -> None:
    first = started_by(parent, uri)
    with pytest.raises(TrackingError, match=rf"sweep 'tiny' is being run by process {parent.process} on "):
        start(uri)
    assert first.states("tiny")[TRIALS[0].key].status == "running", "nothing of it was touched"
    first.end_sweep("finished")
    start(uri)


def test_a_process_that_has_ended_and_a_later_one_with_its_number(uri: str, parent: Owner) -> None:
    started_by(parent._replace(start="1"), uri)
    second = start(uri)
    assert second.states("tiny")[TRIALS[0].key].status == "interrupted"


def test_a_process_of_another_machine_that_is_heard_of(uri: str, beating: list[MlflowTracker]) -> None:
    beating.append(started_by(ELSEWHERE, uri))
    with pytest.raises(TrackingError, match="is being run by process 7 on another-host"):
        start(uri)


def test_a_process_of_another_machine_that_is_silent(uri: str) -> None:
    started_by(ELSEWHERE, uri)
    begun = time.monotonic()
    start(uri)
    assert time.monotonic() - begun >= 0.6


def test_two_at_the_same_moment_are_none(uri: str, parent: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one is opened after this one has looked."""
    look = ownership.abandoned_runs

    def late(*arguments: Any, **words: Any) -> list[str]:
        monkeypatch.setattr("resablate.tracking.mlflow_tracker.abandoned_runs", look)
        found = look(*arguments, **words)
        started_by(parent, uri)
        return found

    monkeypatch.setattr("resablate.tracking.mlflow_tracker.abandoned_runs", late)
    with pytest.raises(TrackingError, match=rf"is being run by process {parent.process} on "):
        start(uri)
