"""Where the trials of a sweep stand, what they were not asked, and what a submission would do."""

from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from resablate.measurement import AnalysisResult, FailedMeasurement, Measurement
from resablate.question import Question
from resablate.result import Status, TrialResult
from resablate.scheduling import preview, sweep_standing, trials_to_come
from resablate.scheduling.pending import find_pending
from resablate.scheduling.status import trial_statuses
from resablate.spec import TrainSpec
from resablate.storage.locations import work_folder
from resablate.storage.spool import SPOOL, write_spooled
from resablate.sweep import SweepSpec, parse_sweep
from resablate.tracking import MemoryTracker
from tests.factories import make_history, make_result
from tests.scheduling.tiny import final_plan

ASKED = {"path_count": {}, "norm_preservation": {"epochs": [1]}}
PLAN = final_plan({"seed": list(range(6))}, analyses=ASKED)
NUMBERS = AnalysisResult(summary={"error": 0.1, "loss": 0.3}, table={}, units={"error": "1", "loss": "1"})


def named(*names: str) -> Callable[[Question], bool]:
    return lambda question: question.analysis.name in names


def not_needed(run_id: str, result: TrialResult, questions: tuple[Question, ...]) -> TrialResult:
    raise AssertionError("a grid proposes nothing")


def make_ended(
    spec: TrainSpec,
    *,
    status: Status = "finished",
    answered: Collection[str] = ("test", "path_count", "norm_preservation"),
    failed: Collection[str] = (),
) -> TrialResult:
    """A result that holds answers to these analyses, and failures of those."""
    questions = PLAN.questions(spec)
    return TrialResult(
        spec=spec,
        status=status,
        reason="" if status == "finished" else f"it {status}",
        history=make_history([1.0, 0.5]),
        measurements=tuple(Measurement(question=q, result=NUMBERS) for q in questions if named(*answered)(q)),
        failed_measurements=tuple(
            FailedMeasurement(question=q, reason="no memory") for q in questions if named(*failed)(q)
        ),
    )


@pytest.fixture
def memory() -> MemoryTracker:
    """A trial with all answers, one that was asked less, one with a failed question, one that failed, and one begun."""
    memory = MemoryTracker()
    complete, less, unanswered, broken, begun, _ = PLAN.trials
    memory.start_sweep(PLAN.sweep, trials=PLAN.trials, command="")
    for result in (
        make_ended(complete),
        make_ended(less, answered=["test"]),
        make_ended(unanswered, answered=["test", "norm_preservation"], failed=["path_count"]),
        make_ended(broken, status="failed", answered=[]),
    ):
        memory.start_trial(result.spec)
        memory.finish_trial(result, weights={}, figures={})
    memory.start_trial(begun)
    memory.log_epoch(begun.key, make_history([1.0])[0])
    return memory


def words(questions: Collection[Question]) -> list[str]:
    return [str(question) for question in questions]


LESS = ["path_count", "norm_preservation after epoch 1", "norm_preservation"]


def test_what_a_trial_was_not_asked_and_what_it_could_not_answer(memory: MemoryTracker) -> None:
    found = sweep_standing("tiny", tracker=memory).trials
    assert [trial.state for trial in found] == ["finished", "finished", "finished", "failed", "running", "pending"]
    assert [words(trial.missing) for trial in found] == [[], LESS, [], [], [], []]
    assert [words(trial.unanswered) for trial in found] == [[], [], ["path_count"], [], [], []]
    assert [trial.complete for trial in found] == [True, True, True, False, False, False]
    assert [trial.epoch for trial in found] == [2, 2, 2, 2, 1, 0]
    assert found[3].reason == "it failed"


def test_a_result_that_waits_to_be_filed_counts(memory: MemoryTracker) -> None:
    last = PLAN.trials[-1]
    waiting = make_ended(last, answered=["test", "path_count"], failed=["norm_preservation"])
    write_spooled(work_folder() / "tiny" / SPOOL, waiting, weights={})
    found = trial_statuses(PLAN.trials, sweep="tiny", tracker=memory, asked=PLAN.questions)
    assert (found[-1].state, found[-1].epoch) == ("finished", 2)
    assert words(found[-1].missing) == []
    assert words(found[-1].unanswered) == LESS[1:]


def test_a_diverged_trial_is_asked_nothing(memory: MemoryTracker) -> None:
    last = PLAN.trials[-1]
    memory.start_trial(last)
    memory.finish_trial(make_ended(last, status="diverged", answered=[]), weights={}, figures={})
    found = trial_statuses([last], sweep="tiny", tracker=memory, asked=PLAN.questions)
    assert (found[0].state, found[0].missing, found[0].unanswered) == ("diverged", (), ())


