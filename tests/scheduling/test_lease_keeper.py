"""The lease of a sweep is renewed while it runs, and given back however it ends; who loses it stops."""

import time
from pathlib import Path

import pytest

from resablate.errors import LeaseLost, LeaseTaken, TrackerAway
from resablate.scheduling import lease_keeper, run
from resablate.scheduling.lease_keeper import is_recent, kept_lease
from resablate.scheduling.stopping import Stopping
from resablate.tracking import BEAT_SECONDS, MemoryTracker, MlflowTracker, SweepStatus, Tracker
from resablate.tracking.leases import this_process
from tests.scheduling.test_inline import run_tiny
from tests.scheduling.tiny import tiny_plan
from tests.tracking.databases import make_database

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_keeper, "BEAT_SECONDS", 0.02)


def beat(tracker: Tracker) -> str:
    [lease] = tracker.leases()
    return lease.claim.beat


@pytest.fixture(params=["memory", "mlflow"])
def tracker(request: pytest.FixtureRequest, tmp_path: Path) -> Tracker:
    return MemoryTracker() if request.param == "memory" else MlflowTracker(make_database(tmp_path))


def test_it_is_renewed_while_the_sweep_runs_and_given_back(tracker: Tracker) -> None:
    beats: set[str] = set()
    with Stopping() as stopping, kept_lease(tracker, "seeds", stopping):
        deadline = time.monotonic() + 10
        while len(beats) < 3 and time.monotonic() < deadline:
            beats.add(beat(tracker))
            time.sleep(0.01)
    assert len(beats) == 3
    assert tracker.leases() == []


def test_it_is_given_back_whatever_is_raised(tracker: Tracker) -> None:
    with pytest.raises(ZeroDivisionError), Stopping() as stopping, kept_lease(tracker, "seeds", stopping):
        raise ZeroDivisionError
    assert tracker.leases() == []


def test_a_renewal_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker, renew, failed = MemoryTracker(), MemoryTracker.keep_alive, [3]

    def fails(self: MemoryTracker) -> None:
        if failed[0]:
            failed[0] -= 1
            raise OSError("the tracker is gone")
        renew(self)

    monkeypatch.setattr(MemoryTracker, "keep_alive", fails)
    with Stopping() as stopping, kept_lease(tracker, "seeds", stopping):
        deadline = time.monotonic() + 10
        while not beat(tracker) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert beat(tracker)


def test_renewals_that_take_long_come_no_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[float] = []

    def slow(self: MemoryTracker) -> None:
        begun.append(time.monotonic())
        time.sleep(0.35)

    monkeypatch.setattr(MemoryTracker, "keep_alive", slow)
    monkeypatch.setattr(lease_keeper, "BEAT_SECONDS", 0.4)
    with Stopping() as stopping, kept_lease(MemoryTracker(), "seeds", stopping):
        deadline = time.monotonic() + 20
        while len(begun) < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert begun[4] - begun[0] < 4 * 0.6, "0.75 s each, if one waited for the end of the other"


def test_a_sweep_whose_lease_is_lost_stops_and_says_why() -> None:
    tracker = MemoryTracker()
    why = f"the lease of sweep 'seeds' is lost: {this_process()} runs it now"
    with Stopping() as stopping:
        with pytest.raises(KeyboardInterrupt, match="the lease of sweep"), kept_lease(tracker, "seeds", stopping):
            second = MemoryTracker(tracker)
            second.claim_sweep("seeds")
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                time.sleep(0.01)
        assert stopping.reason == why
    [lease] = second.leases()
    assert lease.state == "held", "the other's lease is not given back"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time by `running_seconds`; beats come as seldom as they do."""
    now = [1000.0]
    monkeypatch.setattr(lease_keeper, "BEAT_SECONDS", BEAT_SECONDS)
    monkeypatch.setattr(lease_keeper, "running_seconds", lambda: now[0])
    return now


def renewals(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often the tracker is asked from now on."""
    asked, renew = [0], MemoryTracker.keep_alive

    def counting(self: MemoryTracker) -> None:
        asked[0] += 1
        renew(self)

    monkeypatch.setattr(MemoryTracker, "keep_alive", counting)
    return asked


def test_a_check_asks_only_where_two_beats_are_missing(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    asked, told = renewals(monkeypatch), list[float]()
    with Stopping() as stopping, kept_lease(MemoryTracker(), "seeds", stopping) as lease:
        lease.report_to(told.append)
        clock[0] += 1.9 * BEAT_SECONDS
        lease.check()
        assert (lease.is_confirmed(), asked, told) == (True, [0], [1000.0])
        clock[0] += 0.2 * BEAT_SECONDS
        assert (lease.is_confirmed(), is_recent(told[-1])) == (False, False)
        lease.check()
        assert (lease.is_confirmed(), asked, told) == (True, [1], [1000.0, clock[0]])
        lease.check()
        assert asked == [1]


def test_a_check_that_nobody_answers_says_so_and_leaves_the_lease(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Stopping() as stopping, kept_lease(MemoryTracker(), "seeds", stopping) as lease:
        clock[0] += 3 * BEAT_SECONDS
        with monkeypatch.context() as patch, pytest.raises(TrackerAway):
            patch.setattr(MemoryTracker, "keep_alive", lambda self: (_ for _ in ()).throw(TrackerAway("no answer")))
            lease.check()
        assert (lease.is_confirmed(), stopping.reason) == (False, "")
        lease.check()
        assert lease.is_confirmed()


def test_who_wakes_without_the_lease_is_stopped_by_its_first_check(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the process was stopped, and no beat has come since."""
    tracker, asked = MemoryTracker(), renewals(monkeypatch)
    with Stopping() as stopping, kept_lease(tracker, "seeds", stopping) as lease, stopping.polled():
        MemoryTracker(tracker).claim_sweep("seeds")
        clock[0] += 50
        assert not lease.is_confirmed()
        for _ in range(2):
            with pytest.raises(LeaseLost, match="the lease of sweep 'seeds' is lost"):
                lease.check()
        assert asked == [1]
        assert not lease.is_confirmed()
        assert stopping.reason == f"the lease of sweep 'seeds' is lost: {this_process()} runs it now"


def test_a_second_holder_is_refused(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    with Stopping() as stopping, kept_lease(tracker, "seeds", stopping):
        other = this_process()._replace(process="1", start="0")
        for module in ("resablate.tracking.leases", "resablate.tracking.mlflow_leases"):
            monkeypatch.setattr(f"{module}.this_process", lambda: other)
        second = MemoryTracker(tracker) if isinstance(tracker, MemoryTracker) else MlflowTracker(tracker._store.uri)
        with pytest.raises(LeaseTaken, match="sweep 'seeds' is being run by process"):
            second.claim_sweep("seeds")


def test_a_record_that_its_own_process_closes_is_no_lost_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A beat may come between the end of the record and that of the lease."""
    end = MlflowTracker.end_sweep

    def slowly(tracker: MlflowTracker, status: SweepStatus) -> None:
        submission = tracker._leases.submission
        end(tracker, status)
        tracker._leases.submission = submission
        time.sleep(0.3)

    monkeypatch.setattr(MlflowTracker, "end_sweep", slowly)
    monkeypatch.setattr(run, "open_tracker", lambda uri: MlflowTracker(make_database(tmp_path)))
    outcome, text = run_tiny(tiny_plan({"seed": [0]}, analyses={}, epochs=1))
    assert (outcome.counts, outcome.stopped_by) == ({"finished": 1}, ""), text
