import json
import os
import resource
from pathlib import Path

import pytest
import torch

from resablate.errors import CheckpointError, FilesUnreadable
from resablate.optimizers import OPTIMIZERS
from resablate.storage.checkpoint_files import checkpoint_metadata, keep_whole, seal
from resablate.storage.files import digest, write_bytes
from resablate.training import load_weights, resume, save_checkpoint, save_weights
from resablate.training.checkpoint import tensor_bytes
from tests.training.runs import make_digits_network, make_training, numbers, run, same_bits


@pytest.mark.parametrize("stop", [1, 3])
@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"shortcut": "dropout"},
        {"augmentation": {"name": "crop_flip", "padding": 1}},
        {"shortcut": "exclusive_gate", "schedule": {"name": "steps", "warmup_iterations": 4}},
        {"optimizer": {"name": "sgd", "momentum": 0.0}},
        {"optimizer": {"name": "sgd", "nesterov": True, "weight_decay_on": "convolutions"}},
        {"optimizer": "adamw", "learning_rate": 0.01},
        {"optimizer": {"name": "adamw", "weight_decay_on": "convolutions"}, "memory_format": "channels_last"},
        {"regularizer": {"name": "orthogonal_penalty", "strength": 0.01}},
        {"regularizer": {"name": "procrustes", "strength": 0.5}},
        {"optimizer": "muon", "learning_rate": 0.02, "schedule": "cosine"},
        {"averaging": {"name": "ema", "decay": 0.9}, "memory_format": "channels_last"},
        {"mixing": "mixup", "erasing": "cutout", "loss": {"name": "cross_entropy", "label_smoothing": 0.1}},
        {"mixing": "cutmix", "erasing": "random_erasing", "clipping": "norm", "shortcut": "stochastic_shortcut"},
        {"augmentation": {"name": "crop_flip", "fill": "black"}, "block_sampling": "stochastic_depth"},
    ],
    ids=[
        "plain",
        "dropout",
        "crop_flip",
        "gate-steps",
        "no-momentum",
        "nesterov",
        "adamw",
        "adamw-channels_last",
        "penalized",
        "projected",
        "muon",
        "averaged",
        "mixup-cutout-smoothed",
        "cutmix-erased-clipped",
        "black-undrawn",
    ],
)
def test_a_stopped_training_continues_bit_for_bit(tmp_path: Path, keywords: dict[str, object], stop: int) -> None:
    whole = run(make_training(**keywords))
    stopped = make_training(**keywords)
    for _ in range(stop):
        stopped.run_epoch()
        save_checkpoint(tmp_path, stopped)
    torch.manual_seed(99)  # another process
    continued = make_training(**keywords)
    assert resume(tmp_path, continued) == {}
    assert continued.epoch == stop
    assert same_bits(continued, stopped)
    run(continued)
    assert same_bits(continued, whole)
    assert numbers(continued.history) == numbers(whole.history)


STATES = {
    "sgd": {"momentum_buffer"},
    "adamw": {"step", "exp_avg", "exp_avg_sq"},
    "muon": {"momentum_buffer"},
}
"""What optimizers remember of each parameter."""


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_everything_an_optimizer_remembers_is_kept(optimizer: str, tmp_path: Path) -> None:
    training = make_training(optimizer=optimizer, learning_rate=0.01)
    training.run_epoch()
    save_checkpoint(tmp_path, training)
    continued = make_training(optimizer=optimizer, learning_rate=0.01)
    assert not continued.optimizer.state
    resume(tmp_path, continued)
    remembered = training.optimizer.state_dict()["state"]
    assert len(remembered) == len(list(training.network.parameters()))
    for index, state in continued.optimizer.state_dict()["state"].items():
        assert set(state) == STATES[optimizer]
        for name, value in state.items():
            assert torch.equal(value, remembered[index][name])
            assert (value.dtype, value.device) == (remembered[index][name].dtype, remembered[index][name].device)
    assert any(value.any() for name, value in continued.tensors().items() if name.startswith("optimizer.state."))


