"""One process runs a sweep, also where others share only its records."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from resablate.errors import LeaseLost, LeaseTaken, TrackingError
from resablate.processes import process_start
from resablate.sweep import parse_sweep
from resablate.tracking import MlflowTracker, leases, mlflow_leases
from resablate.tracking.leases import Claim, LeaseState, Owner, Watch, this_process
from resablate.tracking.mlflow_submissions import ORDER
from tests.factories import make_result
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
    monkeypatch.setattr(leases, "SILENT_SECONDS", 0.6)
    monkeypatch.setattr(leases, "_POLL_SECONDS", 0.05)


def start(uri: str) -> MlflowTracker:
    tracker = MlflowTracker(uri)
    tracker.start_sweep(SWEEP, trials=TRIALS, command="")
    return tracker


def started_by(owner: Owner, uri: str) -> MlflowTracker:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("resablate.tracking.mlflow_leases.this_process", lambda: owner)
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
            for tracker in list(trackers):
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
    assert TRIALS[0].key not in second.states("tiny"), "its run is deleted, for it may still be written to"


def test_a_process_of_this_machine_is_not_waited_for(uri: str, parent: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "SILENT_SECONDS", 600)
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
    assert Owner.parse(tag) == owner
    assert tag.count(" ") < 3 or owner.tag == tag


Found = list[tuple[Claim, LeaseState]]


def comes_between(act: Callable[[], object], patch: pytest.MonkeyPatch) -> None:
    """Have something happen after the next claim has looked, and before it is written."""
    look = Watch.wait_for_ended

    def late(*arguments: Any, **words: Any) -> Found:
        patch.setattr(Watch, "wait_for_ended", look)
        found = look(*arguments, **words)
        act()
        return found

    patch.setattr(Watch, "wait_for_ended", late)


def test_who_claims_later_withdraws(uri: str, parent: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    comes_between(lambda: started_by(parent, uri), monkeypatch)
    with pytest.raises(LeaseTaken, match=rf"is being run by process {parent.process} on "):
        start(uri)
    [lease] = MlflowTracker(uri).leases()
    assert (lease.claim.owner, lease.state) == (parent, "held")


def test_where_the_other_one_withdraws_too_it_is_tried_again(
    uri: str, parent: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one is seen, and gone a moment later."""
    create, delete = MlflowClient.create_run, MlflowClient.delete_run
    others: list[str] = []

    def both(self: MlflowClient, experiment_id: str, **words: Any) -> Run:
        if not others:
            tags = words["tags"] | {"resablate.owner": parent.tag}
            others.append(create(self, experiment_id, tags=tags).info.run_id)
        return create(self, experiment_id, **words)

    def withdraw(self: MlflowClient, run_id: str) -> None:
        delete(self, run_id)
        delete(self, others[0])

    monkeypatch.setattr(MlflowClient, "create_run", both)
    monkeypatch.setattr(MlflowClient, "delete_run", withdraw)
    monkeypatch.setattr(mlflow_leases, "_AT_ONCE_SECONDS", 0.01)
    claim = MlflowTracker(uri).claim_sweep("tiny")
    assert [lease.claim.submission for lease in MlflowTracker(uri).leases()] == [claim]
    assert others[0] != claim


def test_what_a_silent_holder_may_still_write_meets_no_run(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even what was on its way before it was stopped: the run is deleted, and its successor has one of its own."""
    first = started_by(ELSEWHERE, uri)
    epochs = make_result(seed=0).history
    first.log_epoch(TRIALS[0].key, epochs[0])
    second = start(uri)
    second.start_trial(TRIALS[0])
    for row in epochs[:2]:
        second.log_epoch(TRIALS[0].key, row)
    monkeypatch.setattr("resablate.tracking.mlflow_leases.MlflowLeases.check", lambda self: None)
    with pytest.raises(TrackingError, match="must be in the 'active' state"):
        first.log_epoch(TRIALS[0].key, epochs[1])
    client = MlflowClient(tracking_uri=uri)
    [run] = client.search_runs(["1"], "tags.`resablate.kind` = 'trial'")
    assert [point.step for point in client.get_metric_history(run.info.run_id, "train/loss")] == [1, 2]


def test_a_trial_of_another_machine_s_sweep_is_free_once_that_is_silent(uri: str, beating: list[MlflowTracker]) -> None:
    other = started_by(ELSEWHERE, uri)
    beating.append(other)
    mine = MlflowTracker(uri)
    mine.start_sweep(SWEEP.model_copy(update={"name": "mine"}), trials=TRIALS, command="")
    for _ in range(8):
        with pytest.raises(LeaseTaken, match=r"by sweep 'tiny' \(process 7 on another-host\)"):
            mine.start_trial(TRIALS[0])
        time.sleep(0.1)
    beating.clear()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            mine.start_trial(TRIALS[0])
            break
        except LeaseTaken:
            time.sleep(0.05)
    assert [lease.claim.sweep for lease in mine.leases()] == ["mine"]
    with pytest.raises(LeaseLost, match="somebody else has closed its record"):
        other.keep_alive()


def test_leases_on_other_machines_are_listened_to_where_that_is_asked_for(uri: str) -> None:
    started_by(ELSEWHERE, uri)
    [lease] = MlflowTracker(uri).leases()
    assert (lease.state, lease.taken, lease.keys) == ("unheard", True, {TRIALS[0].key})
    [lease] = MlflowTracker(uri).leases(watch_seconds=0.8)
    assert (lease.state, lease.taken) == ("silent", False)


def test_a_submission_whose_clock_is_ahead_hides_no_later_one(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time
    for seeds, hours in ((1, 1), (2, 0), (3, -1)):
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda hours=hours: now() + 3600 * hours)
            tracker = MlflowTracker(uri)
            sweep = SWEEP.model_copy(update={"axes": {"seed": tuple(range(seeds))}})
            tracker.start_sweep(sweep, trials=[sweep.trial(point) for point in sweep.points()], command="")
            tracker.end_sweep("finished")
        assert MlflowTracker(uri).submitted("tiny")[0] == sweep


def test_a_number_that_somebody_planted_hides_no_later_submission(uri: str) -> None:
    for seeds in (1, 2, 3):
        tracker = MlflowTracker(uri)
        sweep = SWEEP.model_copy(update={"axes": {"seed": tuple(range(seeds))}})
        tracker.start_sweep(sweep, trials=[sweep.trial(point) for point in sweep.points()], command="")
        tracker.end_sweep("finished")
        assert MlflowTracker(uri).submitted("tiny")[0] == sweep
        if seeds == 1:
            client = MlflowClient(tracking_uri=uri)
            [run] = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
            client.set_tag(run.info.run_id, ORDER, "9" * 9)
