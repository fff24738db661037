"""One trial, end to end, on a cut of the digits."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from resablate.analyses import ANALYSES, Analysis
from resablate.answerable import check_asked, questions_for
from resablate.check import check_trial
from resablate.component import Component
from resablate.errors import DatasetError, SpecError
from resablate.question import Question
from resablate.result import RESULT_FILE, TrialResult, failed_result, weights_file
from resablate.spec import DATA_MARK, TrainSpec
from resablate.sweep_parsing import parse_analyses
from resablate.training import evaluate, load_weights
from resablate.trial import Trial, run_trial

SMALL = {"dataset.train_examples": 96, "depth": 8, "width": 4, "epochs": 3, "batch_size": 32}
USUAL: Mapping[str, Any] = {
    "test": {},
    "lesion": {"examples": 64},
    "path_gradient": {"examples": 8, "samples": 2},
}
FOLLOWED: Mapping[str, Any] = {"path_gradient": {"examples": 8, "samples": 2, "epochs": [0, 2]}}


def small(**fields: object) -> TrainSpec:
    return check_trial(TrainSpec.parse({**SMALL, **fields}))


def ask(spec: TrainSpec, analyses: Mapping[str, Any] = USUAL) -> tuple[Question, ...]:
    return questions_for(spec, check_asked(parse_analyses(dict(analyses), [])))


def run(spec: TrainSpec, analyses: Mapping[str, Any] = USUAL, *, folder: Path | None = None) -> TrialResult:
    return run_trial(spec, ask(spec, analyses), folder=folder)


def comparable(result: TrialResult) -> dict[str, Any]:
    """Everything that does not depend on the clock; a NaN is a text, which is equal to itself."""
    plain = json.loads(result.model_dump_json(exclude={"wall_seconds", "versions", "use"}))
    for row in plain["history"]:
        del row["wall_seconds"]
    return plain


def test_a_trial_from_end_to_end(tmp_path: Path) -> None:
    result = run(small(), folder=tmp_path)
    assert result.status == "finished"
    assert [metrics.epoch for metrics in result.history] == [1, 2, 3]
    assert list(result.analyses) == ["test", "lesion", "path_gradient"]
    assert not result.analysis_errors
    assert result.history[-1].train_loss < result.history[0].train_loss
    assert result.wall_seconds >= sum(metrics.wall_seconds for metrics in result.history) > 0
    assert result.use["cpu_percent"] > 0 and result.use["memory_mib"] > 50
    assert {"torch", "python", "git_commit", "host", "device"} <= set(result.versions)
    assert TrialResult.from_json((tmp_path / RESULT_FILE).read_bytes()) == result


def test_a_trial_without_questions_is_a_training() -> None:
    result = run_trial(small(epochs=1))
    assert result.status == "finished"
    assert result.measurements == ()
    assert math.isnan(result.test_error)


def test_the_stored_weights_are_those_that_were_measured(tmp_path: Path) -> None:
    result = run(small(), folder=tmp_path)
    fresh = Trial(small(seed=0))
    load_weights(tmp_path / weights_file(None), fresh.network)
    assert evaluate(fresh.network, fresh.splits.test).error == result.test_error


@pytest.mark.parametrize("shortcut", ["identity", "dropout"])
def test_a_trial_that_is_killed_continues_with_the_same_numbers(shortcut: str, tmp_path: Path) -> None:
    spec = small(shortcut=shortcut, augmentation={"name": "crop_flip", "padding": 1})
    undisturbed = run(spec)
    killed = Trial(spec, ask(spec), folder=tmp_path)
    killed.run_epoch()
    killed.run_epoch()
    del killed
    continued = Trial(spec, ask(spec), folder=tmp_path)
    assert continued.training.epoch == 2
    assert comparable(run(spec, folder=tmp_path)) == comparable(undisturbed)


def test_a_trial_that_holds_no_images_out(tmp_path: Path) -> None:
    spec = small(**{"dataset.val_fraction": 0})
    assert spec.key != small().key
    trial = Trial(spec, ask(spec), folder=tmp_path)
    assert len(trial.splits.train) == 96
    trial.run_epoch()  # and then it is interrupted
    result = run(spec, folder=tmp_path)
    assert result.status == "finished"
    assert {(row.val_loss, row.val_error) for row in result.history} == {(None, None)}
    assert 0 < result.test_error < 1
    assert TrialResult.from_json(result.to_json()) == result
    assert comparable(result) == comparable(run(spec))


def test_divergence_is_a_result() -> None:
    result = run(small(learning_rate=1e9, schedule="constant", epochs=6))
    assert result.status == "diverged"
    assert "loss nan in epoch" in result.reason
    assert len(result.history) < 6
    assert not result.analyses
    assert len(result.failed_measurements) == 3, "every question is accounted for"
    assert all("diverged" in failed.reason for failed in result.failed_measurements)
    assert TrialResult.from_json(result.to_json()).status == "diverged"


def failing(monkeypatch: pytest.MonkeyPatch, name: str, error: Exception, *, examples: Any = "test") -> None:
    """From now on the analysis raises this."""

    def fail(*args: object, generator: torch.Generator, **arguments: object) -> None:
        raise error

    row = Analysis(fail, examples=examples, source="here", during_training=True)  # type: ignore[arg-type]
    monkeypatch.setattr("resablate.dissection.ANALYSES", dict(ANALYSES) | {name: row})


def test_an_analysis_that_fails_is_named_and_the_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, "lesion", RuntimeError("no memory\nfor this"))
    result = run(small())
    assert result.status == "finished"
    assert set(result.analyses) == {"test", "path_gradient"}
    assert result.analysis_errors == {"lesion(examples=64)": "RuntimeError: no memory\nfor this"}


def test_any_failure_of_an_analysis_leaves_the_trained_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Analyses come from other packages too; hours of training do not go with their mistakes."""
    failing(monkeypatch, "lesion", KeyError("block"))
    result = run(small(epochs=1))
    assert math.isfinite(result.test_error)
    assert result.analysis_errors == {"lesion(examples=64)": "KeyError: 'block'"}


