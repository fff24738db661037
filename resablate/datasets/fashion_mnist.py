"""Fashion-MNIST: 28x28 gray images of clothes, as hard as MNIST is easy."""

import os
from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from resablate.datasets.idx import read_idx
from resablate.datasets.images import Dataset, ImageDataset
from resablate.errors import DatasetError

_DEBIAN = Path("/usr/share/datasets/fashion-mnist")
_LAYOUTS = ("", "FashionMNIST/raw", "fashion-mnist")
_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def _download_root(data_root: Path | None) -> Path:
    return data_root or Path(os.environ.get("RESABLATE_DATA") or Path.home() / ".cache" / "resablate" / "data")


def _folders(data_root: Path | None) -> Iterator[Path]:
    roots = [data_root, os.environ.get("RESABLATE_DATA"), _download_root(data_root)]
    for root in dict.fromkeys(Path(root) for root in roots if root):
        yield from (root / layout for layout in _LAYOUTS)
    yield _DEBIAN


def _files(folder: Path) -> list[Path] | None:
    """The four files in `folder`, plain or gzipped, or None if one is missing."""
    found = [next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None) for name in _FILES]
    return [path for path in found if path] if all(found) else None


def _load(data_root: Path | None) -> ImageDataset:
    """The first complete copy found, else torchvision's download.

    Raises:
        DatasetError: if there is none and the download fails; names every place and remedy.
    """
    if data_root is not None and not data_root.is_dir():
        raise DatasetError(f"--data-root {data_root}: no such folder")
    files = next((files for folder in _folders(data_root) if (files := _files(folder))), None)
    if files is None:
        files = _download(_download_root(data_root), looked=list(_folders(data_root)))
    train_images, train_labels, test_images, test_labels = (read_idx(path) for path in files)
    _check(train_images, train_labels, files[0])
    _check(test_images, test_labels, files[2])
    return ImageDataset(train_images.unsqueeze(1), train_labels.long(), test_images.unsqueeze(1), test_labels.long())


def _check(images: Tensor, labels: Tensor, path: Path) -> None:
    highest = int(labels.max()) if labels.numel() else -1
    if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1] or not 0 <= highest < FASHION_MNIST.num_classes:
        shapes = f"images {tuple(images.shape)}, labels {tuple(labels.shape)} up to {highest}"
        raise DatasetError(f"{path.parent}: not Fashion-MNIST: {shapes}")


def _download(root: Path, *, looked: list[Path]) -> list[Path]:
    import torchvision

    try:
        for train in (True, False):
            torchvision.datasets.FashionMNIST(root, train=train, download=True)
    except Exception as error:
        places = "\n".join(f"    {folder}" for folder in looked)
        raise DatasetError(
            "fashion_mnist: not found, and torchvision could not download it"
            f" ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'})\n"
            f"  looked for {_FILES[0]}[.gz] and the other three files in:\n{places}\n"
            "  pass --data-root FOLDER, set RESABLATE_DATA, or install Debian's package dataset-fashion-mnist"
        ) from None
    files = _files(root / "FashionMNIST" / "raw")
    if files is None:
        raise DatasetError(f"fashion_mnist: the download into {root} is incomplete; delete it and try again")
    return files


FASHION_MNIST = Dataset(
    load=_load,
    channels=1,
    size=(28, 28),
    num_classes=10,
    train_count=60_000,
    test_count=10_000,
    source="Xiao, Rasul & Vollgraf, arXiv 1708.07747",
)
