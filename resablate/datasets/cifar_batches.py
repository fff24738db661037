"""The files of CIFAR-10 and CIFAR-100 as they are distributed for Python, and as torchvision keeps them."""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from resablate.datasets.images import Dataset, ImageDataset, split_images
from resablate.datasets.locations import data_roots, download
from resablate.datasets.published import check_published
from resablate.errors import DatasetError

_SIDE = 32


class _Array:
    """Stands for a NumPy array while a batch is read, and keeps what was stored of it: NumPy builds nothing from it."""

    def __init__(self, *arguments: object) -> None:
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def pixels(self, count: int) -> NDArray[np.uint8]:
        """(count, 3, 32, 32), which may not be written on.

        Raises:
            ValueError: unless it is `count` rows of 3072 bytes, each row in one piece.
        """
        _version, shape, kind, by_column, content = self.state
        if not isinstance(kind, _Kind) or kind.name not in ("u1", b"u1") or by_column:
            raise ValueError("its images are not bytes in rows")
        if tuple(shape) != (count, 3 * _SIDE * _SIDE):
            raise ValueError(f"its images are {tuple(shape)}, its labels {count}")
        return np.frombuffer(content, dtype=np.uint8).reshape(count, 3, _SIDE, _SIDE)


class _Kind:
    """Stands for the type of an array's numbers."""

    def __init__(self, name: object, *arguments: object) -> None:
        self.name = name

    def __setstate__(self, state: object) -> None:
        """Nothing: the name tells all of a byte."""


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"the encoding {encoding} has no place in a CIFAR batch")
    return text.encode("latin1")


_STANDS_FOR = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Kind,
    ("_codecs", "encode"): _encode,
}
"""What a batch of CIFAR is made of, and what keeps its place: a file may come from anywhere, so nothing that it names
is called."""


@dataclass(frozen=True)
class CifarLayout:
    """What sets the two data sets apart."""

    name: str
    folder: str
    train: Sequence[str]
    test: str
    label: bytes
    classes: int
    torchvision_class: str


class _PlainParts(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STANDS_FOR:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a CIFAR batch")
        return _STANDS_FOR[module, name]


def _read(path: Path, layout: CifarLayout) -> tuple[NDArray[np.uint8], Tensor]:
    """Images (N, 3, 32, 32), which may not be written on, and labels of one batch.

    Raises:
        DatasetError: if the file is damaged, holds anything but arrays, or is of another data set.
    """
    try:
        with path.open("rb") as file:
            content = cast(dict[bytes, Any], _PlainParts(file, encoding="bytes").load())
        labels = torch.tensor(content[layout.label], dtype=torch.int64)
        images = cast(_Array, content[b"data"]).pixels(len(labels))
    except Exception as error:  # what a damaged file has in it is anything
        raise DatasetError(f"{path}: not a batch of {layout.name} ({type(error).__name__}: {error})") from None
    if len(labels) == 0 or int(labels.min()) < 0 or int(labels.max()) >= layout.classes:
        raise DatasetError(f"{path}: not a batch of {layout.name}: labels must be 0 to {layout.classes - 1}")
    return images, labels


def _load(layout: CifarLayout, data_root: Path | None) -> ImageDataset:
    """The copy in `data_root`, $RESABLATE_DATA or the cache, else torchvision's download.

    Raises:
        DatasetError: if there is none and the download fails, naming every place and remedy, or if a file is not as
            it was published.
    """
    roots = data_roots(data_root)
    folders = [folder for root in roots for folder in (root / layout.folder, root)]
    needed = [*layout.train, layout.test]
    folder = next((f for f in folders if all((f / name).is_file() for name in needed)), None)
    if folder is None:
        folder = _download(roots[0], layout, looked=folders)
    check_published(layout.name, [folder / name for name in needed])
    train, test = (_joined([_read(folder / name, layout) for name in names]) for names in (layout.train, [layout.test]))
    return ImageDataset(*train, *test)


def _joined(batches: Sequence[tuple[NDArray[np.uint8], Tensor]]) -> tuple[Tensor, Tensor]:
    images, labels = zip(*batches, strict=True)
    return torch.from_numpy(np.concatenate(images)), torch.cat(labels)


def _download(root: Path, layout: CifarLayout, *, looked: Sequence[Path]) -> Path:
    import torchvision

    download(
        layout.name,
        lambda: getattr(torchvision.datasets, layout.torchvision_class)(root, download=True),
        files=f"{layout.train[0]}, ..., {layout.test}",
        looked=looked,
        remedy=f"pass --data-root FOLDER or set RESABLATE_DATA to the folder that holds {layout.folder}",
    )
    return root / layout.folder


def cifar_dataset(layout: CifarLayout) -> Dataset:
    """The row of the table for `layout`."""
    return Dataset(
        load=partial(_load, layout),
        split=split_images,
        channels=3,
        size=(_SIDE, _SIDE),
        num_classes=layout.classes,
        train_count=50_000,
        test_count=10_000,
        source="Krizhevsky 2009",
    )