def test_an_optimizer_without_memory_keeps_nothing_but_its_settings() -> None:
    training = make_training(optimizer={"name": "sgd", "momentum": 0.0})
    training.run_epoch()
    assert all(name.startswith(("network.", "optimizer.group_number.0.")) for name in training.tensors())


@pytest.mark.parametrize("name", ["optimizer.state.999.momentum_buffer", "optimizer.group_number.1.lr"])
def test_a_checkpoint_of_more_parameters_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = make_training()
    training.run_epoch()
    tensors = {**training.tensors(), name: torch.zeros(1)}
    monkeypatch.setattr(training, "tensors", lambda: tensors)
    save_checkpoint(tmp_path, training)
    with pytest.raises(CheckpointError, match=r"checkpoint-000001.safetensors: does not fit the network: "):
        resume(tmp_path, make_training())


def test_a_diverged_training_stays_ended(tmp_path: Path) -> None:
    training = run(make_training(learning_rate=1e30, schedule="constant"))
    save_checkpoint(tmp_path, training)
    continued = make_training()
    resume(tmp_path, continued)
    assert continued.diverged
    assert continued.done


def test_an_empty_folder_is_a_fresh_start(tmp_path: Path) -> None:
    training = make_training()
    assert resume(tmp_path, training) == {}
    assert resume(tmp_path / "nowhere", training) == {}
    assert training.epoch == 0


def test_the_size_of_a_pack_is_kept_and_one_where_an_older_checkpoint_says_nothing(tmp_path: Path) -> None:
    training = make_training()
    training.run_epoch()
    training.pack_size = 3
    written, continued = save_checkpoint(tmp_path, training), make_training()
    resume(tmp_path, continued)
    assert continued.pack_size == 3
    metadata = checkpoint_metadata("", training.history, {})
    del metadata["pack_size"]
    written.write_bytes(seal(tensor_bytes(training.tensors(), metadata)))
    resume(tmp_path, continued)
    assert (continued.epoch, continued.pack_size) == (1, 1)


def test_the_two_newest_are_kept(tmp_path: Path) -> None:
    training = make_training()
    for _ in range(4):
        training.run_epoch()
        save_checkpoint(tmp_path, training)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-000003.safetensors",
        "checkpoint-000004.safetensors",
    ]


@pytest.mark.parametrize("kept", [0, 5, 200, -1])
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(
    tmp_path: Path, kept: int, caplog: pytest.LogCaptureFixture
) -> None:
    training = make_training()
    for _ in range(2):
        training.run_epoch()
        newest = save_checkpoint(tmp_path, training)
    newest.write_bytes(newest.read_bytes()[:kept])
    continued = make_training()
    resume(tmp_path, continued)
    [warning] = caplog.messages
    assert warning.startswith(f"{newest}: damaged checkpoint passed over (")
    assert continued.epoch == 1
    run(continued)
    assert same_bits(continued, run(make_training()))


def test_when_all_are_damaged_training_starts_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in (1, 2):
        (tmp_path / f"checkpoint-{number:06d}.safetensors").write_bytes(b"no checkpoint")
    training = make_training()
    resume(tmp_path, training)
    assert len(caplog.messages) == 2
    assert list(tmp_path.iterdir()) == []
    assert same_bits(run(training), run(make_training()))


def test_weights_alone_are_no_checkpoint(tmp_path: Path) -> None:
    save_weights(tmp_path / "checkpoint-000001.safetensors", make_digits_network())
    training = make_training()
    assert resume(tmp_path, training) == {}
    assert training.epoch == 0


