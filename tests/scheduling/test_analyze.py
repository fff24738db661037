"""Questions to trials that are complete, from what they left in the records."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from resablate.analyses import ANALYSES, Analysis
from resablate.component import Component
from resablate.datasets import ImageDataset, load_dataset
from resablate.errors import CheckpointError, DatasetError, ResablateError, SpecError, TrackingError
from resablate.measuring import measure_stored
from resablate.question import AskedAnalysis
from resablate.result import RESULT_FILE, WEIGHTS_FILE, TrialResult
from resablate.scheduling import Scheduler, analyze, analyze_trials, find_trials, run, run_sweep
from resablate.sweep import Resources
from resablate.tracking import MemoryTracker
from resablate.training import Training
from tests.scheduling.tiny import numbers, tiny_plan


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> MemoryTracker:
    """The records of two trained trials; whoever trains from now on fails."""
    memory = MemoryTracker()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "open_tracker", lambda uri: memory)
        patch.setattr("resablate.figures.draw_all", lambda result: {})
        run_sweep(
            tiny_plan({"seed": [0, 1]}), scheduler="inline", command="", console=Console(file=io.StringIO(), width=200)
        )

    def train(*args: Any) -> None:
        raise AssertionError("nothing is trained again")

    monkeypatch.setattr(Training, "run_epoch", train)
    monkeypatch.setattr("resablate.figures.draw_all", lambda result: {"lesion": b"png"})
    return memory


def ask(name: str, epochs: tuple[int, ...] = (), **arguments: Any) -> AskedAnalysis:
    return AskedAnalysis(Component(name, arguments), epochs)


LESION = ask("lesion", examples=16)


def put(
    memory: MemoryTracker, target: str, *asked: AskedAnalysis, again: bool = False
) -> tuple[analyze.AnalysisOutcome, list[str]]:
    said: list[str] = []
    outcome = analyze_trials(
        find_trials(memory, target, asked=asked, again=again).trials,
        tracker=memory,
        resources=Resources(),
        scheduler="inline",
        data_root=None,
        say=said.append,
    )
    return outcome, said


def stored(memory: MemoryTracker) -> list[TrialResult]:
    return memory.load_sweep("tiny").results


def test_asked_once_more_the_numbers_are_those_of_the_trial(memory: MemoryTracker) -> None:
    before = stored(memory)
    outcome, said = put(memory, "tiny", again=True)
    assert not outcome.problems
    assert [numbers(result) for result in stored(memory)] == [numbers(result) for result in before]
    assert [line[:5] for line in said] == ["[1/2]", "[2/2]"]
    assert [set(result.analyses) for result in outcome.results] == [{"test", "lesion", "path_gradient"}] * 2


def test_what_was_answered_is_not_asked_again(memory: MemoryTracker) -> None:
    found = find_trials(memory, "tiny", asked=(), again=False)
    assert found.trials == ()
    assert found.notes == ("2 trials have answered everything that is asked (--again asks once more)",)
    mixed = find_trials(memory, "tiny", asked=[LESION, ask("lesion", examples=64)], again=False)
    assert [[str(question) for question in trial.questions] for trial in mixed.trials] == [["lesion(examples=16)"]] * 2


@pytest.mark.parametrize("name_of", [lambda run: run.run_id, lambda run: run.spec.key], ids=["run id", "key"])
def test_one_trial_by_its_run_or_its_key(memory: MemoryTracker, name_of: Callable[[Any], str]) -> None:
    first, second = stored(memory)
    name = name_of(memory.runs[0])
    assert find_trials(memory, name, asked=(), again=True).is_one
    put(memory, name, LESION)
    changed, same = stored(memory)
    assert numbers(same) == numbers(second)
    assert changed.analyses["lesion"] == first.analyses["lesion"], "other arguments are another question"
    assert set(changed.analyses) == {*first.analyses, "lesion examples 16"}
    assert repr(changed.analyses["path_gradient"]) == repr(first.analyses["path_gradient"])
    assert changed.spec == first.spec
    assert memory.runs[0].files["figures/lesion.png"] == b"png"


def test_only_new_numbers_are_added_to_the_charts(memory: MemoryTracker) -> None:
    points = len(memory.runs[0].points)
    put(memory, memory.runs[0].run_id, again=True)
    assert len(memory.runs[0].points) == points
    put(memory, memory.runs[0].run_id, LESION)
    assert len(memory.runs[0].points) > points


def test_an_analysis_that_fails_is_named_and_keeps_what_was_measured(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **knobs: object) -> None:
        raise RuntimeError("no memory")

    before = stored(memory)[0]
    rows = dict(ANALYSES) | {"lesion": Analysis(fail, examples="test", source="here")}  # type: ignore[arg-type]
    with monkeypatch.context() as patch:
        patch.setattr("resablate.dissection.ANALYSES", rows)
        put(memory, memory.runs[0].run_id, again=True)
        assert stored(memory)[0].analysis_errors == {}, "a failure does not take the place of an answer"
        outcome, said = put(memory, memory.runs[0].run_id, LESION)
    [problem] = outcome.problems
    assert problem.endswith("lesion(examples=16): RuntimeError: no memory")
    assert said[0].endswith("lesion(examples=16): RuntimeError: no memory")
    after = stored(memory)[0]
    assert numbers(after)["measurements"] == numbers(before)["measurements"]
    assert after.analysis_errors == {"lesion(examples=16)": "RuntimeError: no memory"}
    put(memory, memory.runs[0].run_id, LESION)
    assert stored(memory)[0].analysis_errors == {}, "who asks by name asks again what got no answer"


def test_a_trial_without_weights_keeps_no_other_from_being_analyzed(memory: MemoryTracker) -> None:
    del memory.runs[0].files[WEIGHTS_FILE]
    before = stored(memory)[0]
    outcome, said = put(memory, "tiny", LESION)
    assert [result.spec.seed for result in outcome.results] == [1]
    [problem] = outcome.problems
    assert "stored no weights" in problem
    assert problem in said[0]
    after = stored(memory)[0]
    assert list(after.analysis_errors) == ["lesion(examples=16)"], "named in the run, and so in the report"
    assert "stored no weights" in after.analysis_errors["lesion(examples=16)"]
    assert numbers(after)["measurements"] == numbers(before)["measurements"]


def test_a_damaged_copy_is_not_what_a_message_names(memory: MemoryTracker) -> None:
    memory.runs[0].files[WEIGHTS_FILE] = b"no tensors"
    outcome, _ = put(memory, memory.runs[0].run_id, LESION)
    [problem] = outcome.problems
    assert "the run's weights.safetensors: not readable" in problem


def test_how_a_network_was_trained_is_no_argument_of_an_analysis(memory: MemoryTracker) -> None:
    with pytest.raises(SpecError, match=r"analyze: .*'test_time_rules' takes .*; got trained_with='stochastic_depth'"):
        put(memory, "tiny", ask("test_time_rules", trained_with="stochastic_depth"))


def test_weights_of_another_network_are_refused(memory: MemoryTracker, tmp_path: Path) -> None:
    other = stored(memory)[0]
    wider = other.model_copy(update={"spec": other.spec.replace(width=8)})
    file = memory.load_weights_file(memory.runs[0].run_id, tmp_path)
    with pytest.raises(CheckpointError, match="does not fit the network"):
        measure_stored(wider, [other.measurements[0].question], weights={None: file})


def test_everything_wrong_with_a_request_comes_at_once(memory: MemoryTracker) -> None:
    asked = [
        ask("lesoin"),
        ask("path_gradient", samples=-1),
        ask("lesion", depth=20),
        ask("path_count", epochs=(1,)),
    ]
    with pytest.raises(SpecError) as caught:
        put(memory, "tiny", *asked)
    text = str(caught.value)
    assert len(caught.value.problems) == 4
    assert "'lesoin'; did you mean 'lesion'" in text
    assert "'lesion' takes examples, arithmetic, crop; got depth=20" in text
    assert "samples" in text
    assert "-1" in text
    assert "path_count is asked of the trained network alone" in text


def test_a_trial_that_did_not_finish_has_no_network_to_analyze(memory: MemoryTracker) -> None:
    diverged = stored(memory)[0].model_copy(update={"status": "diverged"})
    with pytest.raises(ResablateError, match=r"is diverged: only the network of a finished trial"):
        measure_stored(diverged, [diverged.measurements[0].question], weights={})


def test_unknown_targets_are_answered_with_what_there_is(memory: MemoryTracker) -> None:
    with pytest.raises(TrackingError, match=r"no sweep called 'tinny'; did you mean 'tiny'"):
        find_trials(memory, "tinny", asked=(), again=False)
    with pytest.raises(TrackingError, match=f"no run '{'a' * 32}'"):
        find_trials(memory, "a" * 32, asked=(), again=False)


def test_trials_that_did_not_finish_are_left_out_and_counted(memory: MemoryTracker) -> None:
    memory.runs[0].files[RESULT_FILE] = stored(memory)[0].model_copy(update={"status": "diverged"}).to_json().encode()
    found = find_trials(memory, "tiny", asked=(), again=True)
    assert len(found.trials) == 1
    assert found.notes == ("1 trials have not finished and are left out",)
    memory.runs[1].files[RESULT_FILE] = memory.runs[0].files[RESULT_FILE]
    with pytest.raises(ResablateError, match=r"sweep 'tiny': none of its 2 trials has finished"):
        find_trials(memory, "tiny", asked=(), again=True)


@pytest.mark.parametrize("scheduler", ["inline", "ray_tune"])
def test_other_data_than_the_runs_are_refused_before_anything_is_filed(
    scheduler: Scheduler, memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [result.to_json() for result in stored(memory)]
    found = find_trials(memory, "tiny", asked=[LESION], again=True)
    loaded = load_dataset("digits")
    assert isinstance(loaded, ImageDataset)
    other = replace(loaded, test_labels=loaded.test_labels.roll(1))
    monkeypatch.setattr("resablate.trial_data.load_dataset", lambda dataset, data_root: other)
    with pytest.raises(DatasetError, match=f"digits: the data found have the fingerprint {other.fingerprint()}, but"):
        analyze_trials(
            found.trials, tracker=memory, resources=Resources(), scheduler=scheduler, data_root=None, say=print
        )
    assert [result.to_json() for result in stored(memory)] == before