def test_a_failure_on_the_way_is_named_with_its_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, "path_gradient", RuntimeError("no memory"), examples="train")
    result = run(small(epochs=1), {"path_gradient": {"epochs": [0]}})
    assert result.analysis_errors == {
        "path_gradient": "RuntimeError: no memory",
        "path_gradient after epoch 0": "RuntimeError: no memory",
    }


def test_asking_more_does_not_shift_the_other_answers() -> None:
    both = run(small())
    alone = run(small(), {"path_gradient": USUAL["path_gradient"]})
    assert alone.analyses["path_gradient"] == both.analyses["path_gradient"]
    assert set(alone.analyses) == {"path_gradient"}
    assert [h.train_loss for h in alone.history] == [h.train_loss for h in both.history]


def test_one_analysis_may_be_asked_with_several_sets_of_arguments() -> None:
    asked = {"lesion": [{"examples": 64}, {"examples": 32}]}
    result = run(small(epochs=1), asked)
    assert set(result.analyses) == {"lesion", "lesion examples 32"}
    assert result.analyses["lesion"] != result.analyses["lesion examples 32"]


def test_another_seed_is_another_trial() -> None:
    first, second = run_trial(small()), run_trial(small(seed=1))
    assert first.history[0].train_loss != second.history[0].train_loss


def test_bad_names_and_arguments_come_together() -> None:
    with pytest.raises(SpecError) as caught:
        run_trial(TrainSpec.parse({"shortcut": "idenity", "dataset": "digit"}))
    assert len(caught.value.problems) == 2
    with pytest.raises(SpecError, match=r"'constant_scale' takes carried_factor, added_factor; got bias=-3"):
        run_trial(TrainSpec.parse({"shortcut": {"name": "constant_scale", "bias": -3}}))


def test_a_failed_result_has_its_reason_in_one_line() -> None:
    result = failed_result(small(), ValueError("first line\nsecond line"))
    assert (result.status, result.reason) == ("failed", "ValueError: first line")
    assert math.isnan(result.test_error)


def test_the_result_s_spec_is_canonical() -> None:
    written = {**SMALL, "epochs": 1, "regularizer": {"name": "procrustes", "strength": 0}, "shortcut": "identity"}
    result = run_trial(TrainSpec.parse(written))
    assert set(result.spec.changes()) == {name.partition(".")[0] for name in SMALL}
    assert result.spec.params()["optimizer.momentum"] == 0.9


def test_a_network_that_breaks_in_its_last_step_has_diverged() -> None:
    result = run(small(learning_rate=1e38, schedule="constant", epochs=1, batch_size=86))
    assert result.status == "diverged"
    assert result.reason == "validation loss nan in epoch 1"
    assert not result.analyses


def test_analyses_follow_training_where_they_are_asked_for(tmp_path: Path) -> None:
    result = run(small(), FOLLOWED, folder=tmp_path)
    assert {epoch: set(done) for epoch, done in result.analyses_by_epoch.items()} == {
        0: {"path_gradient"},
        2: {"path_gradient"},
    }
    first, second, last = (
        *(done["path_gradient"].summary["gradient_norm"] for done in result.analyses_by_epoch.values()),
        result.analyses["path_gradient"].summary["gradient_norm"],
    )
    assert len({first, second, last}) == 3
    assert TrialResult.from_json(result.to_json()).analyses_by_epoch.keys() == {0, 2}


def test_the_weights_of_an_epoch_that_was_asked_about_are_kept(tmp_path: Path) -> None:
    result = run(small(), FOLLOWED, folder=tmp_path)
    assert result.kept_epochs == (2,), "those of epoch 0 are built anew"
    fresh = Trial(small())
    load_weights(tmp_path / weights_file(2), fresh.network)
    kept = [parameter.detach().clone() for parameter in fresh.network.parameters()]
    again = Trial(small())
    again.run_epoch()
    again.run_epoch()
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(kept, again.network.parameters(), strict=True))


def test_analyses_that_follow_training_change_no_other_number() -> None:
    asked = {"path_gradient": USUAL["path_gradient"]}
    alone, followed = run(small(), asked), run(small(), FOLLOWED)
    ours, others = comparable(followed), comparable(alone)
    for content in (ours, others):
        content["measurements"] = [m for m in content["measurements"] if m["question"]["epoch"] is None]
    assert ours == others


@pytest.mark.parametrize("epochs_done", [1, 2])
@pytest.mark.parametrize("samples", [1, 2])
def test_a_killed_trial_keeps_what_was_measured_on_the_way(samples: int, epochs_done: int, tmp_path: Path) -> None:
    """One sample has no standard error: the NaN is kept too."""
    spec = small()
    asked = {"path_gradient": {"examples": 8, "samples": samples, "epochs": [0, 1, 3]}}
    killed = Trial(spec, ask(spec, asked), folder=tmp_path / "killed")
    for _ in range(epochs_done):
        killed.run_epoch()
    del killed
    whole = run(spec, asked, folder=tmp_path / "whole")
    assert comparable(run(spec, asked, folder=tmp_path / "killed")) == comparable(whole)


def test_a_trial_of_other_data_is_refused() -> None:
    dataset = Component("digits", {"train_examples": 96}, {}, f"{DATA_MARK}0123456789ab")
    with pytest.raises(DatasetError, match=r"digits: the data found have the fingerprint .* but the trial .* 01234"):
        run_trial(small(dataset=dataset))