def test_one_changed_bit_anywhere_is_found(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In the lengths, the header, the checksum itself, and the numbers: in a place of each kind, and many at random."""
    training = make_training()
    training.run_epoch()
    path = save_checkpoint(tmp_path, training, key="a-key")
    content = path.read_bytes()
    header = int.from_bytes(content[:8], "little")
    checksum = content.index(b'"checksum":"')
    drawn = torch.randint(len(content), (60,), generator=torch.Generator().manual_seed(1)).tolist()
    for place in (0, 7, 8, checksum + 3, checksum + 12, checksum + 75, 8 + header, len(content) - 1, *drawn):
        for bit in (0, 5):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            path.write_bytes(changed)
            assert keep_whole(tmp_path, key="a-key") is None, (place, bit)
            assert not path.exists(), "it is in nobody's way"
    path.write_bytes(content)
    whole = keep_whole(tmp_path, key="a-key")
    assert whole is not None
    assert whole.history == training.history


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_history_with_other_rows_than_epochs_is_no_checkpoint(
    rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    training = make_training()
    for _ in range(2):
        training.run_epoch()
    path = save_checkpoint(tmp_path, training)
    monkeypatch.setattr(training, "history", [*training.history, training.history[-1]][:rows])
    other = save_checkpoint(tmp_path / "other", training)
    path.write_bytes(other.read_bytes())
    assert keep_whole(tmp_path, key="") is None
    assert f"its history has {rows} rows" in caplog.text


def test_what_another_version_or_another_trial_wrote_is_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    training = make_training()
    training.run_epoch()
    save_checkpoint(tmp_path, training, key="another")
    assert keep_whole(tmp_path, key="mine") is None
    assert "its key is 'another', not 'mine'" in caplog.text
    with monkeypatch.context() as patch:
        patch.setattr("resablate.storage.checkpoint_files._VERSION", "0")
        save_checkpoint(tmp_path, training, key="mine")
    assert keep_whole(tmp_path, key="mine") is None
    assert "its version is '0', not '1'" in caplog.text
    with monkeypatch.context() as patch:
        plain = json.dumps([{**vars(training.history[0]), "luck": 1}])
        patch.setattr("resablate.storage.checkpoint_files.json.dumps", lambda value: plain if value else "{}")
        save_checkpoint(tmp_path, training, key="mine")
    assert keep_whole(tmp_path, key="mine") is None
    assert "luck" in caplog.text


def test_a_folder_or_a_file_in_the_place_of_another_is_removed(tmp_path: Path) -> None:
    training = make_training()
    training.run_epoch()
    folder = tmp_path / "trial"
    folder.write_text("no folder")
    assert resume(folder, training) == {}
    for name in ("checkpoint-000001.safetensors", "checkpoint-000001.partial", "analyses-000001.json"):
        (folder / name / "deep").mkdir(parents=True)
    assert resume(folder, training) == {}
    save_checkpoint(folder, training)
    (folder / "checkpoint-000002.safetensors" / "deep").mkdir(parents=True)
    training.run_epoch()
    assert save_checkpoint(folder, training).is_file(), "what came there meanwhile is in nobody's way either"
    continued = make_training()
    resume(folder, continued)
    assert continued.epoch == 2


def test_a_checkpoint_goes_with_its_files_or_not_at_all(tmp_path: Path) -> None:
    training = make_training()
    (tmp_path / "analyses-000001.json").write_bytes(b"answers")
    (tmp_path / "after-epoch-000007.safetensors").write_bytes(b"of a training that was begun anew since")
    files = {"analyses-000001.json": digest(b"answers")}
    for epoch in (1, 2):
        training.run_epoch()
        save_checkpoint(tmp_path, training, files=files if epoch == 1 else {**files, "after-epoch-000002.x": "lost"})
    continued = make_training()
    assert resume(tmp_path, continued) == files
    assert continued.epoch == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["analyses-000001.json", "checkpoint-000001.safetensors"]


@pytest.mark.parametrize("other", [{"width": 5}, {"depth": 14}, {"shortcut": "conv1x1"}], ids=str)
def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path, other: dict[str, object]) -> None:
    training = make_training()
    training.run_epoch()
    path = save_checkpoint(tmp_path, training)
    with pytest.raises(CheckpointError, match=f"{path.name}: does not fit the network: "):
        resume(tmp_path, make_training(make_digits_network(**other)))


def test_weights_survive_a_round_trip(tmp_path: Path) -> None:
    training = make_training()
    training.run_epoch()
    save_weights(tmp_path / "deep" / "weights.safetensors", training.network)
    fresh = make_digits_network(generator=torch.Generator().manual_seed(8))
    load_weights(tmp_path / "deep" / "weights.safetensors", fresh)
    ours, theirs = fresh.state_dict(), training.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_weights_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with pytest.raises(CheckpointError, match="not readable as safetensors"):
        load_weights(path, make_digits_network())
    save_weights(path, make_digits_network())
    with pytest.raises(CheckpointError, match="does not fit the network"):
        load_weights(path, make_digits_network(width=5))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="not readable as safetensors"):
        load_weights(path, make_digits_network())


@pytest.fixture
def failing_rename(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine stops between writing a file and giving it its name."""

    def fail(*args: object, **keywords: object) -> None:
        raise OSError("power failure")

    monkeypatch.setattr(os, "replace", fail)


def test_a_half_written_file_never_has_the_final_name(tmp_path: Path, failing_rename: None) -> None:
    training = make_training()
    training.run_epoch()
    for write in (
        lambda: write_bytes(tmp_path / "result.json", b"x"),
        lambda: save_weights(tmp_path / "weights.safetensors", training.network),
        lambda: save_checkpoint(tmp_path, training),
    ):
        with pytest.raises(OSError, match="power failure"):
            write()
    assert {path.suffix for path in tmp_path.iterdir()} == {".partial"}
    assert resume(tmp_path, make_training()) == {}


def test_a_failed_write_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "result.json"
    write_bytes(path, b"old")
    monkeypatch.setattr(Path, "write_bytes", lambda *args: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"


UNREADABLE = Path("/proc/self/mem")
"""Can be opened, and reading it fails as a broken disk does."""


@pytest.mark.skipif(not UNREADABLE.exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("name", ["checkpoint-000002.safetensors", "after-epoch-000001.safetensors"])
def test_what_cannot_be_read_is_neither_removed_nor_begun_anew(tmp_path: Path, name: str) -> None:
    """It may be whole: only what was read and is not what was written is damaged."""
    training = make_training()
    write_bytes(tmp_path / "after-epoch-000001.safetensors", b"weights")
    for _ in range(2):
        training.run_epoch()
        save_checkpoint(tmp_path, training, files={"after-epoch-000001.safetensors": digest(b"weights")})
    (tmp_path / name).rename(tmp_path.parent / f"kept-{name}")
    (tmp_path / name).symlink_to(UNREADABLE)
    before = sorted(tmp_path.iterdir())
    for _ in range(2):
        with pytest.raises(FilesUnreadable, match=r": cannot be read \(Input/output error\), so nothing of its trial"):
            resume(tmp_path, make_training())
    assert sorted(tmp_path.iterdir()) == before
    (tmp_path.parent / f"kept-{name}").replace(tmp_path / name)
    continued = make_training()
    resume(tmp_path, continued)
    assert same_bits(continued, training)


def test_where_no_further_file_can_be_opened_nothing_is_removed(tmp_path: Path) -> None:
    training = make_training()
    training.run_epoch()
    save_checkpoint(tmp_path, training)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = os.open(tmp_path, os.O_RDONLY)
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken, hard))
    try:
        with pytest.raises(FilesUnreadable, match=r": cannot be read \(Too many open files\)"):
            keep_whole(tmp_path, key="")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        os.close(taken)
    found = keep_whole(tmp_path, key="")
    assert found and len(found.history) == 1
