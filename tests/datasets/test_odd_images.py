"""Images and folders as they come: more than eight bits, hidden files, links, nested folders, little shared memory."""

from __future__ import annotations

import logging
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resablate.datasets import DATASETS, streaming
from resablate.datasets.image_folder import FolderImages
from resablate.datasets.pixel_depths import as_rgb
from resablate.datasets.streaming import FileExamples
from resablate.errors import DatasetError
from resablate.training import thread_count
from tests.datasets.image_files import write_folder

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "images", {"train": 3, "val": 2})


def load(folder: Path) -> FolderImages:
    return DATASETS["image_folder"].load(folder)


def reopened(image: Image.Image, path: Path) -> Image.Image:
    image.save(path)
    with Image.open(path) as opened:
        opened.load()
        return opened


@pytest.mark.parametrize("ending", ["png", "tiff", "pgm"])
def test_sixteen_bits_are_scaled_to_eight(ending: str, tmp_path: Path) -> None:
    """Pillow's conversion makes white of everything above 255."""
    deep = reopened(Image.fromarray(RAMP.astype(np.uint16) * 257), tmp_path / f"a.{ending}")
    assert deep.mode.startswith("I")
    assert np.array_equal(np.asarray(as_rgb(deep)), np.repeat(RAMP[..., None], 3, 2))
    between = np.array([[0, 128, 129, 65406, 65407, 65535]], dtype=np.uint16)
    odd = reopened(Image.fromarray(between), tmp_path / f"b.{ending}")
    assert np.asarray(as_rgb(odd))[0, :, 0].tolist() == [0, 0, 1, 254, 255, 255], "to the nearest"


def test_floats_from_0_to_1_are_scaled_and_others_refused(tmp_path: Path) -> None:
    image = reopened(Image.fromarray((RAMP / 255).astype(np.float32)), tmp_path / "a.tiff")
    assert image.mode == "F"
    assert np.array_equal(np.asarray(as_rgb(image))[..., 1], RAMP)
    for values, told in (((0, 255), "got 0 to 255"), ((-0.5, 1), "got -0.5 to 1"), ((0, np.nan), "got nan to nan")):
        image = Image.fromarray(np.array([values], dtype=np.float32))
        with pytest.raises(ValueError, match=f"floats must lie from 0 to 1, {told}"):
            as_rgb(image)


def test_whole_numbers_of_32_bits_have_no_white(tmp_path: Path) -> None:
    image = reopened(Image.fromarray(np.array([[0, 100_000]], dtype=np.int32)), tmp_path / "a.tiff")
    with pytest.raises(ValueError, match="whole numbers of 32 bits, whose white is not known; store 8 or 16 bits"):
        as_rgb(image)


def test_a_refused_image_is_named_and_a_deep_one_is_the_same_picture(folder: Path) -> None:
    place = folder / "train" / "ant"
    for file in place.iterdir():
        file.unlink()
    for number in range(2):
        Image.fromarray(RAMP.astype(np.uint16) * 257).save(place / f"{number}.png")
    Image.fromarray(RAMP).save(place / "2.png")
    data = load(folder)
    ants = FileExamples(folder, data.train_files[:3], data.train_labels[:3], 32, 32)
    images, _ = next(ants.batches(3))
    assert torch.equal(images[0], images[2])
    Image.fromarray(np.full((8, 8), 3.5, dtype=np.float32)).save(place / "0.tif")
    data = load(folder)
    with pytest.raises(DatasetError, match=r"ant/0.tif: cannot be decoded as an image \(ValueError: floats must lie"):
        next(FileExamples(folder, data.train_files[1:2], data.train_labels[1:2], 32, 32).batches(1))


def test_what_is_hidden_is_no_class_and_no_image(folder: Path) -> None:
    before = load(folder)
    hidden = folder / "train" / ".ipynb_checkpoints"
    shutil.copytree(folder / "train" / "ant", hidden)
    shutil.copy(folder / "train/ant/ant_0.JPEG", folder / "train/bee/._ant_0.JPEG")
    shutil.copytree(hidden, folder / "val" / "bee" / ".thumbnails")
    found = load(folder)
    assert found.classes == before.classes == ("ant", "bee", "cat")
    assert found.train_files.tolist() == before.train_files.tolist()
    assert found.test_files.tolist() == before.test_files.tolist()


@pytest.mark.parametrize("place", ["train/loop", "train/ant/loop.png", "val/gone"])
def test_a_link_to_itself_or_to_nothing_is_named(place: str, folder: Path) -> None:
    (folder / place).symlink_to("nothing" if "gone" in place else Path(place).name)
    with pytest.raises(DatasetError, match=f"{place}: a link that leads nowhere, or to itself"):
        load(folder)


def test_links_to_folders_and_images_are_what_they_lead_to(folder: Path, tmp_path: Path) -> None:
    before = load(folder).fingerprint()
    (folder / "train" / "cat").rename(tmp_path / "elsewhere")
    (folder / "train" / "cat").symlink_to(tmp_path / "elsewhere")
    (folder / "train/ant/ant_0.JPEG").rename(tmp_path / "a.JPEG")
    (folder / "train/ant/ant_0.JPEG").symlink_to(tmp_path / "a.JPEG")
    assert load(folder).fingerprint() == before


def test_images_in_a_folder_of_a_class_are_not_left_out_in_silence(folder: Path) -> None:
    (folder / "train" / "bee" / "images").mkdir()
    with pytest.raises(DatasetError, match="train/bee/images: a folder inside a class, whose images lie in "):
        load(folder)


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(("free", "workers"), [(2**40, 2), (1000, 0)])
def test_where_shared_memory_is_small_this_process_decodes(
    free: int, workers: int, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker that finds it full is killed, and the training waits for ever."""
    seen: list[int] = []
    loader = streaming.DataLoader

    def watched(*args: object, num_workers: int, **keywords: object) -> object:
        seen.append(num_workers)
        return loader(*args, num_workers=0, **keywords)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(streaming, "DataLoader", watched)
    monkeypatch.setattr(streaming, "_FEWEST", 1)
    monkeypatch.setattr(streaming, "_cores", lambda: 2)
    monkeypatch.setattr(streaming.shutil, "disk_usage", lambda place: Usage(free, 0, free))
    streaming._warn_once.cache_clear()
    data = load(folder)
    examples = FileExamples(folder, data.train_files, data.train_labels, 64, 64)
    with thread_count(2), caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert sum(len(labels) for _, labels in examples.batches(4)) == 9
    assert seen == [workers] * 2
    assert len(caplog.messages) == (not workers)
    if not workers:
        assert "/dev/shm has 0 MiB free, and 2 processes" in caplog.text
        assert "--shm-size" in caplog.text


def test_how_much_room_batches_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two batches ahead of each worker, and the one at hand; one byte less is too little."""
    with thread_count(2):
        monkeypatch.setattr(streaming, "_cores", lambda: 2)
        for free, workers in ((5 * 4 * 3 * 64**2, 2), (5 * 4 * 3 * 64**2 - 1, 0)):
            monkeypatch.setattr(streaming.shutil, "disk_usage", lambda place, free=free: Usage(free, 0, free))
            assert streaming._workers(9, 4 * 3 * 64**2) == workers
