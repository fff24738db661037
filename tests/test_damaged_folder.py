"""What a trial finds in its folder may be damaged in any way: it goes on from what is whole, with the same numbers."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save

from resablate.errors import CheckpointError
from resablate.result import WEIGHTS_FILE, TrialResult, weights_file
from resablate.storage.checkpoint_files import checkpoint_metadata, seal
from resablate.storage.files import file_digest
from resablate.training import save_checkpoint
from resablate.trial import Trial
from tests.scheduling.tiny import final_plan, numbers

PLAN = final_plan({"seed": [0, 1]}, epochs=4, analyses={"norm_preservation": {"examples": 32, "epochs": [0, 1, 3]}})
OURS, OTHERS = PLAN.trials
ANSWERS, WEIGHTS = "analyses-000001.json", weights_file(1)
NEWEST, BEFORE = "checkpoint-000003.safetensors", "checkpoint-000002.safetensors"


def make_trial(folder: Path, *, spec: Any = OURS) -> Trial:
    return Trial(spec, PLAN.questions(spec), folder=folder)


def finished(trial: Trial) -> TrialResult:
    while not trial.training.done:
        trial.run_epoch()
    return trial.finish()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a trial that was killed after its third epoch."""
    folder = tmp_path_factory.mktemp("killed")
    trial = make_trial(folder)
    for _ in range(3):
        trial.run_epoch()
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return numbers(finished(make_trial(tmp_path_factory.mktemp("undisturbed"))))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def fold(path: Path) -> None:
    path.unlink()
    (path / "deep").mkdir(parents=True)


def nest(path: Path) -> None:
    header = b"[" * 100_000
    path.write_bytes(len(header).to_bytes(8, "little") + header)


def of_another(path: Path) -> None:
    """A whole checkpoint of the same epoch that another trial left."""
    trial = make_trial(path.parent / "other", spec=OTHERS)
    for _ in range(3):
        trial.run_epoch()
    shutil.copy(path.parent / "other" / path.name, path)


def of_another_network(path: Path) -> None:
    """Whole, of this trial, and yet its tensors fit nothing, as after a change of a component's code."""
    trial = make_trial(path.parent)
    tensors = {name: tensor[:1] if tensor.ndim else tensor for name, tensor in load_file(path).items()}
    path.write_bytes(seal(save(tensors, checkpoint_metadata(OURS.key, trial.training.history, {}))))


Damage = Callable[[Path], object]
DAMAGES: dict[str, tuple[str, Damage, int]] = {
    "a changed bit of the newest": (NEWEST, flip, 2),
    "the newest is empty": (NEWEST, lambda path: path.write_bytes(b""), 2),
    "the newest is half": (NEWEST, lambda path: path.write_bytes(path.read_bytes()[:900]), 2),
    "the newest is nested without end": (NEWEST, nest, 2),
    "a folder in the newest's place": (NEWEST, fold, 2),
    "another trial's": (NEWEST, of_another, 2),
    "of another network": (NEWEST, of_another_network, 2),
    "a changed bit of the one before": (BEFORE, flip, 3),
    "a changed bit of answers": (ANSWERS, flip, 0),
    "answers that are missing": (ANSWERS, Path.unlink, 0),
    "answers that are empty": (ANSWERS, lambda path: path.write_bytes(b""), 0),
    "a folder in the place of answers": (ANSWERS, fold, 0),
    "answers with an unknown field": (ANSWERS, lambda path: path.write_text('[{"luck": 1}]'), 0),
    "a changed bit of kept weights": (WEIGHTS, flip, 0),
    "kept weights that are missing": (WEIGHTS, Path.unlink, 0),
    "late answers that are missing": ("analyses-000003.json", Path.unlink, 2),
}
"""What is wrong -> the file, what is done to it, and the epoch that the trial goes on from."""


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_trial_goes_on_from_what_is_whole(
    damage: str, whole: Path, undisturbed: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name, act, epoch = DAMAGES[damage]
    folder = tmp_path / "trial"
    shutil.copytree(whole, folder)
    act(folder / name)
    caplog.clear()
    trial = make_trial(folder)
    assert trial.training.epoch == epoch
    told = [line for line in caplog.messages if "passed over" in line]
    assert told, "it is told"
    assert all("\n" not in line for line in told)
    assert numbers(finished(trial)) == undisturbed


def test_answers_that_this_version_does_not_know_are_passed_over_though_whole(
    whole: Path, undisturbed: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "trial"
    shutil.copytree(whole, folder)
    trial = make_trial(folder)
    answers = json.loads((folder / ANSWERS).read_bytes())
    answers[0]["done"][0]["luck"] = 1
    answers[0]["failed"] = [{"question": "none"}]
    (folder / ANSWERS).write_text(json.dumps(answers))
    save_checkpoint(folder, trial.training, key=OURS.key, files={ANSWERS: file_digest(folder / ANSWERS)})
    trial = make_trial(folder)
    assert trial.training.epoch == 0
    assert f"{ANSWERS}: holds no answers" in caplog.text
    assert numbers(finished(trial)) == undisturbed


@pytest.mark.parametrize("name", [WEIGHTS, WEIGHTS_FILE])
def test_weights_that_change_before_they_are_handed_on_are_not_filed(name: str, tmp_path: Path) -> None:
    trial = make_trial(tmp_path)
    finished(trial)
    assert set(trial.answers.weights()) == {weights_file(1), weights_file(3), WEIGHTS_FILE}
    flip(tmp_path / name)
    with pytest.raises(CheckpointError, match=f"{name}: its content is not what was written"):
        trial.answers.weights()
