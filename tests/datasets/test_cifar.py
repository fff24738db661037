"""CIFAR on small files in the format in which it is distributed."""

import hashlib
import pickle
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision

from resablate.datasets import DATASETS, fingerprints, published
from resablate.errors import DatasetError
from tests.datasets.unpublished import unpublished_files

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


@pytest.fixture(autouse=True)
def unpublished(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[None]:
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    with unpublished_files():
        yield


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
        (
            pickle.dumps({b"data": np.zeros((1, 100), np.uint8), b"labels": [1]}),
            r"images are \(1, 100\), its labels 1",
        ),
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


# What was published


def digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in [*TEN, "test_batch"]}


def test_an_altered_file_is_refused_before_anything_of_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar10(tmp_path)
    monkeypatch.setattr(published, "PUBLISHED", {"cifar10": digests(tmp_path)})
    assert len(DATASETS["cifar10"].load(tmp_path).train_images) == 5 * COUNT
    content = bytearray((tmp_path / "data_batch_3").read_bytes())
    content[-200] ^= 1  # a pixel: whatever reads the file finds nothing wrong
    (tmp_path / "data_batch_3").write_bytes(content)
    (tmp_path / "test_batch").write_bytes(b"")
    with pytest.raises(DatasetError, match="cifar10: 2 files are not as they were published: damaged, alter") as caught:
        DATASETS["cifar10"].load(tmp_path)
    for words in ("data_batch_3: its content has the MD5", "test_batch", "--data-root", "dataset image_folder"):
        assert words in str(caught.value)
    assert "data_batch_1" not in str(caught.value)


def test_a_file_is_compared_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path)
    monkeypatch.setattr(published, "PUBLISHED", {"cifar10": digests(tmp_path)})
    DATASETS["cifar10"].load(tmp_path)

    def refuse(*args: object, **keywords: object) -> None:
        raise AssertionError("hashed again")

    monkeypatch.setattr(fingerprints.hashlib, "md5", refuse)
    DATASETS["cifar10"].load(tmp_path)
    (tmp_path / "test_batch").touch()
    with pytest.raises(AssertionError, match="hashed again"):
        DATASETS["cifar10"].load(tmp_path)


def test_the_true_md5s_are_those_that_torchvision_checks() -> None:
    for name, loader in (("cifar10", torchvision.datasets.CIFAR10), ("cifar100", torchvision.datasets.CIFAR100)):
        with_table = {file: digest for file, digest in (*loader.train_list, *loader.test_list)}
        assert with_table == dict(_TRUE[name])


_TRUE = dict(published.PUBLISHED)


def test_a_byte_that_numpy_dies_of_is_an_error(tmp_path: Path) -> None:
    """An array's type with other flags: NumPy ends the process (case 15). In a process of its own, should it again."""
    write_cifar10(tmp_path)
    content = (tmp_path / "data_batch_1").read_bytes()
    at = content.index(b"NNNJ")
    (tmp_path / "data_batch_3").write_bytes(content[: at + 2] + b"0" + content[at + 3 :])
    (tmp_path / "data_batch_4").write_bytes(content[:61] + content[161:])
    code = (
        "import sys, pathlib; from resablate.datasets import cifar_batches as c, cifar10\n"
        "from resablate.errors import DatasetError\n"
        "for name in ('data_batch_3', 'data_batch_4'):\n"
        "    layout = c.CifarLayout('cifar10', '', (), '', b'labels', 10, '')\n"
        "    try: c._read(pathlib.Path(sys.argv[1]) / name, layout); print('read')\n"
        "    except DatasetError as error: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.split()[1] == "refused"
