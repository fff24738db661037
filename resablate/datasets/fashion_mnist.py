"""Fashion-MNIST: 28x28 gray images of clothes, as hard as MNIST is easy."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from resablate.datasets.idx import read_idx
from resablate.datasets.images import Dataset, ImageDataset, split_images
from resablate.datasets.locations import data_roots, download
from resablate.datasets.published import check_published
from resablate.errors import DatasetError

_DEBIAN = Path("/usr/share/datasets/fashion-mnist")
_LAYOUTS = ("", "FashionMNIST/raw", "fashion-mnist")
_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def _folders(roots: Sequence[Path]) -> list[Path]:
    return [*(root / layout for root in roots for layout in _LAYOUTS), _DEBIAN]


def _files(folder: Path) -> list[Path] | None:
    """The four files in `folder`, plain or gzipped, or None if one is missing."""
    found = [next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None) for name in _FILES]
    return [path for path in found if path] if all(found) else None


def _load(data_root: Path | None) -> ImageDataset:
    """The first complete copy found, else torchvision's download.

    Raises:
        DatasetError: if there is none and the download fails, naming every place and remedy, or if a file is not as
            it was published.
    """
    roots = data_roots(data_root)
    files = next((files for folder in _folders(roots) if (files := _files(folder))), None) or _download(roots)
    check_published("fashion_mnist", files)
    train_images, train_labels, test_images, test_labels = (read_idx(path) for path in files)
    _check(train_images, train_labels, files[0])
    _check(test_images, test_labels, files[2])
    return ImageDataset(train_images.unsqueeze(1), train_labels.long(), test_images.unsqueeze(1), test_labels.long())


def _check(images: Tensor, labels: Tensor, path: Path) -> None:
    highest = int(labels.max()) if labels.numel() else -1
    if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1] or not 0 <= highest < FASHION_MNIST.num_classes:
        shapes = f"images {tuple(images.shape)}, labels {tuple(labels.shape)} up to {highest}"
        raise DatasetError(f"{path.parent}: not Fashion-MNIST: {shapes}")


def _download(roots: Sequence[Path]) -> list[Path]:
    import torchvision

    def fetch() -> None:
        for train in (True, False):
            torchvision.datasets.FashionMNIST(roots[0], train=train, download=True)

    download(
        "fashion_mnist",
        fetch,
        files=f"{_FILES[0]}[.gz] and the other three files",
        looked=_folders(roots),
        remedy="pass --data-root FOLDER, set RESABLATE_DATA, or install Debian's package dataset-fashion-mnist",
    )
    files = _files(roots[0] / "FashionMNIST" / "raw")
    if files is None:
        raise DatasetError(f"fashion_mnist: the download into {roots[0]} is incomplete; delete it and try again")
    return files


FASHION_MNIST = Dataset(
    load=_load,
    split=split_images,
    channels=1,
    size=(28, 28),
    num_classes=10,
    train_count=60_000,
    test_count=10_000,
    source="Xiao, Rasul & Vollgraf, arXiv 1708.07747",
)
