"""Checkpoints in a store: a trial goes on where nothing but the store knows how far it was."""

import logging
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from resablate.errors import ResourceError
from resablate.lifecycle import run_session
from resablate.result import TrialResult, weights_file
from resablate.session import SessionPlace
from resablate.storage.checkpoint_store import CheckpointStore, checkpoint_store
from resablate.tracking import open_tracker
from resablate.trial import Trial, run_trial
from tests.s3 import S3Server, s3_server
from tests.scheduling.tiny import final_plan, numbers
from tests.test_session import RecordingSink
from tests.tracking.servers import MlflowServer


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as started:
        yield started


@pytest.fixture(autouse=True)
def credentials(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["s3", "file"])
def store(request: pytest.FixtureRequest, server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    address = server.uri(tmp_path.name) if request.param == "s3" else f"file://{tmp_path}/store"
    monkeypatch.setenv("RESABLATE_CHECKPOINTS", address)
    return checkpoint_store("tiny")


ASKED = {"path_count": {}, "norm_preservation": {"examples": 32, "epochs": [1]}}
PLAN = final_plan({"seed": [0]}, epochs=4, shortcut="dropout", analyses=ASKED)
[SPEC] = PLAN.trials
QUESTIONS = PLAN.questions(SPEC)


def test_a_trial_continues_on_another_machine_bit_for_bit(store: str, tmp_path: Path) -> None:
    whole = run_trial(SPEC, QUESTIONS, folder=tmp_path / "whole")
    one, other = tmp_path / "one" / SPEC.key, tmp_path / "other" / SPEC.key
    trial, here = Trial(SPEC, QUESTIONS, folder=one), CheckpointStore(store)
    for _ in range(3):
        trial.run_epoch()
        here.upload(one)
    names = ["after-epoch-000001", "analyses-000001", "checkpoint-000002", "checkpoint-000003"]
    assert [name.partition(".")[0] for name in sorted(here._stored(SPEC.key))] == names

    there = CheckpointStore(store)
    there.download(other)
    assert {path.name for path in other.iterdir()} == {path.name for path in one.iterdir()}
    moved = Trial(SPEC, QUESTIONS, folder=other)
    assert moved.training.epoch == 3
    while not moved.training.done:
        moved.run_epoch()
    result = moved.finish()
    assert numbers(result) == numbers(whole)
    assert result.kept_epochs == (1,)
    assert (other / weights_file(1)).read_bytes() == (one / weights_file(1)).read_bytes()
    there.delete(other)
    assert there._stored(SPEC.key) == set()


def test_a_session_continues_where_only_the_store_is_left(store: str, tmp_path: Path) -> None:
    """And leaves nothing there at its end."""
    cpu, told = torch.device("cpu"), RecordingSink()
    first = SessionPlace(cpu, tmp_path / "first", None, CheckpointStore(store))
    session = run_session([PLAN.request(SPEC)], place=first, sink=RecordingSink())
    for _ in range(2):
        next(session)
    del session
    shutil.rmtree(tmp_path / "first")
    second = SessionPlace(cpu, tmp_path / "second", None, CheckpointStore(store))
    *epochs, result = run_session([PLAN.request(SPEC)], place=second, sink=told)
    assert len(epochs) == 2
    assert isinstance(result, TrialResult)
    assert numbers(result) == numbers(run_trial(SPEC, QUESTIONS, folder=tmp_path / "whole"))
    assert set(told.weights[SPEC.key]) == {weights_file(1), weights_file(None)}
    assert CheckpointStore(store)._stored(SPEC.key) == set()


def test_a_folder_that_is_further_is_left_alone(store: str, tmp_path: Path) -> None:
    folder, there = tmp_path / "trials" / SPEC.key, CheckpointStore(store)
    trial = Trial(SPEC, QUESTIONS, folder=folder)
    trial.run_epoch()
    there.upload(folder)
    trial.run_epoch()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    there.download(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_what_is_wrong_in_a_store_is_found_without_changing_it(store: str, tmp_path: Path) -> None:
    folder, there = tmp_path / "trials" / SPEC.key, CheckpointStore(store)
    assert there.keys() == []
    trial = Trial(SPEC, QUESTIONS, folder=folder)
    for _ in range(3):
        trial.run_epoch()
    damage(folder / "checkpoint-000003.safetensors")
    (folder / "analyses-000009.json").write_text("[]")
    there.upload(folder)
    before = there._stored(SPEC.key)
    assert there.keys() == [SPEC.key]
    found = there.examine(SPEC.key)
    assert [checkpoint.path.name for checkpoint in found.whole] == ["checkpoint-000002.safetensors"]
    assert [path.name for path in found.damaged] == ["checkpoint-000003.safetensors"]
    assert [path.name for path in found.unknown] == ["analyses-000009.json"]
    assert there._stored(SPEC.key) == before
    there.remove(SPEC.key, "checkpoint-000003.safetensors")
    assert there._stored(SPEC.key) == before - {"checkpoint-000003.safetensors"}
    there.remove(SPEC.key)
    assert there.keys() == []
    with pytest.raises(ResourceError, match=r"/tiny.*: removing checkpoints failed"):
        there.remove(SPEC.key, "checkpoint-000001.safetensors")


def test_only_checkpoints_are_read_from_a_store(tmp_path: Path) -> None:
    trial, store = Trial(SPEC, folder=tmp_path / "trials" / SPEC.key), CheckpointStore(f"file://{tmp_path}/store")
    trial.run_epoch()
    store.upload(tmp_path / "trials" / SPEC.key)
    for name in ("result.json", "weights.safetensors", "x.py", "analyses-000001.json"):
        (tmp_path / "store" / SPEC.key / name).write_bytes(b"x")
    other = tmp_path / "other" / SPEC.key
    store.download(other)
    assert [path.name for path in other.iterdir()] == ["checkpoint-000001.safetensors"]


def test_a_store_that_is_away_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with s3_server() as server:
        away = CheckpointStore(server.uri("gone").replace("s3://", "s3://a-key:planted-word@"))
        server.kill()
        trial = Trial(SPEC, folder=tmp_path / SPEC.key)
        begin = time.monotonic()
        with caplog.at_level(logging.WARNING):
            away.download(tmp_path / SPEC.key)
            while not trial.training.done:
                trial.run_epoch()
                away.upload(tmp_path / SPEC.key)
            away.delete(tmp_path / SPEC.key)
    assert time.monotonic() - begin < 60
    [record] = [record for record in caplog.records if record.name == "resablate.storage.checkpoint_store"]
    assert "reading checkpoints failed, tried again later" in record.getMessage()
    assert "planted-word" not in record.getMessage()


@pytest.mark.parametrize("address", ["s4://bucket/x", "bucket/x", "http://host/x", "s3://"])
def test_an_address_that_is_none_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESABLATE_CHECKPOINTS", address)
    with pytest.raises(ResourceError, match=r"\$RESABLATE_CHECKPOINTS: .*no address of a file system, such as s3://"):
        checkpoint_store("tiny")


def test_artifacts_go_through_the_server_into_the_store(
    server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server alone has the store's credentials."""
    for name in server.environment:
        monkeypatch.delenv(name)
    place = f"s3://resablate/artifacts-{tmp_path.name}"
    with MlflowServer(tmp_path / "server", artifacts=place, environment=server.environment) as mlflow:
        tracker = open_tracker(mlflow.uri)
        tracker.start_sweep(PLAN.sweep, trials=PLAN.trials, command="")
        tracker.start_trial(SPEC)
        result = run_trial(SPEC, QUESTIONS, folder=tmp_path / "trial")
        weights = {name: tmp_path / "trial" / name for name in (weights_file(1), weights_file(None))}
        tracker.finish_trial(result, weights=weights, figures={"x": b"png"})
        tracker.end_sweep("finished")
        assert tracker.load_sweep("tiny").results == [result]
        for epoch in (1, None):
            loaded = tracker.load_weights_file(tracker.complete_keys()[SPEC.key], tmp_path, epoch=epoch)
            assert loaded.read_bytes() == weights[weights_file(epoch)].read_bytes()
        os.environ.update(server.environment)
        try:
            names = {name.rpartition("/")[2] for name in server.files() if tmp_path.name in name}
        finally:
            for name in server.environment:
                del os.environ[name]
    assert {"result.json", *weights, "x.png", "sweep.json", "trials.json"} <= names


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoiled", "epoch"),
    [
        ("trials/checkpoint-000003.safetensors", 3),
        ("store/checkpoint-000003.safetensors", 3),
        ("both/checkpoint-000003.safetensors", 2),
        ("both/analyses-000001.json", 0),
    ],
)
def test_what_is_damaged_in_one_place_is_whole_in_the_other(spoiled: str, epoch: int, tmp_path: Path) -> None:
    where, _, name = spoiled.partition("/")
    folder, store = tmp_path / "trials" / SPEC.key, tmp_path / "store" / SPEC.key
    trial, here = Trial(SPEC, QUESTIONS, folder=folder), CheckpointStore(f"file://{tmp_path}/store")
    for _ in range(3):
        trial.run_epoch()
        here.upload(folder)
    for place in ("trials", "store") if where == "both" else (where,):
        damage(tmp_path / place / SPEC.key / name)
    there = CheckpointStore(f"file://{tmp_path}/store")
    there.download(folder)
    again = Trial(SPEC, QUESTIONS, folder=folder)
    assert again.training.epoch == epoch
    again.run_epoch()
    there.upload(folder)
    assert {path.name: path.read_bytes() for path in store.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()
    }, "the store has what the folder has, also where a file of the same name and size was damaged there"


def test_a_file_that_was_not_written_since_is_not_stored_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "trials" / SPEC.key
    trial, here = Trial(SPEC, QUESTIONS, folder=folder), CheckpointStore(f"file://{tmp_path}/store")
    trial.run_epoch()
    here.upload(folder)
    there = CheckpointStore(f"file://{tmp_path}/store")
    there.download(tmp_path / "other" / SPEC.key)
    copied: list[str] = []
    monkeypatch.setattr(CheckpointStore, "_copy", lambda self, source, target, down: copied.append(target))
    here.upload(folder)
    there.upload(tmp_path / "other" / SPEC.key)
    assert copied == []


def test_who_may_not_write_neither_stores_nor_deletes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And does so later, where it turns out to hold the lease."""
    folder, place, allowed = tmp_path / "trials" / SPEC.key, tmp_path / "store" / SPEC.key, [True]
    store = CheckpointStore(f"file://{tmp_path}/store", may_write=lambda: allowed[0])
    trial = Trial(SPEC, QUESTIONS, folder=folder)
    trial.run_epoch()
    store.upload(folder)
    before = {path: path.read_bytes() for path in place.iterdir()}
    allowed[0] = False
    trial.run_epoch()
    store.upload(folder)
    store.delete(folder)
    store.delete_all(folder.parent, [SPEC.key])
    assert {path: path.read_bytes() for path in place.iterdir()} == before
    [line] = [record.getMessage() for record in caplog.records if record.name.endswith("checkpoint_store")]
    assert line == (
        f"file://{tmp_path}/store: storing checkpoints is put off until it is known that this process still runs the"
        " sweep"
    )
    store.download(tmp_path / "other" / SPEC.key)
    assert (tmp_path / "other" / SPEC.key).is_dir(), "to read is nothing to be put off"
    allowed[0] = True
    store.upload(folder)
    assert {path.name for path in place.iterdir()} == {path.name for path in folder.iterdir() if path.is_file()}
    allowed[0] = False
    store.delete(folder)
    assert place.is_dir()
    allowed[0] = True
    store.delete(tmp_path / "trials" / "another")
    assert not place.exists(), "what was put off is done with what comes next"


def test_what_was_not_deleted_at_its_end_is_deleted_at_the_next_start(store: str, tmp_path: Path) -> None:
    here = CheckpointStore(store)
    for key in ("a" * 12, "b" * 12):
        folder = tmp_path / "trials" / key
        folder.mkdir(parents=True)
        (folder / "checkpoint-000001.safetensors").write_bytes(b"x")
        here.upload(folder)
    CheckpointStore(store).delete_all(tmp_path / "trials", ["a" * 12, "c" * 12])
    assert [bool(here._stored(key)) for key in ("a" * 12, "b" * 12)] == [False, True]
