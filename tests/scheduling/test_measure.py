"""A sweep whose trials have finished is asked more: what is missing is measured, and nothing else is computed."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from torch import Tensor

from resablate.analyses import ANALYSES, Analysis
from resablate.failures import DeviceLost
from resablate.measuring import measure_stored
from resablate.plan import SweepPlan
from resablate.question import Question
from resablate.result import RESULT_FILE, WEIGHTS_FILE, TrialResult, weights_file
from resablate.scheduling import SweepOutcome, analyze, measure, preview, run, run_sweep
from resablate.scheduling.analyze import AnalysisOutcome, StoredTrial
from resablate.spec import TrainSpec
from resablate.tracking import MemoryTracker
from resablate.training.step import TrainingStep
from tests.datasets.image_files import write_folder
from tests.factories import make_history, make_measurement, make_test
from tests.scheduling.tiny import STEPS, tiny_plan

Analyses = Mapping[str, Any]
NORM: Analyses = {"examples": 32}
KEPT: Analyses = {"norm_preservation": {**NORM, "epochs": [2]}}
"""What the trials were asked first: so the weights after their second epoch are stored."""


class Counter:
    """Optimizer steps so far."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps = 0
        update = TrainingStep.streamed  # the end of every step, wherever its images come from

        def counted(step: TrainingStep, images: Tensor, labels: Tensor) -> None:
            self.steps += 1
            update(step, images, labels)

        monkeypatch.setattr(TrainingStep, "streamed", counted)

    def of(self, act: Callable[[], object]) -> int:
        """How many steps `act` takes."""
        before = self.steps
        act()
        return self.steps - before


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes a second for each result and is not the subject."""
    monkeypatch.setattr("resablate.figures.draw_all", lambda result: {})


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    return Counter(monkeypatch)


def make_plan(analyses: Analyses, axes: Mapping[str, Any] | None = None, **parts: Any) -> SweepPlan:
    return tiny_plan(axes or {"seed": [0]}, **{"epochs": 3, "analyses": analyses, **parts})


def submit(
    memory: MemoryTracker, plan: SweepPlan, *, data_root: Path | None = None, **request: Any
) -> tuple[SweepOutcome, str]:
    text = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "open_tracker", lambda uri: memory)
        console = Console(file=text, width=200)
        outcome = run_sweep(plan, scheduler="inline", command="", console=console, data_root=data_root, **request)
    return outcome, text.getvalue()


def stored(memory: MemoryTracker, name: str = "tiny") -> list[TrialResult]:
    return memory.load_sweep(name).results


def answers(results: list[TrialResult], questions: tuple[Question, ...]) -> list[list[str]]:
    """What each result holds of `questions`, to the last bit."""
    found = [{m.question.id: repr(m.result) for m in result.measurements} for result in results]
    return [[of[question.id] for question in questions] for of in found]


@pytest.mark.parametrize(
    ("more", "steps"),
    [
        ({"path_gradient": {"examples": 8, "samples": 1}}, 0),
        ({"spectrum": {}, "test_time_rules": {"subsets": 2}}, 0),
        ({"norm_preservation": [{**NORM, "epochs": [2]}, {"examples": 16}]}, 0),
        ({"path_gradient": {"examples": 8, "epochs": [0]}}, 0),
        ({"path_gradient": {"examples": 8, "epochs": [2]}}, 0),
        ({"path_gradient": {"examples": 8, "epochs": [3]}}, 0),
        ({"path_gradient": {"examples": 8, "epochs": [1]}}, STEPS),
        ({"path_gradient": {"examples": 8, "epochs": [0, 1, 2]}, "spectrum": {"epochs": [1]}}, STEPS),
    ],
    ids=["analysis", "two", "arguments", "built anew", "kept", "last", "not kept", "several"],
)
def test_only_what_is_missing_is_computed_and_the_answers_are_those_of_a_trial_asked_from_the_start(
    counter: Counter, more: Analyses, steps: int
) -> None:
    memory = MemoryTracker()
    assert counter.of(lambda: submit(memory, make_plan(KEPT, shortcut="dropout"))) == 3 * STEPS
    before = stored(memory)
    now = make_plan({**KEPT, **more}, shortcut="dropout")
    outcomes: list[tuple[SweepOutcome, str]] = []
    assert counter.of(lambda: outcomes.append(submit(memory, now))) == steps
    [(outcome, shown)] = outcomes
    assert (outcome.reused, outcome.scheduled, outcome.measured, outcome.failed) == (1, 0, 1, False)
    assert "1 trials finished before and are asked what they were not asked yet" in shown

    from_start = MemoryTracker()
    submit(from_start, now)
    questions = now.questions(now.trials[0])
    assert answers(stored(memory), questions) == answers(stored(from_start), questions)
    [after] = stored(memory)
    assert after.measured >= before[0].measured | {question.id for question in questions}
    assert (after.history, after.spec) == (before[0].history, before[0].spec)
    assert len(memory.runs) == 1

    asked_again: list[tuple[SweepOutcome, str]] = []
    assert counter.of(lambda: asked_again.append(submit(memory, now))) == 0
    assert asked_again[0][0].measured == 0


def test_weights_of_an_epoch_that_was_trained_again_are_kept(counter: Counter) -> None:
    """The next question about it trains nothing."""
    memory = MemoryTracker()
    submit(memory, make_plan(KEPT))
    first, second = {"path_gradient": {"examples": 8, "epochs": [1]}}, {"spectrum": {"epochs": [1]}}
    assert counter.of(lambda: submit(memory, make_plan(first))) == STEPS
    assert stored(memory)[0].kept_epochs == (1, 2)
    assert {weights_file(1), weights_file(2), WEIGHTS_FILE} <= set(memory.runs[0].files)
    assert counter.of(lambda: submit(memory, make_plan(second))) == 0
    from_start = MemoryTracker()
    submit(from_start, make_plan(second))
    questions = make_plan(second).questions(make_plan(second).trials[0])
    assert answers(stored(memory), questions) == answers(stored(from_start), questions)


def test_fewer_questions_are_no_other_trial(counter: Counter) -> None:
    memory = MemoryTracker()
    submit(memory, make_plan(KEPT))
    before = counter.steps
    outcome, _ = submit(memory, make_plan({}))
    assert (counter.steps, outcome.reused, outcome.measured) == (before, 1, 0)
    assert "norm_preservation" in stored(memory)[0].analyses


def test_another_crop_of_the_test_trains_nothing(counter: Counter, tmp_path: Path) -> None:
    write_folder(tmp_path / "pictures", {"train": 8, "val": 2}, size=(40, 32))
    fields = {
        "dataset": "image_folder",
        "dataset.train_examples": None,
        "dataset.train_crop": 16,
        "network": "imagenet_resnet",
        "depth": 18,
        "batch_size": 8,
    }

    def plan(*crops: int) -> SweepPlan:
        return make_plan({"test": [{"crop": crop} for crop in crops]}, fields=fields, epochs=1)

    memory, root = MemoryTracker(), tmp_path / "pictures"
    assert counter.of(lambda: submit(memory, plan(16), data_root=root)) > 0
    assert counter.of(lambda: submit(memory, plan(16, 24), data_root=root)) == 0
    [result] = stored(memory)
    assert len({m.question.id for m in result.measurements if m.question.analysis.name == "test"}) == 2
    from_start = MemoryTracker()
    submit(from_start, plan(16, 24), data_root=root)
    questions = plan(16, 24).identified(root).questions(result.spec)
    assert answers([result], questions) == answers(stored(from_start), questions)


@pytest.mark.parametrize(
    ("axes", "steps"),
    [({"seed": [0, 1]}, 3 * STEPS), ({"depth": [8, 14]}, 3 * STEPS), ({"seed": [0], "epochs": [3, 2]}, 2 * STEPS)],
    ids=["seed", "depth", "epochs"],
)
def test_one_value_more_on_an_axis_trains_the_new_trial_alone(
    counter: Counter, axes: dict[str, list[Any]], steps: int
) -> None:
    memory = MemoryTracker()
    submit(memory, make_plan(KEPT, {axis: values[:1] for axis, values in axes.items()}))
    outcomes: list[tuple[SweepOutcome, str]] = []
    assert counter.of(lambda: outcomes.append(submit(memory, make_plan(KEPT, axes)))) == steps
    assert (outcomes[0][0].reused, outcomes[0][0].counts, outcomes[0][0].measured) == (1, {"finished": 1}, 0)


def test_a_new_trial_and_a_new_question_in_one_submission(counter: Counter) -> None:
    memory = MemoryTracker()
    submit(memory, make_plan(KEPT))
    now = make_plan({**KEPT, "path_count": {}}, {"seed": [0, 1]})
    outcomes: list[tuple[SweepOutcome, str]] = []
    assert counter.of(lambda: outcomes.append(submit(memory, now))) == 3 * STEPS
    assert (outcomes[0][0].counts, outcomes[0][0].measured) == ({"finished": 1}, 1)
    assert all("path_count" in result.analyses for result in stored(memory))


def test_another_sweep_s_trials_answer_this_one_s_questions(counter: Counter) -> None:
    memory = MemoryTracker()
    submit(memory, make_plan(KEPT))
    assert counter.of(lambda: submit(memory, make_plan({"path_count": {}}, name="other"))) == 0
    assert "path_count" in stored(memory, "other")[0].analyses
    assert stored(memory, "other") == stored(memory), "one record"


def no_memory(*args: object, **told: object) -> None:
    raise RuntimeError("no memory")


def rows_with(run_it: Any) -> dict[str, Analysis]:
    return dict(ANALYSES) | {"path_count": Analysis(run_it, examples="train", source="here")}


def test_a_question_that_got_no_answer_is_asked_again_only_where_somebody_says_so(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, asks = MemoryTracker(), make_plan({"path_count": {}})
    submit(memory, make_plan({}))
    with monkeypatch.context() as patch:
        patch.setattr("resablate.dissection.ANALYSES", rows_with(no_memory))
        outcome, shown = submit(memory, asks)
    assert (outcome.failed, outcome.measured) == (True, 1)
    [problem] = outcome.analysis_problems
    assert problem.endswith("path_count: RuntimeError: no memory")
    assert problem in shown
    assert stored(memory)[0].analysis_errors == {"path_count": "RuntimeError: no memory"}

    before = counter.steps
    assert submit(memory, asks)[0].measured == 0
    assert preview(asks.identified(None), memory).unmeasured == 0
    assert preview(asks.identified(None), memory, retry=["failed"]).unmeasured == 1
    outcome, _ = submit(memory, asks, retry=["failed"])
    assert (outcome.measured, outcome.failed, counter.steps) == (1, False, before)
    assert stored(memory)[0].analysis_errors == {}
    assert "path_count" in stored(memory)[0].analyses


def test_a_question_that_failed_in_the_trial_is_told_and_not_asked_again(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, asks = MemoryTracker(), make_plan({"path_count": {}})
    with monkeypatch.context() as patch:
        patch.setattr("resablate.dissection.ANALYSES", rows_with(no_memory))
        outcome, _ = submit(memory, asks)
    assert (outcome.counts, outcome.failed) == ({"finished": 1}, True)
    assert [line.endswith("path_count: RuntimeError: no memory") for line in outcome.analysis_problems] == [True]
    assert submit(memory, asks)[0].measured == 0
    assert submit(memory, asks, retry=["failed"])[0].measured == 1
    assert counter.steps == 3 * STEPS


def test_weights_that_the_run_lacks_are_a_problem_of_that_trial_alone() -> None:
    memory = MemoryTracker()
    axes = {"seed": [0, 1]}
    submit(memory, make_plan(KEPT, axes))
    del memory.runs[0].files[WEIGHTS_FILE]
    outcome, _ = submit(memory, make_plan({**KEPT, "path_count": {}}, axes))
    assert outcome.measured == 1
    [problem] = outcome.analysis_problems
    assert "stored no weights of the end (it has those of epoch 2)" in problem
    first, second = stored(memory)
    assert "path_count" not in first.analyses
    assert "path_count" in first.analysis_errors
    assert "path_count" in second.analyses


def test_an_epoch_that_is_not_repeated_gives_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network would be another one: on other hardware, or with another version of torch."""
    memory = MemoryTracker()
    submit(memory, make_plan({}))
    [result] = stored(memory)
    first = result.history[0]
    other = type(first)(**{**vars(first), "val_loss": first.val_loss * 1.001})
    changed = result.model_copy(update={"history": (other, *result.history[1:])})
    memory.runs[0].files[RESULT_FILE] = changed.to_json().encode()
    outcome, _ = submit(memory, make_plan({"path_gradient": {"examples": 8, "epochs": [0, 1, 2]}}))
    assert len(outcome.analysis_problems) == 2
    assert all("losses of epoch 1 are others than on record" in line for line in outcome.analysis_problems)
    [after] = stored(memory)
    assert set(after.analyses_by_epoch) == {0}
    assert "path_gradient" in after.analyses
    assert after.kept_epochs == ()
    assert weights_file(1) not in memory.runs[0].files


