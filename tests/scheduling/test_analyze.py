"""Analyses again, from what trained trials left in the records."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from resablate import reanalysis
from resablate.analyses import ANALYSES, Analysis
from resablate.dissection import ANALYSES as DISSECTED
from resablate.errors import CheckpointError, ResablateError, SpecError, TrackingError
from resablate.result import WEIGHTS_FILE, TrialResult
from resablate.scheduling import analyze, analyze_trials, find_trials, run, run_sweep
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
    monkeypatch.setattr(analyze, "draw_all", lambda result: {"lesion": b"png"})
    return memory


def again(memory: MemoryTracker, target: str, *names: str, **knobs: Any) -> tuple[analyze.AnalysisOutcome, list[str]]:
    said: list[str] = []
    outcome = analyze_trials(
        find_trials(memory, target).trials,
        tracker=memory,
        names=names,
        knobs=knobs,
        resources=Resources(),
        scheduler="inline",
        data_root=None,
        say=said.append,
    )
    return outcome, said


def stored(memory: MemoryTracker) -> list[TrialResult]:
    return memory.load_sweep("tiny").results


def test_the_numbers_are_those_of_the_trial(memory: MemoryTracker) -> None:
    before = stored(memory)
    outcome, said = again(memory, "tiny")
    assert not outcome.problems
    assert [numbers(result) for result in stored(memory)] == [numbers(result) for result in before]
    assert [line[:5] for line in said] == ["[1/2]", "[2/2]"]


@pytest.mark.parametrize("name_of", [lambda run: run.run_id, lambda run: run.spec.key], ids=["run id", "key"])
def test_one_trial_by_its_run_or_its_key(memory: MemoryTracker, name_of: Callable[[Any], str]) -> None:
    first, second = stored(memory)
    found = find_trials(memory, name_of(memory.runs[0]))
    assert found.is_one
    again(memory, name_of(memory.runs[0]), "lesion", lesion_examples=16)
    changed, same = stored(memory)
    assert numbers(same) == numbers(second)
    assert changed.analyses["lesion"] != first.analyses["lesion"]
    assert repr(changed.analyses["path_gradient"]) == repr(first.analyses["path_gradient"])
    assert changed.analysis_knobs == {"lesion": {"lesion_examples": 16}}
    assert changed.spec == first.spec
    assert memory.runs[0].files["figures/lesion.png"] == b"png"
    again(memory, name_of(memory.runs[0]), "lesion")
    assert numbers(stored(memory)[0]) == numbers(first)


def test_only_new_numbers_are_added_to_the_charts(memory: MemoryTracker) -> None:
    points = len(memory.runs[0].points)
    again(memory, memory.runs[0].run_id)
    assert len(memory.runs[0].points) == points
    again(memory, memory.runs[0].run_id, "lesion", lesion_examples=16)
    assert len(memory.runs[0].points) > points


def test_an_analysis_that_fails_is_named_and_keeps_what_was_measured(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **knobs: object) -> None:
        raise RuntimeError("no memory")

    before = stored(memory)[0]
    rows = dict(ANALYSES) | {"lesion": Analysis(fail, examples="test", source="here")}  # type: ignore[arg-type]
    monkeypatch.setattr("resablate.dissection.ANALYSES", rows)
    outcome, said = again(memory, memory.runs[0].run_id)
    [problem] = outcome.problems
    assert problem.endswith("lesion: RuntimeError: no memory")
    assert said[0].endswith("lesion: RuntimeError: no memory")
    after = stored(memory)[0]
    assert numbers(after)["analyses"] == numbers(before)["analyses"]
    assert after.analysis_errors == {"lesion": "RuntimeError: no memory"}
    monkeypatch.setattr("resablate.dissection.ANALYSES", DISSECTED)
    again(memory, memory.runs[0].run_id)
    assert stored(memory)[0].analysis_errors == {}


def test_a_trial_without_weights_keeps_no_other_from_being_analyzed(memory: MemoryTracker) -> None:
    del memory.runs[0].files[WEIGHTS_FILE]
    before = stored(memory)[0]
    outcome, said = again(memory, "tiny", "lesion", lesion_examples=16)
    assert [result.spec.seed for result in outcome.results] == [1]
    [problem] = outcome.problems
    assert "stored no weights" in problem
    assert problem in said[0]
    after = stored(memory)[0]
    assert list(after.analysis_errors) == ["lesion"], "named in the run, and so in the report"
    assert "stored no weights" in after.analysis_errors["lesion"]
    assert numbers(after)["analyses"] == numbers(before)["analyses"]


def test_a_damaged_copy_is_not_what_a_message_names(memory: MemoryTracker) -> None:
    memory.runs[0].files[WEIGHTS_FILE] = b"no tensors"
    outcome, _ = again(memory, memory.runs[0].run_id)
    [problem] = outcome.problems
    assert "the run's weights.safetensors: not readable" in problem


def test_how_a_network_was_trained_is_no_knob_of_an_analysis(memory: MemoryTracker) -> None:
    with pytest.raises(SpecError, match=r"block_sampling: not a knob of test_time_rules, which takes subset_samples"):
        again(memory, "tiny", "test_time_rules", block_sampling="stochastic_depth")


def test_weights_of_another_network_are_refused(memory: MemoryTracker, tmp_path: Path) -> None:
    other = stored(memory)[0]
    wider = other.model_copy(update={"spec": other.spec.replace(width=8)})
    file = memory.load_weights_file(memory.runs[0].run_id, tmp_path)
    with pytest.raises(CheckpointError, match="does not fit the network"):
        reanalysis.repeat_analyses(wider, file)


def test_everything_wrong_with_a_request_comes_at_once(memory: MemoryTracker) -> None:
    with pytest.raises(SpecError) as caught:
        again(memory, "tiny", "lesoin", "path_gradient", depth=20, lesion_examples=3, path_samples=-1)
    text = str(caught.value)
    assert "'lesoin'; did you mean 'lesion'" in text
    assert "depth: not a knob of lesoin or path_gradient, which takes path_examples, path_samples" in text
    assert "lesion_examples: not a knob" in text
    assert "path_samples: input should be greater than or equal to 1, got -1" in text


def test_a_trial_that_did_not_finish_has_no_network_to_analyze(memory: MemoryTracker, tmp_path: Path) -> None:
    diverged = stored(memory)[0].model_copy(update={"status": "diverged"})
    with pytest.raises(ResablateError, match=r"is diverged: only the network of a finished trial"):
        reanalysis.repeat_analyses(diverged, tmp_path)


def test_unknown_targets_are_answered_with_what_there_is(memory: MemoryTracker) -> None:
    with pytest.raises(TrackingError, match=r"no sweep called 'tinny'; did you mean 'tiny'"):
        find_trials(memory, "tinny")
    with pytest.raises(TrackingError, match=f"no run '{'a' * 32}'"):
        find_trials(memory, "a" * 32)


def test_trials_that_did_not_finish_are_left_out_and_counted(memory: MemoryTracker) -> None:
    memory.runs[0].files["result.json"] = stored(memory)[0].model_copy(update={"status": "diverged"}).to_json().encode()
    found = find_trials(memory, "tiny")
    assert len(found.trials) == 1
    assert found.notes == ("1 trials have not finished and are left out",)
    memory.runs[1].files["result.json"] = memory.runs[0].files["result.json"]
    with pytest.raises(ResablateError, match=r"sweep 'tiny': none of its 2 trials has finished"):
        find_trials(memory, "tiny")
