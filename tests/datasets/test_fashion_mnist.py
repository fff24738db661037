import gzip
import hashlib
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest

import resablate.datasets.fashion_mnist as module
from resablate.datasets import DATASETS, published
from resablate.errors import DatasetError
from tests.datasets.idx_files import NAMES, idx_bytes, make_arrays, write_files
from tests.datasets.unpublished import unpublished_files

load = DATASETS["fashion_mnist"].load


@pytest.fixture(autouse=True)
def unpublished() -> Generator[None]:
    with unpublished_files():
        yield


@pytest.fixture(autouse=True)
def no_copy_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither Debian's package, nor a home folder, nor a network."""
    monkeypatch.setattr(module, "_DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")

    def refuse(*args: object, **keywords: object) -> None:
        raise OSError("no network\nand more")

    monkeypatch.setattr("torchvision.datasets.FashionMNIST", refuse)


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("layout", ["", "FashionMNIST/raw", "fashion-mnist"])
def test_every_layout_below_the_data_root(tmp_path: Path, layout: str, zipped: bool) -> None:
    arrays = make_arrays()
    write_files(tmp_path / "data" / layout, arrays, zipped=zipped)
    found = load(tmp_path / "data")
    assert found.train_images.shape == (6, 1, 28, 28)
    assert found.train_images[:, 0].tolist() == arrays[0].tolist()
    assert found.train_labels.tolist() == arrays[1].tolist()
    assert found.test_images[:, 0].tolist() == arrays[2].tolist()
    assert found.test_labels.tolist() == arrays[3].tolist()


def test_the_environment_s_folder_and_debian_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path / "debian", zipped=True)
    assert len(load(None).train_images) == 6
    write_files(tmp_path / "env", make_arrays(train=7))
    monkeypatch.setenv("RESABLATE_DATA", str(tmp_path / "env"))
    assert len(load(None).train_images) == 7, "the nearer copy first"
    write_files(tmp_path / "given", make_arrays(train=8))
    assert len(load(tmp_path / "given").train_images) == 8


def test_an_incomplete_folder_is_passed_over(tmp_path: Path) -> None:
    write_files(tmp_path / "data" / "FashionMNIST" / "raw")
    half = write_files(tmp_path / "data")
    (half / NAMES[3]).unlink()
    assert len(load(tmp_path / "data").test_images) == 3


def test_nothing_anywhere_names_every_place_and_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESABLATE_DATA", str(tmp_path / "env"))
    (tmp_path / "data").mkdir()
    with pytest.raises(DatasetError, match="not found, and torchvision could not download it") as caught:
        load(tmp_path / "data")
    text = str(caught.value)
    assert "(OSError: no network)" in text
    assert "and more" not in text
    for root in ("data", "env"):
        for layout in ("", "FashionMNIST/raw", "fashion-mnist"):
            assert f"\n    {tmp_path / root / layout}\n" in text
    assert f"\n    {tmp_path / 'debian'}\n" in text
    for remedy in ("--data-root FOLDER", "RESABLATE_DATA", "dataset-fashion-mnist"):
        assert remedy in text


def test_a_missing_data_root_is_an_error_and_not_a_download(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"--data-root .*nowhere: no such folder"):
        load(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DatasetError, match=r"--data-root .*file: no such folder"):
        load(tmp_path / "file")


def test_what_is_downloaded_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(root: Path, *, train: bool, download: bool) -> None:
        assert download
        write_files(root / "FashionMNIST" / "raw", zipped=True)

    monkeypatch.setattr("torchvision.datasets.FashionMNIST", download)
    assert len(load(None).train_images) == 6
    assert (tmp_path / "home" / ".cache" / "resablate" / "data" / "FashionMNIST").is_dir()


def test_a_download_that_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.datasets.FashionMNIST", lambda *args, **keywords: None)
    with pytest.raises(DatasetError, match=r"the download into .* is incomplete; delete it and try again"):
        load(None)


def other_labels(count: int = 6, highest: int = 9) -> np.ndarray:
    return np.full(count, highest)


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({0: make_arrays(size=32)[0]}, r"not Fashion-MNIST: images \(6, 32, 32\), labels \(6,\) up to 5"),
        ({1: other_labels(5)}, r"images \(6, 28, 28\), labels \(5,\) up to 9"),
        ({1: other_labels(highest=10)}, "up to 10"),
        ({1: make_arrays()[0]}, r"labels \(6, 28, 28\)"),
        ({2: make_arrays()[0]}, r"images \(6, 28, 28\), labels \(3,\)"),
        ({0: np.zeros((0, 28, 28)), 1: np.zeros(0)}, r"images \(0, 28, 28\), labels \(0,\)"),
    ],
    ids=["size", "count", "class", "images-for-labels", "test-count", "empty"],
)
def test_files_of_another_data_set_are_refused(tmp_path: Path, replaced: dict[int, np.ndarray], message: str) -> None:
    arrays = [replaced.get(index, array) for index, array in enumerate(make_arrays())]
    write_files(tmp_path, arrays)
    with pytest.raises(DatasetError, match=message):
        load(tmp_path)


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    write_files(tmp_path)
    (tmp_path / NAMES[2]).write_bytes(idx_bytes(make_arrays()[2])[:-100])
    with pytest.raises(DatasetError, match=f"{NAMES[2]}: holds 2252 bytes"):
        load(tmp_path)


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gz"])
def test_other_content_than_was_published_is_refused(
    zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it is compressed: the MD5 is of what is unpacked."""
    contents = dict(zip(NAMES, map(idx_bytes, make_arrays()), strict=True))
    known = {name: hashlib.md5(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(published, "PUBLISHED", {"fashion_mnist": known})
    write_files(tmp_path, zipped=zipped)
    assert len(load(tmp_path).train_images) == 6
    altered = bytearray(contents[NAMES[0]])
    altered[-1] ^= 1
    name = f"{NAMES[0]}.gz" if zipped else NAMES[0]
    (tmp_path / name).write_bytes(gzip.compress(altered) if zipped else altered)
    with pytest.raises(DatasetError, match=f"1 files are not as they were published.*\n.*{name}: its content has"):
        load(tmp_path)
    if zipped:
        (tmp_path / name).write_bytes(gzip.compress(altered)[:-30])
        with pytest.raises(DatasetError, match=f"{name}: not readable"):
            load(tmp_path)
