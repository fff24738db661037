"""One process runs a sweep, also where others share only its records."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from mlflow.entities import Run

from resablate.errors import TrackingError
from resablate.processes import process_start
from resablate.sweep import parse_sweep
from resablate.tracking import MlflowTracker, ownership
from resablate.tracking.ownership import OWNER, Owner, owner_of, this_process
from tests.tracking.databases import make_database

SWEEP = parse_sweep({"name": "tiny", "base": {"dataset": "digits", "depth": 8}, "axes": {"seed": [0]}})
TRIALS = [SWEEP.trial(point) for point in SWEEP.points()]
ELSEWHERE = Owner("another-host", "7", "1", "another-machine")


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
    return this_process()._replace(process=str(process), start=str(process_start(process)))


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


@pytest.fixture
def twin() -> Owner:
    """A process of another machine that has this one's host name, under a number that no process has here."""
    return Owner(this_process().host, "4194999", "1", "another-machine")


def test_a_machine_of_the_same_host_name_is_listened_to(uri: str, twin: Owner, beating: list[MlflowTracker]) -> None:
    beating.append(started_by(twin, uri))
    with pytest.raises(TrackingError, match="is being run by process 4194999 on "):
        start(uri)


def test_a_silent_machine_of_the_same_host_name_has_ended(uri: str, twin: Owner) -> None:
    started_by(twin, uri)
    begun = time.monotonic()
    second = start(uri)
    assert time.monotonic() - begun >= 0.6
    assert second.states("tiny")[TRIALS[0].key].status == "interrupted"


def test_a_process_of_this_machine_is_not_waited_for(uri: str, parent: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "SILENT_SECONDS", 600)
    started_by(parent._replace(start="1"), uri)
    start(uri)


@pytest.mark.parametrize(
    ("tag", "owner"),
    [
        ("node 7 1 m", Owner("node", "7", "1", "m")),
        ("my node 7 1 m", Owner("my node", "7", "1", "m")),
        ("node 7 1", Owner("node", "7", "1", "")),
        ("node", Owner("node", "", "", "")),
    ],
)
def test_owners_are_read_as_they_were_written(tag: str, owner: Owner) -> None:
    """A tag that is too short is of a machine that nobody knows."""
    run = SimpleNamespace(data=SimpleNamespace(tags={OWNER: tag}))
    assert owner_of(cast(Run, run)) == owner
    assert tag.count(" ") < 3 or owner.tag == tag


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
