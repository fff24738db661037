"""CIFAR on small files in the format in which it is distributed."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision

from resablate.datasets import DATASETS
from resablate.errors import DatasetError

TEN = [f"data_batch_{number}" for number in range(1, 6)]
COUNT = 8


def write_batch(path: Path, *, seed: int, label: bytes, classes: int) -> dict[bytes, Any]:
    """One batch as Krizhevsky's files have it: bytes keys, rows of 3072 bytes, a list of labels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    content = {
        b"batch_label": b"made by a test",
        b"data": draw.integers(0, 256, (COUNT, 3072), dtype=np.uint8),
        label: [int(value) for value in draw.integers(0, classes, COUNT)],
        b"filenames": [b"x.png"] * COUNT,
    }
    path.write_bytes(pickle.dumps(content, protocol=2))
    return content


def write_cifar10(folder: Path) -> list[dict[bytes, Any]]:
    names = [*TEN, "test_batch"]
    return [write_batch(folder / name, seed=n, label=b"labels", classes=10) for n, name in enumerate(names)]


@pytest.mark.parametrize("place", ["", "cifar-10-batches-py"])
def test_cifar10_is_read_row_by_row(place: str, tmp_path: Path) -> None:
    batches = write_cifar10(tmp_path / place)
    data = DATASETS["cifar10"].load(tmp_path)
    assert data.train_images.shape == (5 * COUNT, 3, 32, 32)
    assert data.train_images.dtype == torch.uint8
    assert data.train_labels.tolist() == [label for batch in batches[:5] for label in batch[b"labels"]]
    # A row is the red, the green, then the blue plane, each row by row.
    assert int(data.train_images[COUNT, 1, 2, 3]) == batches[1][b"data"][0][1024 + 2 * 32 + 3]
    assert torch.equal(data.test_images.view(COUNT, -1), torch.from_numpy(batches[5][b"data"]))


def test_cifar100_has_its_fine_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed, name in enumerate(("train", "test")):
        batch = write_batch(tmp_path / "cifar-100-python" / name, seed=seed, label=b"fine_labels", classes=100)
    monkeypatch.setenv("RESABLATE_DATA", str(tmp_path))
    assert DATASETS["cifar100"].load(None).test_labels.tolist() == batch[b"fine_labels"]


class Harmful:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.system, ("false",)


def test_nothing_but_arrays_is_unpickled(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    (tmp_path / "data_batch_3").write_bytes(pickle.dumps({b"data": Harmful(), b"labels": [1]}))
    with pytest.raises(DatasetError, match=r"data_batch_3: not a batch of cifar10 .*system has no place"):
        DATASETS["cifar10"].load(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "EOFError"),
        (pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": [10]}), "labels must be 0 to 9"),
        (pickle.dumps({b"data": np.zeros((1, 100), np.uint8), b"labels": [1]}), "cannot reshape"),
        (pickle.dumps({b"labels": [1]}), "KeyError"),
    ],
)
def test_a_damaged_batch_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    (tmp_path / "test_batch").write_bytes(content)
    with pytest.raises(DatasetError, match=f"test_batch: not a batch of cifar10.*{message}"):
        DATASETS["cifar10"].load(tmp_path)


def test_a_missing_copy_names_every_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **keywords: object) -> None:
        raise OSError("no way out")

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", refuse)
    with pytest.raises(DatasetError, match=r"could not download it \(OSError: no way out\)") as caught:
        DATASETS["cifar10"].load(tmp_path)
    for word in (str(tmp_path), "cifar-10-batches-py", "data_batch_1", "--data-root", "RESABLATE_DATA"):
        assert word in str(caught.value)
    with pytest.raises(DatasetError, match="no such folder"):
        DATASETS["cifar10"].load(tmp_path / "nowhere")