@pytest.mark.parametrize(
    ("retry", "todo", "unmeasured"), [((), [4, 5], 3), (("failed",), [3, 4, 5], 4), (("pruned",), [4, 5], 3)]
)
def test_what_a_submission_would_do(
    memory: MemoryTracker, retry: Collection[str], todo: list[int], unmeasured: int
) -> None:
    memory.end_sweep("interrupted")
    shown = preview(PLAN, memory, retry=retry)
    assert [place for place, spec in enumerate(PLAN.trials) if spec.key in shown.todo] == todo
    assert (shown.unmeasured, shown.proposed, len(shown.known)) == (unmeasured, 0, 6)
    assert len(preview(PLAN, memory, retry=retry, limit=1).todo) == 1


@pytest.mark.parametrize(
    ("retry", "asked"),
    [((), {1: LESS}), (("failed",), {1: LESS, 2: ["path_count"]})],
)
def test_what_a_submission_does(
    memory: MemoryTracker, tmp_path: Path, retry: Collection[str], asked: dict[int, list[str]]
) -> None:
    memory.end_sweep("interrupted")
    with find_pending(PLAN, memory, spool=tmp_path / SPOOL, answer=not_needed, retry=retry) as pending:
        assert {trial.spec.seed: words(trial.missing) for trial in pending.unmeasured} == asked
        assert pending.reused == 3
        assert pending.not_repeated == ({} if retry else {"failed": 1})
        assert pending.planned == 6
        assert pending.scheduled == pending.total == (3 if retry else 2)
    with find_pending(PLAN, memory, spool=tmp_path / SPOOL, answer=not_needed, retry=retry, limit=1) as pending:
        assert (pending.scheduled, pending.total, len(pending.trials)) == (1, 3 if retry else 2, 1)  # type: ignore[arg-type]


def test_of_a_search_that_analyzes_the_best_no_trial_lacks_an_answer_but_the_test(memory: MemoryTracker) -> None:
    plan = final_plan({"seed": [0, 1]}, search={"method": "grid", "analyze_best": 1}, analyses={"path_count": {}})
    memory.start_sweep(plan.sweep, trials=plan.trials, command="")
    found = trial_statuses(plan.trials, sweep="tiny", tracker=memory, asked=plan.questions)
    assert [words(trial.missing) for trial in found] == [[], []]
    assert [words(plan.questions(spec)) for spec in plan.trials] == [["test"]] * 2
    shown = preview(plan, memory)
    assert shown.unmeasured == 0


def test_what_a_search_adds_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = parse_sweep(
        {
            "name": "searched",
            "axes": {"learning_rate": {"low": 0.01, "high": 0.1}},
            "search": {"method": "tpe", "trials": 3, "seeds": [0, 1], "replicate": 2},
        }
    )
    specs = [make_result(seed=seed, fields={"learning_rate": rate}).spec for rate in (0.02, 0.03) for seed in (0, 1)]
    known = {"searched": False}

    def told(sweep: SweepSpec) -> bool:
        return known[sweep.name]

    monkeypatch.setattr("resablate.searches.examining.has_proposed_all", told)
    assert trials_to_come(sweep, specs[:3], ended={}) == 3 + 4
    replicate = make_result(seed=2).spec
    assert trials_to_come(sweep, [*specs, replicate], ended={}) == 0, "the winner is replicated"
    # The last point repeated another: only the study knows.
    known["searched"] = True
    assert trials_to_come(sweep, specs, ended={}) == 4
    assert trials_to_come(PLAN.sweep, PLAN.trials[:1], ended={}) == 0, "a grid lists all that it has"


@pytest.mark.parametrize(
    ("ended", "to_come"),
    [
        (["finished"] * 4, 4),
        (["failed"] * 4, 0),
        (["failed"] * 3, 0),  # of the second point, one has failed and the other runs
        (["failed", "failed"], 4),
        (["failed", "finished", "diverged", "diverged"], 0),
        (["failed", "finished", "diverged", "finished"], 4),
    ],
)
def test_where_nothing_can_win_nothing_is_replicated(ended: list[str], to_come: int) -> None:
    """A point wins once each of its seeds has ended, and if one at least finished."""
    axes = {"learning_rate": [0.02, 0.03]}
    content = {"name": "searched", "axes": axes, "search": {"method": "grid", "seeds": [0, 1], "replicate": 2}}
    specs = [make_result(seed=seed, fields={"learning_rate": rate}).spec for rate in (0.02, 0.03) for seed in (0, 1)]
    states = dict(zip([spec.key for spec in specs], ended, strict=False))
    assert trials_to_come(parse_sweep(content), specs, ended=states) == to_come
