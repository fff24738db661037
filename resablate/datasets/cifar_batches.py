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
from resablate.errors import DatasetError

_SIDE = 32
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}
"""What a batch of CIFAR is made of. Nothing else is unpickled: a file may come from anywhere."""


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


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a CIFAR batch")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _read(path: Path, layout: CifarLayout) -> tuple[NDArray[np.uint8], Tensor]:
    """Images (N, 3, 32, 32), which may not be written on, and labels of one batch.

    Raises:
        DatasetError: if the file is damaged, holds anything but arrays, or is of another data set.
    """
    try:
        with path.open("rb") as file:
            content = cast(dict[bytes, Any], _ArraysOnly(file, encoding="bytes").load())
        pixels = np.asarray(content[b"data"], dtype=np.uint8)
        labels = torch.tensor(content[layout.label], dtype=torch.int64)
        images = pixels.reshape(len(labels), 3, _SIDE, _SIDE)
    except (OSError, EOFError, pickle.UnpicklingError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DatasetError(f"{path}: not a batch of {layout.name} ({type(error).__name__}: {error})") from None
    if len(labels) == 0 or int(labels.min()) < 0 or int(labels.max()) >= layout.classes:
        raise DatasetError(f"{path}: not a batch of {layout.name}: labels must be 0 to {layout.classes - 1}")
    return images, labels


def _load(layout: CifarLayout, data_root: Path | None) -> ImageDataset:
    """The copy in `data_root`, $RESABLATE_DATA or the cache, else torchvision's download.

    Raises:
        DatasetError: if there is none and the download fails; names every place and remedy.
    """
    roots = data_roots(data_root)
    folders = [folder for root in roots for folder in (root / layout.folder, root)]
    needed = [*layout.train, layout.test]
    folder = next((f for f in folders if all((f / name).is_file() for name in needed)), None)
    if folder is None:
        folder = _download(roots[0], layout, looked=folders)
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
