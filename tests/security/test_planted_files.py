"""Files that somebody else wrote, where resablate reads weights, checkpoints, results and sweeps."""

import copy
import io
import json
import os
import pickle
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mlflow import MlflowClient

from resablate.adapters import load_pretrained
from resablate.errors import CheckpointError, DatasetError, SpecError, TrackingError
from resablate.model import build_network
from resablate.plan import load_plan
from resablate.result import RESULT_FILE, WEIGHTS_FILE
from resablate.storage.files import digest
from resablate.sweep import load_sweep
from resablate.tracking import open_tracker
from resablate.training import load_weights
from resablate.training.checkpoint import resume
from resablate.trial import Trial, run_trial
from tests.scheduling.tiny import tiny_plan
from tests.tracking.databases import make_database


class Bomb:
    """Makes a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (os.mkdir, (str(self.mark),))


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "unpickled"


def _pickle(mark: Path) -> bytes:
    return pickle.dumps({"fc.weight": Bomb(mark), b"data": Bomb(mark)})


def _torch_archive(mark: Path) -> bytes:
    """As `torch.save` writes it."""
    buffer = io.BytesIO()
    torch.save({"fc.weight": Bomb(mark)}, buffer)
    return buffer.getvalue()


def _old_torch_archive(mark: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save({"fc.weight": Bomb(mark)}, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def _tar(mark: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        entry = tarfile.TarInfo("storages")
        content = _pickle(mark)
        entry.size = len(content)
        file.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _zip(mark: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/data.pkl", _pickle(mark))
    return buffer.getvalue()


BOMBS = [_pickle, _torch_archive, _old_torch_archive, _tar, _zip]


@pytest.mark.parametrize("make", BOMBS)
@pytest.mark.filterwarnings("ignore")  # torch on the old formats
def test_planted_weights_are_refused(make: Callable[[Path], bytes], mark: Path, tmp_path: Path) -> None:
    for name in (WEIGHTS_FILE, "weights.pth", "weights.bin"):
        (tmp_path / name).write_bytes(make(mark))
    with pytest.raises(CheckpointError, match="not readable as safetensors"):
        load_weights(tmp_path / WEIGHTS_FILE, build_network(depth=8, width=2))
    for name in (WEIGHTS_FILE, "weights.pth", "weights.bin"):
        with pytest.raises(CheckpointError, match=r"neither a safetensors file|not a state dict"):
            load_pretrained("torchvision:resnet18", weights=tmp_path / name)
    assert not mark.exists()


@pytest.mark.parametrize("make", BOMBS)
def test_a_planted_checkpoint_is_passed_over(
    make: Callable[[Path], bytes], mark: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec = tiny_plan({"seed": [0]}).trials[0]
    folder = tmp_path / "trial"
    folder.mkdir()
    (folder / "checkpoint-000001.safetensors").write_bytes(make(mark))
    assert resume(folder, Trial(spec).training) == {}
    [warning] = caplog.messages
    assert "damaged checkpoint passed over" in warning
    assert not mark.exists()


@pytest.mark.parametrize("make", BOMBS)
def test_planted_files_of_a_run_do_not_count(make: Callable[[Path], bytes], mark: Path, tmp_path: Path) -> None:
    """Whoever may write to the artifact store may write whatever they like."""
    tracker = open_tracker(make_database(tmp_path))
    plan = tiny_plan({"seed": [0]}, analyses={})
    [spec] = plan.trials
    tracker.start_sweep(plan.sweep, trials=plan.trials, command="")
    tracker.start_trial(spec)
    folder = tmp_path / "trial"
    result = run_trial(spec, plan.questions(spec), folder=folder)
    tracker.finish_trial(result, weights={WEIGHTS_FILE: folder / WEIGHTS_FILE}, figures={})
    tracker.end_sweep("finished")
    for name in (WEIGHTS_FILE, RESULT_FILE, "sweep.json", "trials.json"):
        [file] = (tmp_path / "mlartifacts").rglob(name)
        before = file.read_bytes()
        file.write_bytes(make(mark))
        if name == WEIGHTS_FILE:
            with pytest.raises(TrackingError, match="its content is not what was filed"):
                tracker.load_weights_file(tracker.complete_keys()[spec.key], tmp_path)
        elif name == "sweep.json":
            with pytest.raises(TrackingError, match="its content is not what was filed"):
                tracker.load_sweep("tiny")
        else:
            assert tracker.load_sweep("tiny").results == ([] if name == RESULT_FILE else [result])
        file.write_bytes(before)
    assert not mark.exists()


def test_planted_names_in_a_result_reach_no_path(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tracker = open_tracker(make_database(tmp_path))
    plan = tiny_plan({"seed": [0]}, analyses={"path_count": {}})
    [spec] = plan.trials
    tracker.start_sweep(plan.sweep, trials=plan.trials, command="")
    tracker.start_trial(spec)
    tracker.finish_trial(run_trial(spec, plan.questions(spec)), weights={}, figures={})
    tracker.end_sweep("finished")
    [file] = (tmp_path / "mlartifacts").rglob(RESULT_FILE)
    content, client = json.loads(file.read_text()), MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    for name in ("../../../x", "/tmp/x", "..", "a/b", "a\0b", ""):
        planted = copy.deepcopy(content)
        planted["measurements"][-1]["question"]["analysis"] = {"name": name, "arguments": {}}
        file.write_text(json.dumps(planted))
        # Whoever may write there may write the tags too.
        client.set_tag(file.parents[1].name, "resablate.record.result.json", digest(file.read_bytes()))
        caplog.clear()
        assert tracker.load_sweep("tiny").results == []
        assert re.search(r"result\.json of run .*: it is not what this version of resablate writes", caplog.text)
    [file] = (tmp_path / "mlartifacts").rglob("sweep.json")
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"name": "../../x"}))
    with pytest.raises(TrackingError, match=r"trials\.json of run|sweep"):
        tracker.load_sweep("tiny")


@pytest.mark.parametrize(
    "text",
    [
        "name: !!python/object/apply:os.mkdir ['{mark}']\n",
        "name: tiny\nbase: !!python/object/new:os.mkdir ['{mark}']\n",
        "name: tiny\naxes:\n  seed: !!python/object/apply:eval [\"__import__('os').mkdir('{mark}')\"]\n",
        "name: tiny\nquestion: !!python/name:os.system\n",
    ],
)
def test_a_sweep_cannot_run_code(text: str, mark: Path, tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(text.replace("{mark}", str(mark)))
    for read in (load_sweep, load_plan):
        with pytest.raises(SpecError, match="not valid YAML: could not determine a constructor"):
            read(file)
    assert not mark.exists()


def test_a_planted_batch_of_cifar_is_refused(mark: Path, tmp_path: Path) -> None:
    from resablate.datasets import load_dataset

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]:
        (folder / name).write_bytes(_pickle(mark))
    with pytest.raises(DatasetError):
        load_dataset("cifar10", tmp_path)
    assert not mark.exists()
