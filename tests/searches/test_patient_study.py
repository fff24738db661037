"""A search whose database is away for a while proposes what it would have proposed, and each point once.

One that has lost its lease leaves the study as it is.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

from resablate import patience
from resablate.errors import LeaseLost, TrackerAway, TrackingError
from resablate.searches.patient_study import DISCARDED
from resablate.searches.searcher import Searcher
from resablate.searches.study import study_errors
from tests.searches.studies import end, make_search, open_search, run, states, stored

SWEEP = make_search(trials=4)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_RETRY_SECONDS", 0.0)


def sqlite_error(message: str, code: int) -> OperationalError:
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = code
    return OperationalError("UPDATE", {}, error)


def locked() -> OperationalError:
    return sqlite_error("database is locked", sqlite3.SQLITE_BUSY_SNAPSHOT)


@contextmanager
def failing(numbers: Collection[int]) -> Iterator[list[int]]:
    """Statements of these numbers fail; the list counts them all."""
    count = [0]

    def fail(*arguments: Any) -> None:
        count[0] += 1
        if count[0] in numbers:
            raise locked()

    event.listen(Engine, "before_cursor_execute", fail)
    yield count
    event.remove(Engine, "before_cursor_execute", fail)


@pytest.mark.parametrize("step", [97, pytest.param(3, marks=pytest.mark.slow)])
def test_it_proposes_what_it_would_have_proposed_whatever_request_fails(step: int) -> None:
    with failing(set()) as count:
        undisturbed = finish(begin("undisturbed"))
    for number in range(1, count[0], step):
        assert finish(begin(f"fails-at-{number}"), {number, number + 1}) == undisturbed, f"statement {number} failed"


def begin(name: str) -> Searcher:
    return open_search(make_search(trials=4, name=name))


def finish(search: Searcher, faults: Collection[int] = ()) -> tuple[list[dict[str, Any]], list[str]]:
    """The points of a search in their order, with their states, without those that do not count."""
    with search, failing(faults):
        run(search)
        assert search.left == 0
    study = stored(search._sweep.name)
    gone = study.user_attrs[DISCARDED]
    assert {trial.state.name for trial in study.trials if trial.number in gone} <= {"FAIL"}
    counted = [trial for trial in study.trials if trial.number not in gone]
    return [trial.params for trial in counted], [trial.state.name for trial in counted]


def test_an_answer_that_is_lost_is_no_second_end(monkeypatch: pytest.MonkeyPatch) -> None:
    tell, lost = optuna.Study.tell, [True]

    def forgets(self: optuna.Study, *arguments: Any, **words: Any) -> Any:
        told = tell(self, *arguments, **words)
        if lost and lost.pop():
            raise StorageInternalError("invalid data in the commit") from locked()
        return told

    monkeypatch.setattr(optuna.Study, "tell", forgets)
    assert finish(begin("lost"))[1] == ["COMPLETE"] * 4


@pytest.mark.parametrize("act", ["next", "tell"])
def test_who_is_stopped_waits_no_longer(act: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with begin("stopped") as search:
        spec = search.next()
        assert spec
        asked = [0]

        def stop() -> bool:
            asked[0] += 1
            return asked[0] > 2

        search._asking._stop = stop
        with failing(set(range(1000))):
            if act == "next":
                assert search.next() is None
            else:
                search.tell(end(spec))
        assert asked == [3]
        if act == "tell":
            search.next()
    assert states(stored("stopped")) == (["RUNNING"] if act == "next" else ["COMPLETE", "RUNNING"])


def content(folder: Path) -> list[str]:
    """All that the database of studies holds, as statements."""
    with closing(sqlite3.connect(folder / "optuna.db")) as database:
        return list(database.iterdump())


class Lease:
    """A lease as its holder checks it."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def check(self) -> None:
        if self.error:
            raise self.error


ACTS: dict[str, Callable[[Searcher, Any], Any]] = {
    "asks": lambda search, spec: search.next(),
    "tells": lambda search, spec: search.tell(end(spec)),
    "asks for a pack": lambda search, spec: search.next_pack(lambda spec: 3),
    "notes the winner": lambda search, spec: search.note_winner(),
}


@pytest.mark.parametrize("act", ACTS)
def test_who_has_lost_the_lease_changes_nothing(act: str, tmp_path: Path) -> None:
    lease = Lease()
    with open_search(SWEEP, check_lease=lease.check) as search:
        first, second = search.next(), search.next()
        assert first and second
        search.tell(end(first))
        before = content(tmp_path)
        lease.error = LeaseLost("another process runs it now")
        assert not ACTS[act](search, second)
    assert content(tmp_path) == before
    with open_search(SWEEP, check_lease=Lease().check) as search:
        assert content(tmp_path) != before, "who holds the lease brings it in line"


def test_who_has_lost_the_lease_does_not_settle_the_study(tmp_path: Path) -> None:
    with open_search(SWEEP) as search:
        search.next()
    before, lease = content(tmp_path), Lease()
    lease.error = LeaseLost("another process runs it now")
    with pytest.raises(LeaseLost, match="another process runs it now"):
        open_search(SWEEP, check_lease=lease.check)
    assert content(tmp_path) == before


@pytest.mark.parametrize("act", ["asks", "tells"])
def test_as_long_as_nobody_says_whether_the_lease_is_held_it_is_waited_for(act: str, tmp_path: Path) -> None:
    unanswered = [0]

    def check() -> None:
        if unanswered[0]:
            unanswered[0] -= 1
            raise TrackerAway("the records are away")

    with open_search(SWEEP, check_lease=check) as search:
        spec = search.next()
        before, unanswered[0] = content(tmp_path), 3
        ACTS[act](search, spec)
        assert unanswered == [0]
        assert content(tmp_path) != before


@pytest.mark.parametrize(
    ("address", "error", "message", "kind"),
    [
        ("sqlite:///studies.db", locked(), "database is locked", TrackerAway),
        ("sqlite:///studies.db", sqlite_error("no file", sqlite3.SQLITE_CANTOPEN), "no file", TrackingError),
        ("postgresql://host/studies", OperationalError("", {}, Exception("refused")), "refused", TrackerAway),
    ],
)
def test_what_counts_as_away(
    address: str, error: OperationalError, message: str, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESABLATE_STUDY_STORAGE", address)
    with pytest.raises(TrackingError, match=message) as caught, study_errors(SWEEP):
        raise StorageInternalError("invalid data in the commit") from error
    assert type(caught.value) is kind
