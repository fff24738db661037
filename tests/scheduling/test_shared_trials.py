"""Trials that another sweep trains: each is waited for, taken when it is there, or run here where nobody else does."""

import io
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from resablate.errors import TrackerAway
from resablate.plan import plan_sweep
from resablate.result import TrialResult
from resablate.scheduling import shared_trials
from resablate.scheduling.pending import completed_result
from resablate.scheduling.progress import SweepProgress
from resablate.scheduling.shared_trials import SharedTrials
from resablate.searches.searcher import Searcher
from resablate.spec import TrainSpec
from resablate.tracking import MemoryTracker, MlflowTracker, Tracker
from tests.factories import make_result
from tests.searches.studies import end, make_search, open_search, states, stored
from tests.tracking.databases import make_database
from tests.tracking.records import SWEEP, run

pytestmark = pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning",
    "ignore::ResourceWarning",  # of the study that a test opens beside ours
)
FIRST, SECOND = (make_result(seed=seed) for seed in (0, 1))


class Meanwhile:
    """What happens between two looks: one act before each; the wait is stopped when none is left."""

    def __init__(self, *acts: Callable[[], object]) -> None:
        self._acts = list(acts)

    def __call__(self) -> bool:
        if not self._acts:
            return True
        self._acts.pop(0)()
        return False


def nothing() -> None:
    """Nothing happens."""


class Waiting:
    """The trials that a sweep put off, with what it was told of them."""

    def __init__(
        self, tracker: Tracker, specs: Sequence[TrainSpec], *acts: Callable[[], object], search: Searcher | None = None
    ) -> None:
        self.text, self.noted = io.StringIO(), list[str]()
        self.progress = SweepProgress(
            specs, label=TrainSpec.label, work=lambda spec: 1.0, console=Console(file=self.text, width=200)
        )
        answer: Any = None  # of a sweep without a search nothing is asked
        self._shared = SharedTrials(
            tracker,
            take=partial(completed_result, plan=plan_sweep(SWEEP), tracker=tracker, answer=answer),
            progress=self.progress,
            search=search,
            stop=Meanwhile(*acts),
        )
        for spec in specs:
            self._shared.put_off(spec)

    def next(self) -> list[TrainSpec]:
        return self._shared.next(lambda spec: self.noted.append(spec.key))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_trials, "_POLL_SECONDS", 0.0)
    monkeypatch.setattr("resablate.patience._RETRY_SECONDS", 0.0)
    monkeypatch.setattr("resablate.tracking.mlflow_records._PAUSE_SECONDS", 0)


def training(tracker: Tracker, *results: TrialResult) -> Tracker:
    """A tracker of another sweep, which trains these."""
    tracker.start_sweep(SWEEP.model_copy(update={"name": "other"}), trials=[], command="")
    for result in results:
        tracker.start_trial(result.spec)
    return tracker


@pytest.fixture
def other() -> MemoryTracker:
    other = MemoryTracker()
    training(other, FIRST, SECOND)
    return other


def filed(tracker: Tracker, result: TrialResult) -> Callable[[], None]:
    return lambda: tracker.finish_trial(result, weights={}, figures={})


def test_results_are_taken_when_they_are_there(other: MemoryTracker) -> None:
    acts = (nothing, filed(other, FIRST), nothing, filed(other, SECOND), nothing)
    waiting = Waiting(MemoryTracker(other), [FIRST.spec, SECOND.spec], *acts)
    assert waiting.next() == []
    assert waiting.noted == [FIRST.key, SECOND.key]
    assert waiting.progress.counts == {"finished": 2}
    assert waiting.text.getvalue().count("waiting for") == 1
    assert "waiting for 2 trials that sweep other trains" in waiting.text.getvalue()
    assert waiting.next() == [], "each is taken once"


def test_what_its_sweep_has_left_is_run_here(other: MemoryTracker) -> None:
    acts = (nothing, filed(other, FIRST), other.release_sweep, nothing)
    waiting = Waiting(MemoryTracker(other), [FIRST.spec, SECOND.spec], *acts)
    assert waiting.next() == [SECOND.spec]
    assert (waiting.noted, waiting.progress.counts) == ([FIRST.key], {"finished": 1})
    assert waiting.next() == [], "it is given to run once"


def test_a_trial_that_failed_there_is_run_here(other: MemoryTracker) -> None:
    failed = make_result(seed=0, status="failed", reason="no more memory")
    waiting = Waiting(MemoryTracker(other), [FIRST.spec, SECOND.spec], nothing, filed(other, failed), nothing)
    assert waiting.next() == [FIRST.spec], "the other is still trained there"
    assert waiting.noted == []


def test_who_is_stopped_waits_no_longer(other: MemoryTracker) -> None:
    waiting = Waiting(MemoryTracker(other), [FIRST.spec], nothing, nothing)
    assert waiting.next() == []
    assert waiting.noted == []


def test_records_that_are_away_are_waited_for(other: MemoryTracker, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = MemoryTracker(other)
    complete, away = mine.complete_keys, [3]

    def complete_keys() -> dict[str, str]:
        if away[0]:
            away[0] -= 1
            raise TrackerAway("the records are away")
        return complete()

    monkeypatch.setattr(mine, "complete_keys", complete_keys)
    waiting = Waiting(mine, [FIRST.spec], filed(other, FIRST), nothing, nothing, nothing)
    assert waiting.next() == []
    assert (waiting.noted, away) == ([FIRST.key], [0])


def test_a_search_is_told_of_what_is_taken() -> None:
    other = MemoryTracker()
    with open_search(make_search(trials=1)) as search:
        spec = search.next()
        assert spec
        result = end(spec, 0.25)
        training(other, result)
        waiting = Waiting(MemoryTracker(other), [spec], nothing, filed(other, result), search=search)
        assert waiting.next() == []
    assert states(stored()) == ["COMPLETE"]
    assert stored().trials[0].values == [0.25]


def test_a_result_that_is_damaged_is_none_and_its_trial_is_run_here(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    uri = make_database(tmp_path)
    run(training(MlflowTracker(uri)), FIRST)
    mine = MlflowTracker(uri)
    [(key, run_id)] = mine.complete_keys().items()
    [file] = tmp_path.rglob(f"{run_id}/artifacts/result.json")
    file.write_bytes(file.read_bytes()[:200])
    waiting = Waiting(mine, [FIRST.spec], nothing)
    assert waiting.next() == [FIRST.spec]
    assert (waiting.noted, waiting.progress.counts, mine.complete_keys()) == ([], {}, {})
    assert key == FIRST.key
    assert caplog.text.count("its trial is run again") == 1
