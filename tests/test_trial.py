"""One trial, end to end, on a cut of the digits."""

import math
from pathlib import Path

import pytest
import torch

from resablate.analyses import ANALYSES
from resablate.analyses.interface import Analysis
from resablate.errors import SpecError
from resablate.result import RESULT_FILE, WEIGHTS_FILE, TrialResult, failed_result
from resablate.spec import TrainSpec
from resablate.training import evaluate, load_weights
from resablate.trial import Trial, run_trial

SMALL = {"train_examples": 96, "depth": 8, "width": 4, "epochs": 3, "batch_size": 32, "lesion_examples": 64}


def small(**fields: object) -> TrainSpec:
    return TrainSpec.parse({**SMALL, **fields})


def comparable(result: TrialResult) -> dict[str, object]:
    """Everything that does not depend on the clock."""
    plain = result.model_dump(mode="json", exclude={"wall_seconds", "versions"})
    for row in plain["history"]:
        del row["wall_seconds"]
    return plain


def test_a_trial_from_end_to_end(tmp_path: Path) -> None:
    seen: list[int] = []
    result = run_trial(small(), folder=tmp_path, on_epoch=lambda metrics: seen.append(metrics.epoch))
    assert (result.status, seen) == ("finished", [1, 2, 3])
    assert set(result.analyses) == {"lesion", "path_gradient"}
    assert not result.analysis_errors
    assert result.history[-1].train_loss < result.history[0].train_loss
    assert result.wall_seconds >= sum(metrics.wall_seconds for metrics in result.history) > 0
    assert {"torch", "python", "git_commit", "host", "device"} <= set(result.versions)
    assert TrialResult.from_json((tmp_path / RESULT_FILE).read_bytes()) == result


def test_the_stored_weights_are_those_that_were_measured(tmp_path: Path) -> None:
    result = run_trial(small(), folder=tmp_path)
    fresh = Trial(small(seed=0))
    load_weights(tmp_path / WEIGHTS_FILE, fresh.network)
    assert evaluate(fresh.network, fresh.splits.test).error == result.test_error


@pytest.mark.parametrize("shortcut", ["identity", "dropout"])
def test_a_trial_that_is_killed_continues_with_the_same_numbers(shortcut: str, tmp_path: Path) -> None:
    spec = small(shortcut=shortcut, augmentation="crop_flip", crop_padding=1)
    undisturbed = run_trial(spec)
    killed = Trial(spec, folder=tmp_path)
    killed.run_epoch()
    killed.run_epoch()
    del killed
    continued = Trial(spec, folder=tmp_path)
    assert continued.training.epoch == 2
    assert comparable(run_trial(spec, folder=tmp_path)) == comparable(undisturbed)


def test_divergence_is_a_result() -> None:
    result = run_trial(small(learning_rate=1e9, schedule="constant", epochs=6))
    assert result.status == "diverged"
    assert "loss nan in epoch" in result.reason
    assert len(result.history) < 6
    assert not result.analyses
    assert TrialResult.from_json(result.to_json()).status == "diverged"


def test_an_analysis_that_fails_is_named_and_the_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, generator: torch.Generator) -> None:
        raise RuntimeError("no memory\nfor this")

    rows = dict(ANALYSES) | {"lesion": Analysis(fail, examples="test", source="here")}  # type: ignore[arg-type]
    monkeypatch.setattr("resablate.dissection.ANALYSES", rows)
    result = run_trial(small())
    assert result.status == "finished"
    assert set(result.analyses) == {"path_gradient"}
    assert result.analysis_errors == {"lesion": "RuntimeError: no memory\nfor this"}


def test_adding_an_analysis_does_not_shift_the_numbers_of_another() -> None:
    both = run_trial(small())
    alone = run_trial(small(analyses=["path_gradient"]))
    assert alone.analyses["path_gradient"] == both.analyses["path_gradient"]
    assert alone.test_error == both.test_error


def test_another_seed_is_another_trial() -> None:
    first, second = run_trial(small()), run_trial(small(seed=1))
    assert first.history[0].train_loss != second.history[0].train_loss


def test_bad_names_and_arguments_come_together() -> None:
    with pytest.raises(SpecError) as caught:
        run_trial(TrainSpec.parse({"shortcut": "idenity", "dataset": "digit", "analyses": ["lesions"]}))
    assert len(caught.value.problems) == 3
    with pytest.raises(SpecError, match=r"'constant_scale' takes carried_factor, added_factor; got bias=-3.0"):
        run_trial(TrainSpec.parse({"shortcut": "constant_scale", "shortcut_args": {"bias": -3}}))


def test_a_failed_result_has_its_reason_in_one_line() -> None:
    result = failed_result(small(), ValueError("first line\nsecond line"))
    assert (result.status, result.reason) == ("failed", "ValueError: first line")
    assert math.isnan(result.test_error)


def test_any_failure_of_an_analysis_leaves_the_trained_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Analyses come from other packages too; hours of training do not go with their mistakes."""

    def fail(*args: object, generator: torch.Generator) -> None:
        raise KeyError("block")

    rows = dict(ANALYSES) | {"lesion": Analysis(fail, examples="test", source="here")}  # type: ignore[arg-type]
    monkeypatch.setattr("resablate.dissection.ANALYSES", rows)
    result = run_trial(small(epochs=1))
    assert math.isfinite(result.test_error)
    assert result.analysis_errors == {"lesion": "KeyError: 'block'"}


def test_the_result_s_spec_is_canonical() -> None:
    result = run_trial(small(epochs=1, sv_strength=0.5, crop_padding=2, analyses=[]))
    assert set(result.spec.changes()) == {*SMALL, "analyses"} - {"lesion_examples"}


def test_a_network_that_breaks_in_its_last_step_has_diverged() -> None:
    result = run_trial(small(learning_rate=1e38, schedule="constant", epochs=1, batch_size=86))
    assert result.status == "diverged"
    assert result.reason == "validation loss nan in epoch 1"
    assert not result.analyses


def test_analyses_follow_training_where_they_are_asked_for(tmp_path: Path) -> None:
    result = run_trial(small(analysis_epochs=[0, 2]), folder=tmp_path)
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


def test_analyses_that_follow_training_change_no_other_number() -> None:
    alone, followed = run_trial(small()), run_trial(small(analysis_epochs=[0, 1]))
    ours, others = comparable(followed), comparable(alone)
    for content in (ours, others):
        del content["spec"], content["analyses_by_epoch"]
    assert ours == others


@pytest.mark.parametrize("epochs_done", [1, 2])
def test_a_killed_trial_keeps_what_was_measured_on_the_way(epochs_done: int, tmp_path: Path) -> None:
    spec = small(analysis_epochs=[0, 1, 3], analyses=["path_gradient"])
    killed = Trial(spec, folder=tmp_path)
    for _ in range(epochs_done):
        killed.run_epoch()
    del killed
    assert comparable(run_trial(spec, folder=tmp_path)) == comparable(run_trial(spec))


def test_a_failure_on_the_way_is_named_with_its_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, generator: torch.Generator) -> None:
        raise RuntimeError("no memory")

    row = Analysis(fail, examples="train", source="here", during_training=True)  # type: ignore[arg-type]
    rows = dict(ANALYSES) | {"path_gradient": row}
    monkeypatch.setattr("resablate.dissection.ANALYSES", rows)
    result = run_trial(small(epochs=1, analysis_epochs=[0]))
    assert result.analysis_errors == {
        "path_gradient": "RuntimeError: no memory",
        "path_gradient at epoch 0": "RuntimeError: no memory",
    }