def test_an_epoch_after_the_last_one_is_no_question_to_a_stored_network(tmp_path: Path) -> None:
    memory = MemoryTracker()
    submit(memory, make_plan({}, epochs=1))
    [result] = stored(memory)
    [question] = [q for q in make_plan(KEPT, epochs=2).questions(result.spec.replace(epochs=2)) if q.epoch == 2]
    weights = {None: memory.load_weights_file(memory.runs[0].run_id, tmp_path)}
    answered = measure_stored(result, [question], weights=weights)
    assert list(answered.analysis_errors.values()) == ["the training ended after epoch 1"]


def test_a_lost_gpu_is_no_answer_and_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every later question of this process would fail, and be left alone from then on."""
    memory, axes = MemoryTracker(), {"seed": [0, 1]}
    submit(memory, make_plan({}, axes))

    def lost(*args: object) -> str:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with monkeypatch.context() as patch:
        patch.setattr(analyze, "_analyze", lost)
        with pytest.raises(DeviceLost):
            submit(memory, make_plan({"path_count": {}}, axes))
    assert [result.unmeasured for result in stored(memory)] == [frozenset()] * 2
    assert submit(memory, make_plan({"path_count": {}}, axes))[0].measured == 2


def searching(analyze_best: int) -> SweepPlan:
    return tiny_plan(
        {"learning_rate": [0.1, 0.2, 0.3]},
        search={"method": "grid", "seeds": [0, 1], "analyze_best": analyze_best},
        analyses={"norm_preservation": NORM},
        epochs=3,
    )


def file_by_hand(memory: MemoryTracker, plan: SweepPlan, errors: Mapping[tuple[float, int], float]) -> None:
    """Results of every trial with these validation errors by learning rate and seed, tested and not analyzed."""
    memory.start_sweep(plan.sweep, trials=plan.trials, command="")
    for spec in plan.trials:
        memory.start_trial(spec)
        history = make_history([1.0] * 3, val_error=errors[spec.learning_rate, spec.seed])
        test = make_measurement("test", make_test(0.1))
        result = TrialResult(spec=spec, status="finished", history=history, measurements=(test,))
        memory.finish_trial(result, weights={}, figures={})
    memory.end_sweep("finished")


def test_the_best_are_chosen_by_their_mean_over_the_search_s_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lowest error of a single seed belongs to another point."""
    memory, plan = MemoryTracker(), searching(1).identified(None)
    errors = {(0.1, 0): 0.01, (0.1, 1): 0.9, (0.2, 0): 0.3, (0.2, 1): 0.3, (0.3, 0): 0.2, (0.3, 1): 0.5}
    file_by_hand(memory, plan, errors)
    asked: list[StoredTrial] = []

    def note(trials: list[StoredTrial], **more: Any) -> AnalysisOutcome:
        asked.extend(trials)
        return AnalysisOutcome((), ())

    monkeypatch.setattr(measure, "analyze_trials", note)
    text = io.StringIO()
    told: dict[str, Any] = {"scheduler": "inline", "data_root": None, "console": Console(file=text, width=200)}
    measure.measure_best(plan, memory, **told)
    assert [(trial.result.spec.learning_rate, trial.result.spec.seed) for trial in asked] == [(0.2, 0), (0.2, 1)]
    assert [[str(question) for question in trial.questions] for trial in asked] == [
        ["norm_preservation(examples=32)"]
    ] * 2
    assert "analyses of the best 1 points: 2 trials" in text.getvalue()


def test_what_the_best_have_answered_is_not_asked_again(counter: Counter) -> None:
    memory = MemoryTracker()
    outcome, _ = submit(memory, searching(1))
    assert (outcome.counts, outcome.measured) == ({"finished": 6}, 2)
    analyzed = [result.key for result in stored(memory) if "norm_preservation" in result.analyses]
    assert len(analyzed) == 2
    assert submit(memory, searching(1))[0].measured == 0
    outcome, _ = submit(memory, searching(2))
    assert (outcome.counts, outcome.measured) == ({}, 2)
    assert counter.steps == 6 * 3 * STEPS


def test_weights_of_an_asked_epoch_are_with_the_run() -> None:
    memory = MemoryTracker()
    submit(memory, make_plan(KEPT))
    names = {name for name in memory.runs[0].files if name.endswith("safetensors")}
    assert names == {weights_file(2), WEIGHTS_FILE}
    spec: TrainSpec = stored(memory)[0].spec
    assert spec.key == memory.runs[0].key
